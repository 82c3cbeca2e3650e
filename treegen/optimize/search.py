"""Greedy search over single changes: the propose half of dev ranks them, the confirm half must agree."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from treegen.optimize.candidates import Candidate, Wordings, candidates_of
from treegen.optimize.objective import Objective, Outcome
from treegen.progress import Progress
from treegen.tree.changes import Change, apply
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: of the ranked changes, how many are shown to the confirm half in one round, at most
_TRIED: Final = 10
_DRAWS: Final = 200  # of chance flips, for the luck of the best of so many candidates

Stop = Literal["no gain", "steps", "interrupted"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gain:
    """A paired difference in log loss on one half, in nats per image, and in accuracy, -1 to 1."""

    loss: float
    standard_error: float
    accuracy: float

    @property
    def beyond_error(self) -> bool:
        """Whether the loss falls by more than one paired standard error."""
        return self.loss > self.standard_error


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One accepted change, the tree after it, and what it brought on each half."""

    changes: tuple[Change, ...]
    tree: Tree
    follows_model: bool
    propose: Gain
    confirm: Gain


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The result of a search.

    Attributes:
        seed: the tree it started from.
        steps: accepted changes in their order.
        tried: number of changes whose effect was computed.
        luck: what the best of so many changes would gain in accuracy on the propose half if every image that flips
            flipped at random, on average.
        stop: why it ended.
    """

    seed: Tree
    steps: tuple[Step, ...]
    tried: int
    luck: float
    stop: Stop

    @property
    def tree(self) -> Tree:
        """The best tree."""
        return self.steps[-1].tree if self.steps else self.seed


#: tree and temperature (fitted on the propose half if `None`) -> its objective on the propose and the confirm half
Halves = Callable[[Tree, float | None], tuple[Objective, Objective]]


def search(
    seed: Tree,
    halves: Halves,
    obstacle: Callable[[Tree], str],
    *,
    wordings: Wordings,
    locks: Sequence[str] = (),
    rule_edits: bool = True,
    steps: int = 50,
    progress: Progress,
) -> Search:
    """Change a tree step by step as long as both halves of dev gain.

    A step must lower the log loss on the propose half by more than one paired standard error, and on the confirm half
    at all. Rewordings come before changes of rules that are not clearly ahead of them.

    Args:
        seed: without errors.
        halves: computes the objectives.
        obstacle: why a tree cannot be scored; empty if it can.
        wordings: other words for the options of each group.
        locks: parts that stay as they are.
        rule_edits: also change rules.
        steps: at most.
        progress: called for each candidate; may raise `KeyboardInterrupt`, which keeps what was found.
    """
    tree, done, tried, flips = seed, list[Step](), 0, list[int]()
    temperature: float | None = None
    stop: Stop = "steps"
    try:
        while len(done) < steps:
            propose, confirm = halves(tree, temperature)
            temperature = propose.temperature
            ranked = list[tuple[Gain, Candidate]]()
            found = list(candidates_of(tree, wordings=wordings, locks=locks, rule_edits=rule_edits))
            for number, candidate in enumerate(found):
                outcome = propose.outcome(candidate)
                flips.append(int((outcome.right != propose.current.right).sum()))
                gain = _gain(propose.current, outcome)
                if gain.beyond_error:
                    ranked.append((gain, candidate))
                progress(f"step {len(done) + 1}", number + 1, len(found))
            tried += len(found)
            step = _first_confirmed(tree, _by_preference(ranked), confirm, obstacle)
            if step is None:
                stop = "no gain"
                break
            done.append(step)
            tree = step.tree
    except KeyboardInterrupt:
        stop = "interrupted"
    images = len(halves(seed, temperature)[0].labels)
    return Search(seed=seed, steps=tuple(done), tried=tried, luck=luck_of(flips, images), stop=stop)


def _gain(before: Outcome, after: Outcome) -> Gain:
    difference = before.loss - after.loss
    return Gain(
        loss=float(difference.mean()),
        standard_error=float(difference.std(ddof=1) / np.sqrt(len(difference))),
        accuracy=float(after.right.mean() - before.right.mean()),
    )


def _by_preference(ranked: list[tuple[Gain, Candidate]]) -> list[tuple[Gain, Candidate]]:
    """Sort by gain; a change of words comes before changes of rules that are within one standard error of it."""

    def rank(entry: tuple[Gain, Candidate]) -> float:
        gain, candidate = entry
        return -gain.loss - (0 if candidate.follows_model else gain.standard_error)

    return sorted(ranked, key=rank)[:_TRIED]


def _first_confirmed(
    tree: Tree, ranked: list[tuple[Gain, Candidate]], confirm: Objective, obstacle: Callable[[Tree], str]
) -> Step | None:
    for gain, candidate in ranked:
        confirmed = _gain(confirm.current, confirm.outcome(candidate))
        changes = candidate.changes(tree)
        changed = apply(tree, changes)
        if confirmed.loss > 0 and not obstacle(changed):
            return Step(
                changes=changes,
                tree=changed,
                follows_model=candidate.follows_model,
                propose=gain,
                confirm=confirmed,
            )
    return None


def luck_of(flips: Sequence[int], images: int) -> float:
    """Return the mean best gain in accuracy of so many candidates if each flipped image is won or lost by chance."""
    counts: NDArray[np.intp] = np.array([count for count in flips if count], dtype=np.intp)
    if not len(counts):
        return 0.0
    generator = np.random.default_rng(0)
    best = [(2 * generator.binomial(counts, 0.5) - counts).max() for _ in range(_DRAWS)]
    return float(np.mean(best)) / images
