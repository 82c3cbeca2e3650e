"""An interview: the next question is the one whose answer is expected to tell most about the class."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from treegen.clip.questions.answer_model import AnswerModel, entropy

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A question that is expected to tell less than this, in bits, is not asked.
LEAST_GAIN: Final = 0.01
#: The rate of wrong answers among those that are given as guesses; it replaces a lower rate.
GUESS_ERROR: Final = 0.4

Reason = Literal["threshold", "no question helps", "all asked", ""]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """One reply: `option` is an index in `group`, or `None` where the person is not sure or cannot see it."""

    group: int
    option: int | None = None
    guess: bool = False


class Interview:
    """Replies so far, and what they make of the prior.

    Args:
        sure: the answers that the person is sure of.
        guesses: the answers that are guesses: a model of higher noise.
        prior: (K), adding up to 1.
        threshold: stop once the most probable class is as probable as that (0 to 1).
        after_guess: the same once there is a guess; `threshold` by default.
        least_gain: stop once every question is expected to tell less, in bits.
    """

    def __init__(
        self,
        sure: AnswerModel,
        guesses: AnswerModel,
        prior: "NDArray[np.float64]",
        threshold: float,
        least_gain: float = LEAST_GAIN,
        after_guess: float | None = None,
    ) -> None:
        self._models = {False: sure, True: guesses}
        self._least_gain = least_gain
        with np.errstate(divide="ignore"):  # a class that the prior excludes
            self._logs = [np.log(prior)]  # of the prior, and after each reply
        self._thresholds = {False: threshold, True: threshold if after_guess is None else after_guess}
        self.replies: list[Reply] = []

    @property
    def threshold(self) -> float:
        """The probability of the most probable class at which it stops, 0 to 1."""
        return self._thresholds[any(reply.guess for reply in self.replies)]

    @property
    def posterior(self) -> "NDArray[np.float64]":
        """The probability of each class (K), or of each look, after all replies."""
        shares: NDArray[np.float64] = np.exp(self._logs[-1] - self._logs[-1].max())
        shares /= shares.sum()
        return shares

    @property
    def classes(self) -> "NDArray[np.float64]":
        """The probability of each class after all replies; like `posterior`, if no class has several looks."""
        return self._models[False].classes_of(self.posterior)

    @property
    def entropy(self) -> float:
        """What is not yet known about the class, in bits."""
        return entropy(self.classes)

    @property
    def gains(self) -> "NDArray[np.float64]":
        """What each question is expected to tell (G), in bits; 0 for those that were asked."""
        gains = self._models[False].information_gain(self.posterior)
        gains[[reply.group for reply in self.replies]] = 0
        return gains

    @property
    def stopped(self) -> Reason:
        """Why no further question is asked; empty while there is one."""
        if float(self.classes.max()) >= self.threshold:
            return "threshold"
        if len(self.replies) == len(self._models[False].sizes):
            return "all asked"
        return "no question helps" if float(self.gains.max()) < self._least_gain else ""

    def next(self) -> int | None:
        """Return the group to ask about; of equal ones the first. `None` if the interview has stopped."""
        return None if self.stopped else int(self.gains.argmax())

    def answer(self, reply: Reply) -> None:
        """Take a reply.

        Raises:
            IndexError: there is no such group or option.
            ValueError: that group was asked already.
        """
        if any(earlier.group == reply.group for earlier in self.replies):
            raise ValueError(f"group {reply.group} was asked already")
        log = self._logs[-1]
        if reply.option is not None:
            log = log + np.log(self._models[reply.guess].column(reply.group, reply.option))
        self._logs.append(log)
        self.replies.append(reply)

    def back(self) -> Reply | None:
        """Take the last reply back and return it; `None` if there is none."""
        if not self.replies:
            return None
        self._logs.pop()
        return self.replies.pop()
