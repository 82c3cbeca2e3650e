"""gepa's view of a tree: one component, its text; a proposal is a list of changes; a score is a probability."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import wraps
from typing import TYPE_CHECKING, Any, Final, Literal, ParamSpec, TypeVar

import numpy as np

from treegen.config.domain import Domain
from treegen.errors import TreegenError
from treegen.llm.prompting.templates import render
from treegen.optimize.edits import Edited, edit, prune
from treegen.optimize.judge import Difference, HalfName, Judge
from treegen.optimize.proposer import Leave, Proposed, Proposer
from treegen.tree.changes.difference import difference
from treegen.tree.document import dump
from treegen.tree.merge.three_way import merge
from treegen.tree.model import Tree
from treegen.workflow.auto_feedback import compose

if TYPE_CHECKING:
    from gepa.core.adapter import EvaluationBatch

P = ParamSpec("P")
T = TypeVar("T")
Fate = Literal["accepted", "no gain shown", "no change", "invalid", "repeated"]
_TREE: Final = "tree"  # the only component
_ROUNDS_SHOWN: Final = 12  # rounds that the language model is told of
_MOST_PROBLEMS: Final = 20  # of a reply


class Ended(Exception):  # noqa: N818 - not an error
    """The run has come to its own end: `reason` says why."""

    def __init__(self, reason: "Literal['no gain', 'target', 'perfect']") -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A tree that was accepted on the propose half, or the seed.

    Attributes:
        number: 0 for the seed.
        tree: the tree.
        parents: numbers of the candidates that it was made from.
        right: how many images of the confirm half are right.
        mean: mean probability of the true class on the confirm half.
        from_seed: what it brings on the confirm half, compared with the seed.
    """

    number: int
    tree: Tree
    parents: tuple[int, ...]
    right: int
    mean: float
    from_seed: Difference


@dataclass(slots=True, kw_only=True)
class Round:
    """One proposal, and what became of it.

    Attributes:
        number: from 1.
        kind: whose proposal: the language model's, or a merge of two candidates.
        parent: number of the candidate that it changes.
        changes: in words.
        dropped: changes that were left out as the propose half is better without them, and what each does to the
            mean probability of the true class; `None` if the tree has errors with it.
        refused: what could not be applied, or touches a lock.
        fate: what became of it.
        tree: the changed tree; `None` if there is none.
        propose: what it brings on the propose half, compared with its parent.
        confirm: the same on the confirm half, which is only looked at if it is accepted.
        candidate: its number, if it was accepted.
        best: whether it became the best.
    """

    number: int
    kind: Literal["model", "merge"]
    parent: int
    changes: tuple[str, ...] = ()
    dropped: tuple[tuple[str, float | None], ...] = ()
    refused: tuple[str, ...] = ()
    fate: Fate = "invalid"
    tree: Tree | None = None
    propose: Difference | None = None
    confirm: Difference | None = None
    candidate: int | None = None
    best: bool = False


def _leaving(method: Callable[P, T]) -> Callable[P, T]:
    """Let an error end the run, where gepa would log it and try again."""

    @wraps(method)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> T:
        try:
            return method(*args, **kwargs)
        except Exception as error:
            raise Leave(error) from error

    return guarded


