"""A second reviewer: a blind pass on the same tree, agreement with its rules, and adjudication of disagreements."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from treegen.errors import InputError
from treegen.history.sessions import Journal
from treegen.history.store import Revision, Store, second_reviewers
from treegen.text import counted, quote
from treegen.tree.agreement import Agreement, Pair, agreement, agreements
from treegen.tree.changes import ABSENT, Answer, Change, MutableTree, RuleChanged, apply
from treegen.tree.changes.edits import point_rule
from treegen.tree.document import compact, dump
from treegen.tree.feedback_target import Target
from treegen.tree.model import ClassRule, Tree
from treegen.tree.review_notes import NO_NOTES, NoteChange, Notes, comments
from treegen.vcs.versions import tree_of
from treegen.workflow.session import Session

Whose = Literal["first", "second", "other"]
_LONGEST: Final = 60  # characters of a reviewer's name
_ONLY_ANSWERS: Final = "a second review only answers questions; the tree stays as it is"


def refuse_name(name: str) -> None:
    """Refuse what cannot be a reviewer's name.

    Raises:
        InputError: it is blank, too long or has control characters.
    """
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST:
        raise InputError(f"{quote(name)} is not a name", f"name the second reviewer in 1 to {_LONGEST} characters")


def blinded(tree: Tree) -> Tree:
    """Return a tree without its answers, sign-off and conflicts: what a second reviewer may see."""
    rules = tuple(ClassRule(name=rule.name, answers=()) for rule in tree.rules)
    return replace(tree, rules=rules, review=None, conflicts=())


class SecondSession(Session):
    """The blind pass of a second reviewer: a session on the tree without answers, which is never saved.

    Its steps, notes and undo are in the history, apart from those of the tree. When groups, options or classes of the
    tree change, the answers that still fit are taken over.
    """

    def _open(self, text: str) -> None:
        super()._open(dump(blinded(tree_of(text, str(self.path)))))

    def _begin(self, read: Tree | None, file_hash: str) -> None:
        before: Tree | None = getattr(self, "tree", None)
        super()._begin(read, file_hash)
        if before is not None and (taken := _fitting(before, self.tree)):
            self.do("answers taken over", taken)

    @property
    def unsaved(self) -> bool:
        """Nothing is ever to be saved."""
        return False

    @property
    def file_changed(self) -> bool:
        """What others do to the answers in the file must not be seen."""
        return False

    def do(self, label: str, changes: Iterable[Change], notes: Sequence[NoteChange] = ()) -> None:
        """Answer a question.

        Raises:
            InputError: it is another change.
            ChangeError: it does not fit.
        """
        listed = tuple(changes)
        if not all(isinstance(change, RuleChanged) for change in listed):
            raise InputError(_ONLY_ANSWERS, "leave a comment (c), or change it in the review of the tree")
        super().do(label, listed, notes)

    def save(self) -> Revision:
        """Refuse: every answer is kept already."""
        raise InputError("every answer is kept already", "the first reviewer sees the agreement with = in the review")


def _fitting(answered: Tree, tree: Tree) -> list[Change]:
    """Return the answers of another tree that a tree has questions and options for."""
    answers, draft = _answers(answered), MutableTree(tree)
    return [
        RuleChanged(class_name=name, group=group, old=ABSENT, new=answer)
        for (name, group), answer in answers.items()
        if name in draft.rules and group in draft.options and (answer is None or answer in draft.options[group])
    ]


def _answers(tree: Tree) -> dict[tuple[str, str], str | None]:
    """Return the answers of a tree in words, by class and group; without those that are missing or out of range."""
    draft = MutableTree(tree)
    return {
        (name, group): answer
        for name, rule in draft.rules.items()
        for group in rule
        if (answer := draft.answer(name, group)) is None or isinstance(answer, str)
    }


def answered(tree: Tree) -> tuple[int, int]:
    """Return how many questions about classes are answered, of how many."""
    groups = {group.name for group in tree.groups}
    given = sum(name in groups for rule in tree.rules for name, _ in rule.answers)
    return given, len(groups) * len(tree.rules)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adjudication:
    """What was decided about one disagreement: the two answers, the one that was taken, and whose it is."""

    pair: Pair
    taken: str | None
    whose: Whose

    @property
    def sentence(self) -> str:
        """It in words."""
        pair = self.pair
        first, second, taken = map(_word, (pair.first, pair.second, self.taken))
        return f"{quote(pair.class_name)} in {quote(pair.group)}: {first} or {second}? {taken} ({self.whose})"


def _word(answer: str | None) -> str:
    return "no answer" if answer is None else quote(answer)


@dataclass(frozen=True, kw_only=True)
class SecondReview:
    """A second review against the tree.

    Attributes:
        name: of the second reviewer.
        groups: names of the tree's groups.
        total: questions about classes, answered or not.
        left_out: answers of the second reviewer that the tree has no class, group or option for.
        pairs: what both answered; where a disagreement was adjudicated, the first is what the tree had before.
        decisions: the adjudications, by class and group.
        comments: of the second reviewer, on what the tree has.
    """

    name: str
    groups: tuple[str, ...]
    total: int
    left_out: int
    pairs: tuple[Pair, ...]
    decisions: dict[tuple[str, str], Adjudication]
    comments: dict[Target, str]

    @cached_property
    def agreements(self) -> tuple[Agreement, ...]:
        """The agreement per group, and in total at the end."""
        return agreements(self.pairs, self.groups)

    def disagreements(self, group: str = "") -> tuple[Pair, ...]:
        """Return the answers that differ, in one group or in all."""
        return tuple(pair for pair in self.pairs if pair.first != pair.second and group in ("", pair.group))

    def open(self, group: str = "") -> tuple[Pair, ...]:
        """Return the disagreements that are not adjudicated."""
        return tuple(pair for pair in self.disagreements(group) if (pair.class_name, pair.group) not in self.decisions)

    @property
    def words(self) -> str:
        """It in one line."""
        all_groups = agreement(self.pairs)
        differ, whose = self.disagreements(), [each.whose for each in self.decisions.values()]
        parts = [f"second review by {self.name}: {len(self.pairs)} of {counted(self.total, 'answer')}"]
        parts.append(f"{all_groups.agreed} agree, kappa {kappa_words(all_groups)}")
        if differ:
            taken = {"first": "the first's", "second": f"{self.name}'s", "other": "another"}
            counts = [f"{whose.count(key)} {words}" for key, words in taken.items() if key in whose]
            counts += [f"{len(self.open())} open"] if self.open() else []
            parts.append(f"{counted(len(differ), 'disagreement')}: {', '.join(counts)}")
        if self.left_out:
            parts.append(f"{counted(self.left_out, 'answer')} about what the tree no longer has")
        return "; ".join(parts)


def kappa_words(found: Agreement) -> str:
    """Return kappa with its interval and n."""
    if found.kappa is None:
        return f"not defined (n={found.n})"
    if found.interval is None:
        return f"{found.kappa:.2f} (n={found.n})"
    return f"{found.kappa:.2f} [{found.interval[0]:.2f}, {found.interval[1]:.2f}] (n={found.n})"


def second_reviews(path: Path, store: Store, tree: Tree) -> tuple[SecondReview, ...]:
    """Return the second reviews of a tree, by the names of the reviewers."""
    notes = Journal(store).notes()
    return tuple(_review(path, name, tree, notes) for name in second_reviewers(store))


def _review(path: Path, name: str, tree: Tree, notes: Notes) -> SecondReview:
    with Store(path, reviewer=name) as store:
        left = Journal(store).last()
    given: dict[tuple[str, str], str | None] = {}
    if left is not None:
        changes = (change for step in left.steps[: left.position] for change in step.changes)
        given = _answers(apply(tree_of(left.base, str(path)), changes))
    first, options = _answers(tree), {group.name: group.options for group in tree.groups}
    fitting = {
        key: answer
        for key, answer in given.items()
        if key in first and (answer is None or answer in options.get(key[1], ()))
    }
    decisions = {
        (each.pair.class_name, each.pair.group): each
        for (kind, target), text in notes.items()
        if kind == "adjudicated" and (each := _decision(target, text, name)) is not None
    }
    pairs = []
    for (class_name, group), answer in fitting.items():
        pair = Pair(class_name=class_name, group=group, first=first[class_name, group], second=answer)
        decision = decisions.get((class_name, group))
        pairs.append(replace(pair, first=decision.pair.first) if decision else pair)
    valid = {(pair.class_name, pair.group) for pair in pairs if pair.first != pair.second}
    return SecondReview(
        name=name,
        groups=tuple(options),
        total=answered(tree)[1],
        left_out=len(given) - len(fitting),
        pairs=tuple(pairs),
        decisions={key: each for key, each in decisions.items() if key in valid},
        comments=comments(tree, left.notes if left else NO_NOTES),
    )


def _decision(target: Target, text: str, name: str) -> Adjudication | None:
    found = json.loads(text).get(name)
    if found is None:
        return None
    first, second, taken, whose = found
    pair = Pair(class_name=target.class_name, group=target.group, first=first, second=second)
    return Adjudication(pair=pair, taken=taken, whose=whose)


def adjudicate(session: Session, name: str, pair: Pair, answer: str | None, whose: Whose) -> None:
    """Take an answer where two reviewers disagree, as one step with a note of who had which.

    Args:
        session: of the tree.
        name: of the second reviewer.
        pair: what they disagree about.
        answer: what is taken.
        whose: it is.

    Raises:
        ChangeError: the tree has no such class, group or option.
    """
    target = Target(kind="class", class_name=pair.class_name, group=pair.group)
    old = session.notes.get(("adjudicated", target), "")
    known = json.loads(old) if old else {}
    new = compact({**known, name: [pair.first, pair.second, answer, whose]})
    note = NoteChange(kind="adjudicated", target=target, old=old, new=new)
    taken: Answer = answer
    label = f"adjudicated {pair.class_name} in {pair.group}: {_word(answer)}"
    session.do(label, point_rule(session.tree, pair.class_name, pair.group, taken), [note])
