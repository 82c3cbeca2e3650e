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
    """A paired difference on one half of the dev split: a change against the tree before.

    Attributes:
        loss: by how much the log loss falls, in nats per image.
        standard_error: of `loss`.
        accuracy: -1 to 1.
        flips: images that only one of the two gets right.
    """

    loss: float
    standard_error: float
    accuracy: float
    flips: int

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
class Shown:
    """A changed tree that the confirm half was asked about.

    Attributes:
        base: the tree before.
        tree: the tree after the change.
        n: images of both halves.
        right: images that the tree before gets right.
        flips: images that only one of the two gets right.
        tried: how many changes were ranked before the first of its step was shown; 0 for the others of the step.
    """

    base: Tree
    tree: Tree
    n: int
    right: int
    flips: int
    tried: int


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
        shown: the changes that were shown to the confirm half.
    """

    seed: Tree
    steps: tuple[Step, ...]
    tried: int
    luck: float
    stop: Stop
    shown: tuple[Shown, ...] = ()

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
    tree, done, tried, flips, shown = seed, list[Step](), 0, list[int](), list[Shown]()
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
            step, looked = _first_confirmed(tree, _by_preference(ranked), (propose, confirm), obstacle, len(found))
            shown += looked
            if step is None:
                stop = "no gain"
                break
            done.append(step)
            tree = step.tree
    except KeyboardInterrupt:
        stop = "interrupted"
    images = len(halves(seed, temperature)[0].labels)
    return Search(seed=seed, steps=tuple(done), tried=tried, luck=luck_of(flips, images), stop=stop, shown=tuple(shown))


def _gain(before: Outcome, after: Outcome) -> Gain:
    difference = before.loss - after.loss
    return Gain(
        loss=float(difference.mean()),
        standard_error=float(difference.std(ddof=1) / np.sqrt(len(difference))),
        accuracy=float(after.right.mean() - before.right.mean()),
        flips=int((after.right != before.right).sum()),
    )


def _by_preference(ranked: list[tuple[Gain, Candidate]]) -> list[tuple[Gain, Candidate]]:
    """Sort by gain; a change of words comes before changes of rules that are within one standard error of it."""

    def rank(entry: tuple[Gain, Candidate]) -> float:
        gain, candidate = entry
        return -gain.loss - (0 if candidate.follows_model else gain.standard_error)

    return sorted(ranked, key=rank)[:_TRIED]


def _first_confirmed(
    tree: Tree,
    ranked: list[tuple[Gain, Candidate]],
    halves: tuple[Objective, Objective],
    obstacle: Callable[[Tree], str],
    tried: int,
) -> tuple[Step | None, list[Shown]]:
    """Return the first change that the confirm half agrees to, and all that it was asked about."""
    shown: list[Shown] = []
    right = sum(int(half.current.right.sum()) for half in halves)
    images = sum(len(half.labels) for half in halves)
    for gain, candidate in ranked:
        outcomes = [half.outcome(candidate) for half in halves]
        confirmed = _gain(halves[1].current, outcomes[1])
        changes = candidate.changes(tree)
        changed = apply(tree, changes)
        flips = sum(int((o.right != half.current.right).sum()) for o, half in zip(outcomes, halves, strict=True))
        further = 0 if shown else tried - len(ranked)
        shown.append(Shown(base=tree, tree=changed, n=images, right=right, flips=flips, tried=further))
        if confirmed.loss > 0 and not obstacle(changed):
            step = Step(
                changes=changes,
                tree=changed,
                follows_model=candidate.follows_model,
                propose=gain,
                confirm=confirmed,
            )
            return step, shown
    return None, shown


def luck_of(flips: Sequence[int], images: int) -> float:
    """Return the mean best gain in accuracy of so many candidates if each flipped image is won or lost by chance."""
    counts: NDArray[np.intp] = np.array([count for count in flips if count], dtype=np.intp)
    if not len(counts):
        return 0.0
    generator = np.random.default_rng(0)
    best = [(2 * generator.binomial(counts, 0.5) - counts).max() for _ in range(_DRAWS)]
    return float(np.mean(best)) / images