@dataclass(slots=True, kw_only=True)
class TreeAdapter:
    """The adapter of `gepa.optimize`, its acceptance criterion and its stopper.

    Attributes:
        candidates: all that were accepted, the seed first.
        rounds: all proposals.
        best: number of the best candidate on the confirm half.
    """

    domain: Domain
    seed: Tree
    judge: Judge
    proposer: Proposer
    obstacle: Callable[[Tree], str]
    locks: Collection[str]
    rule_edits: bool
    patience: int
    target: float | None
    repairs: int
    on_candidate: Callable[[Round, Sequence[Candidate]], None]
    on_round: Callable[[Round], None]
    candidates: list[Candidate] = field(default_factory=list)
    rounds: list[Round] = field(default_factory=list)
    best: int = 0
    _reported: int = 0
    _quiet: int = 0  # rounds without a significant gain
    _mark: Tree | None = None  # the best tree at the last significant gain
    _trees: dict[str, Tree] = field(default_factory=dict)
    _merged: set[tuple[int, int]] = field(default_factory=set)

    # --- what gepa calls ---

    @_leaving
    def evaluate(
        self, batch: list[tuple[HalfName, int]], candidate: dict[str, str], capture_traces: bool = False
    ) -> "EvaluationBatch[bool, None]":
        """Score a text on images of one half: the probability of each one's class, or 0 if it is not a tree."""
        from gepa.core.adapter import EvaluationBatch

        half, tree = batch[0][0], self._trees.get(candidate[_TREE])
        rows = [row for _, row in batch]
        if tree is None:
            scores, right = np.zeros(len(rows)), np.zeros(len(rows), bool)
        else:
            scores = self.judge.probabilities(tree, half)[rows]
            right = self.judge.outcome(tree, half).right[rows]
            if half == "confirm":
                self._add(tree)
        return EvaluationBatch(
            outputs=[None] * len(rows),
            scores=scores.tolist(),
            trajectories=right.tolist() if capture_traces else None,
        )

    @_leaving
    def make_reflective_dataset(
        self, candidate: dict[str, str], eval_batch: Any, components_to_update: list[str]
    ) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Return what was measured on the propose half, in words; empty if nothing is wrong there."""
        tree = self._trees[candidate[_TREE]]
        findings, mistakes, contradicted = self.judge.findings(tree)
        feedback = compose(tree, findings, mistakes)
        right, n = self.judge.right(tree, "propose"), len(self.judge.rows["propose"])
        text = render(
            "evidence",
            self.domain.folder,
            right=right,
            n=n,
            diagnosis=findings,
            contradicted=contradicted,
            feedback=feedback,
        )
        return {_TREE: [{"Feedback": text if feedback else ""}]}

    @_leaving
    def propose_new_texts(
        self,
        candidate: dict[str, str],
        reflective_dataset: Mapping[str, Sequence[Mapping[str, Any]]],
        components_to_update: list[str],
    ) -> dict[str, str]:
        """Merge two candidates, or ask for changes; return the text of a new tree, or one that scores 0."""
        parent = next(each for each in self.candidates if each.tree is self._trees[candidate[_TREE]])
        evidence = reflective_dataset[_TREE][0]["Feedback"]
        proposal = self._merge(parent)
        if proposal is None:
            if not evidence:
                raise Ended("perfect")
            proposal = self._ask(parent, evidence)
        self.rounds.append(proposal)
        if proposal.tree is None:
            return {_TREE: f"no tree: round {proposal.number}"}
        text = dump(proposal.tree)
        self._trees[text] = proposal.tree
        return {_TREE: text}

    def should_accept(self, proposal: Any, state: Any) -> bool:
        """Whether the propose half gains by more than one paired standard error."""
        current = self.rounds[-1]
        if current.tree is None:
            return False
        parent = self.candidates[current.parent]
        current.propose = self.judge.difference(parent.tree, current.tree, "propose")
        current.fate = "accepted" if current.propose.beyond_error else "no gain shown"
        self._report_candidate(current)
        return current.fate == "accepted"

    @_leaving
    def should_stop(self, state: Any) -> bool:
        """Report the last round; whether there should be no other one."""
        self.report()
        if self.target is not None and self._best.right >= self.target * len(self.judge.rows["confirm"]):
            raise Ended("target")
        if self._quiet >= self.patience:
            raise Ended("no gain")
        return False

    # --- rounds ---

    def begin(self) -> dict[str, str]:
        """Return the seed as gepa's candidate."""
        text = dump(self.seed)
        self._trees[text] = self._mark = self.seed
        return {_TREE: text}

    def report(self) -> None:
        """Report the rounds that are over."""
        for finished in self.rounds[self._reported :]:
            self._reported += 1
            significant = (
                finished.candidate is not None
                and finished.tree is not None
                and self._mark is not None
                and self.judge.difference(self._mark, finished.tree, "confirm").beyond_error
            )
            self._quiet = 0 if significant else self._quiet + 1
            if significant:
                self._mark = finished.tree
            self.on_round(finished)

    @property
    def _best(self) -> Candidate:
        return self.candidates[self.best]

    def _add(self, tree: Tree) -> None:
        """Put a tree that was accepted among the candidates."""
        number = len(self.candidates)
        current = self.rounds[-1] if self.rounds else None
        self.candidates.append(
            Candidate(
                number=number,
                tree=tree,
                parents=(current.parent,) if current else (),
                right=self.judge.right(tree, "confirm"),
                mean=float(self.judge.probabilities(tree, "confirm").mean()),
                from_seed=self.judge.difference(self.seed, tree, "confirm"),
            )
        )
        if current is None:
            return
        current.candidate = number
        current.confirm = self.judge.difference(self.candidates[current.parent].tree, tree, "confirm")
        if self.candidates[number].mean > self._best.mean:
            self.best, current.best = number, True

    @_leaving
    def _report_candidate(self, current: Round) -> None:
        self.on_candidate(current, self.candidates)

    def _ask(self, parent: Candidate, evidence: str) -> Round:
        current = Round(number=len(self.rounds) + 1, kind="model", parent=parent.number)
        proposed = self.proposer.propose(parent.tree, evidence, self._tried())
        edited, problems = self._edited(parent.tree, proposed)
        for _ in range(self.repairs):
            if not problems:
                break
            listed = "\n".join(f"- {problem}" for problem in problems[:_MOST_PROBLEMS])
            rejected = f"{proposed.text}\n\nIt cannot be used:\n{listed}"
            proposed = self.proposer.propose(parent.tree, evidence, self._tried(), rejected)
            corrected, problems = self._edited(parent.tree, proposed)
            edited = corrected if corrected.allowed or not edited.allowed else edited
        return self._pruned(replace(current, refused=problems or edited.refused), edited)

    def _edited(self, tree: Tree, proposed: Proposed) -> tuple[Edited, tuple[str, ...]]:
        """Apply a reply; return also why nothing of it can be used, if so."""
        edited = edit(tree, proposed.edits, locks=self.locks, rule_edits=self.rule_edits)
        if proposed.problem:
            return edited, (proposed.problem,)
        if not edited.units:
            return edited, edited.refused or ("it changes nothing",)
        if not edited.allowed:
            return edited, edited.refused
        obstacle = self.obstacle(edited.tree(edited.allowed))
        return edited, (*edited.refused, obstacle) if obstacle else ()

    def _pruned(self, current: Round, edited: Edited) -> Round:
        """Leave out the changes without which the propose half is better."""
        values: dict[frozenset[int], float] = {}

        def value(chosen: frozenset[int]) -> float:
            if chosen not in values:
                tree = edited.tree(chosen)
                bad = self.obstacle(tree)
                values[chosen] = -np.inf if bad else float(self.judge.probabilities(tree, "propose").mean())
            return values[chosen]

        chosen = prune(edited, edited.allowed, value)
        whole = value(edited.allowed)
        if not edited.allowed or not np.isfinite(value(chosen)):
            return current
        current.changes = tuple(s for n in sorted(chosen) for s in edited.units[n].sentences)
        current.dropped = tuple(
            (edited.units[n].sentences[0], _finite(whole - value(edited.without(edited.allowed, n))))
            for n in sorted(edited.allowed - chosen)
        )
        tree = edited.tree(chosen)
        if not chosen:
            current.fate = "no change"
        elif self._is_known(tree):
            current.fate = "repeated"
        else:
            current.tree = tree
        return current

    def _merge(self, parent: Candidate) -> Round | None:
        """Merge a candidate with another that it does not come from; `None` if there is none left."""
        mine = self._line(parent.number)
        for other in reversed(self.candidates):
            pair = (parent.number, other.number)
            theirs = self._line(other.number)
            if pair in self._merged or other.number in mine or parent.number in theirs:
                continue
            self._merged |= {pair, pair[::-1]}
            base = self.candidates[max(set(mine) & set(theirs))].tree
            try:
                result = merge(base, parent.tree, other.tree, follow_renames=True)
            except TreegenError:
                continue
            tree = replace(result.tree, review=parent.tree.review)
            if result.clean and not self._is_known(tree) and not self.obstacle(tree):
                changes = tuple(change.sentence for change in difference(parent.tree, tree))
                number = len(self.rounds) + 1
                return Round(number=number, kind="merge", parent=parent.number, changes=changes, tree=tree)
        return None

    def _is_known(self, tree: Tree) -> bool:
        return tree == self.seed or any(tree == each.tree for each in self.rounds)

    def _line(self, number: int) -> list[int]:
        """Return a candidate and those that it comes from."""
        line = [number]
        while parents := self.candidates[line[-1]].parents:
            line.append(parents[0])
        return line

    def _tried(self) -> str:
        """Return the last rounds in words, as far as the propose half shows them."""
        lines = [line for each in self.rounds[-_ROUNDS_SHOWN:] for line in _round_lines(each)]
        return "\n".join(["<measured>", *lines, "</measured>"]) if lines else ""


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _round_lines(each: Round) -> list[str]:
    gain = f" ({_points(each.propose.mean)})" if each.propose else ""
    fates = {
        "accepted": f"helped{gain}",
        "no gain shown": f"did not help{gain}",
        "no change": "nothing of it helped",
        "invalid": "could not be used",
        "repeated": "was a repetition",
    }
    lines = [f"round {each.number}: {fates[each.fate]}{': ' if each.changes else ''}{'; '.join(each.changes)}"]
    lines += [f"  left out: {sentence} ({_points(effect)})" for sentence, effect in each.dropped]
    return [*lines, *(f"  not possible: {reason}" for reason in each.refused[:_MOST_PROBLEMS])]


def _points(mean: float | None) -> str:
    return "the tree has errors with it" if mean is None else f"{100 * mean:+.1f} points"
