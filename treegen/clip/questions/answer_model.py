"""How probable each answer is for each class. Shapes: K classes, Q options of all G groups, B images."""

from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from treegen.clip.looks import Looks
from treegen.clip.scoring import answered, spans
from treegen.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


class AnswerModel:
    """P(answer | class) for every group, and what an answer tells about the class.

    Attributes:
        likelihood: (K, Q), float64; the options of each group add up to 1 in each row. A row for each look, (R, Q), if
            a class has several; posteriors are then of the rows too.
        sizes: number of options of each group (G), sum Q.
        looks: which rows are looks of which class; `None` if each is a class.
    """

    def __init__(self, likelihood: "NDArray[np.float64]", sizes: tuple[int, ...], looks: Looks | None = None) -> None:
        self.likelihood, self.sizes, self.looks = likelihood, sizes, looks
        self._starts = [start for start, _ in spans(sizes)]

    @classmethod
    def of_person(
        cls, matrix: "NDArray[np.float32]", sizes: tuple[int, ...], error: float, looks: Looks | None = None
    ) -> "AnswerModel":
        """Return the answers of a person who knows the rules and errs at a known rate, equally towards all options.

        A class without an answer in a group is answered like the other classes on average.

        Args:
            matrix: (K, Q), the rules as returned by `scoring.rule_matrix`.
            sizes: number of options of each group (G).
            error: the chance of a wrong answer, above 0 and below 1.
            looks: which rows of the matrix are looks of which class.

        Raises:
            InputError: `error` is out of range.
        """
        if not 0 < error < 1:
            raise InputError(f"the rate of wrong answers is {error:g}", "give a number above 0 and below 1")
        likelihood = np.empty(matrix.shape)
        right = answered(matrix) == 1
        for start, end in spans(sizes):
            wrong = error / max(end - start - 1, 1)
            rows = np.where(right[:, start:end], 1 - error if end - start > 1 else 1.0, wrong)
            says = right[:, start:end].any(axis=1)
            mean = rows[says].mean(axis=0) if says.any() else np.full(end - start, 1 / (end - start))
            likelihood[:, start:end] = np.where(says[:, None], rows, mean)
        return cls(likelihood, sizes, looks)

    def classes_of(self, posterior: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return the probabilities of the classes (..., K) of those of the rows."""
        return posterior if self.looks is None else self.looks.total(posterior)

    @cached_property
    def _noise(self) -> "NDArray[np.float64]":
        """The entropy of each group's answer if the class is known (K, G), in bits."""
        return self._by_group(_bits(self.likelihood))

    def _by_group(self, values: "NDArray[np.float64]") -> "NDArray[np.float64]":
        return np.add.reduceat(values, self._starts, axis=-1)

    def information_gain(self, posterior: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return the mutual information of class and answer for each group.

        It is the entropy of the answer less the mean entropy of the answer of a known class, so that one product with
        the posterior serves all groups. A group whose answers are noise gains nothing.

        Args:
            posterior: (K) or (B, K), adding up to 1.

        Returns:
            (G) or (B, G), in bits, 0 or more.
        """
        gain = self._by_group(_bits(posterior @ self.likelihood)) - self._expected_noise(posterior)
        return np.maximum(gain, 0)

    def _expected_noise(self, posterior: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return the mean entropy of each group's answer if the class is known (..., G), but not which look it is."""
        if self.looks is None:
            return posterior @ self._noise
        alone = np.repeat(np.array(self.looks.counts) == 1, self.looks.counts)
        noise = posterior[..., alone] @ self._noise[alone]
        for rows in self.looks.several:
            joint = posterior[..., rows] @ self.likelihood[rows]
            noise += self._by_group(_bits(joint)) - _bits(posterior[..., rows].sum(axis=-1))[..., None]
        return np.asarray(noise)

    def column(self, group: int, option: int) -> "NDArray[np.float64]":
        """Return the likelihood (K) of one answer.

        Raises:
            IndexError: there is no such group or option.
        """
        if not (0 <= group < len(self.sizes) and 0 <= option < self.sizes[group]):
            raise IndexError(f"option {option} of group {group}")
        return self.likelihood[:, self._starts[group] + option]


def _bits(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return -p log2 p of each value; 0 at 0."""
    return -values * np.log2(np.where(values > 0, values, 1))


def entropy(posterior: "NDArray[np.float64]") -> float:
    """Return the entropy of a distribution (K) over the classes, in bits."""
    return float(_bits(posterior).sum())
