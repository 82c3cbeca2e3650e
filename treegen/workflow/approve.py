"""Sign-off: who approved which content with which score, and the gates that require it."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from treegen.errors import InputError, ProblemsError
from treegen.extras import EXTRAS, missing_modules
from treegen.files import read_text
from treegen.history.score_document import TestedScore, as_tested
from treegen.history.store import now, stored_scores
from treegen.text import counted, quote
from treegen.tree.document import compact, digest_of, save
from treegen.tree.model import Review, Tree
from treegen.tree.validation.checks import check_text
from treegen.tree.validation.problems import Problem, errors_of
from treegen.vcs.git import identity
from treegen.vcs.versions import changes_since, changes_since_approval
from treegen.workflow.check import Findings, check_tree_file
from treegen.workflow.score import score_tree
from treegen.workflow.workspace import Workspace

_SEALED: Final = "the test part is sealed, so no accuracy was recorded: `treegen score --unseal` measures it"
_UNSCORED: Final = (
    f"no accuracy was recorded: scoring needs packages that are not installed here ({EXTRAS['clip'].command})"
)
_NAMED: Final = 20  # most changes listed in a message; `treegen diff` lists all


@dataclass(frozen=True, slots=True, kw_only=True)
class ApprovalResult:
    """A signed tree, already written to its file.

    Attributes:
        score: what was recorded of the score; `None` if there is none, and `notes` say why if the domain has images.
        warnings: remaining problems of severity warning.
        notes: what a reader of the score must know.
    """

    tree: Tree
    score: dict[str, Any] | None
    warnings: tuple[Problem, ...]
    notes: tuple[str, ...]


def approve(workspace: Workspace, *, by: str | None = None) -> ApprovalResult:
    """Record in the tree's `review` who approved its content, when, and with which score.

    Uses the score recorded for this content; without one, scores the tree if the domain has images and CLIP is
    installed.

    Args:
        workspace: its tree file is overwritten.
        by: `Name <mail>`; git's author identity if not given.

    Raises:
        ProblemsError: the tree has problems of severity error, or it changed in the meantime.
        InputError: no approver is given, and git has no name and mail.
        ModelError: the encoder cannot be loaded.
    """
    checked = check_tree_file(workspace.path, workspace.domain)
    errors = errors_of(checked.problems)
    if errors or checked.document is None:
        listed = "\n".join(f"  {p.code} {p.pointer or '/'}: {p.message}" for p in errors)
        raise ProblemsError(
            f"{workspace.path}: not approved, it has {counted(len(errors), 'error')}\n{listed}",
            "mend them, then approve again",
        )
    name = by or identity(workspace.path.resolve().parent)
    if not name or not name.strip():
        raise InputError(
            "git does not know who you are", '`git config user.name` and `user.email`, or --by "Name <mail>"'
        )
    if not name.strip().isprintable():
        raise InputError(f"{quote(name)} is no name", "a name holds no control characters and is UTF-8")
    tree = checked.document.tree
    notes: tuple[str, ...] = ()
    digest = digest_of(tree)
    recorded = _stored_score(workspace.path, digest)
    if recorded is None and workspace.domain.images and missing_modules("clip"):
        notes = (_UNSCORED,)
    elif recorded is None and workspace.domain.images:
        scored = score_tree(workspace, tree)
        recorded = as_tested(scored.score)
        notes = scored.notes if recorded else (*scored.notes, _SEALED)
    workspace.current(tree)
    score = _summary(recorded) if recorded else None
    review = Review(status="approved", by=name.strip(), at=now(), digest=digest, score_json=compact(score or {}))
    signed = replace(tree, review=review)
    if check_text(read_text(workspace.path)).document != checked.document:  # may have changed during scoring
        raise ProblemsError(f"{workspace.path}: changed while it was scored, and is not approved", "approve again")
    save(workspace.path, signed)
    left = tuple(p for p in checked.problems if p.code not in ("TG301", "TG302", "TG303"))
    return ApprovalResult(tree=signed, score=score, warnings=left, notes=notes)


def _summary(score: TestedScore) -> dict[str, Any]:
    """Extract what the tree records of a score document: enough to compare and to gate, without paths."""
    test = score["test"]
    return {
        "n": test["n"],
        "accuracy": test["accuracy"],
        "interval": test["interval"],
        "mean_per_class_recall": test["mean_per_class_recall"],
        "baseline": score["baseline"]["accuracy"],
        "encoder": {"name": score["encoder"]["name"], "fingerprint": score["encoder"]["fingerprint"]},
        "images": score["images"]["digest"],
    }


def _stored_scores(path: Path, digest: str) -> list[TestedScore]:
    """Return all scores of this content that include the test split, oldest first."""
    return [score for score in map(as_tested, stored_scores(path, digest)) if score]


def _stored_score(path: Path, digest: str) -> TestedScore | None:
    """Return the latest of these scores, or `None`."""
    return next(reversed(_stored_scores(path, digest)), None)


def recorded_score(path: Path, tree: Tree) -> dict[str, Any] | None:
    """Return the recorded score of the tree's content: from its sign-off, else from the history next to it."""
    digest = digest_of(tree)
    if tree.review and tree.review.digest == digest:
        signed: dict[str, Any] = json.loads(tree.review.score_json)
        if _is_score(signed):
            return signed
    stored = _stored_score(path, digest)
    return _summary(stored) if stored else None


def _is_score(score: dict[str, Any]) -> bool:
    """Whether a sign-off's score has what a gate needs; the file is hand-editable, so it may hold anything."""
    bounds = score.get("interval")
    shares = [score.get("accuracy"), *(bounds if isinstance(bounds, list) else ())]
    return len(shares) == 3 and type(score.get("n")) is int and all(type(s) in (int, float) for s in shares)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What is required of a tree beyond being valid.

    Attributes:
        against: a git revision; changes since then are reported.
        approved: require that the sign-off matches the content.
        least: the least recorded accuracy, 0 to 1; `None` if it does not matter.
    """

    against: str | None = None
    approved: bool = False
    least: float | None = None

    def judge(self, findings: Findings) -> Findings:
        """Add TG801, TG802 and the changes to the findings of a tree file.

        Raises:
            InputError: the revision or the repository does not exist.
            ProblemsError: the file was not a tree at that revision.
        """
        if findings.document is None:
            return findings
        path, tree = findings.path, findings.document.tree
        problems = approval_problems(path, tree) if self.approved else []
        problems += accuracy_problems(path, tree, self.least) if self.least is not None else []
        if self.against:
            findings = replace(findings, since=self.against, changes=changes_since(path, tree, self.against))
        if any(p.code == "TG801" for p in problems):  # TG801 covers TG303
            findings = findings.without("TG303")
        return findings.with_more(problems)


def approval_problems(path: Path, tree: Tree) -> list[Problem]:
    """Return TG801 if nobody approved the tree, or if it changed since; the message names the changes."""
    if tree.review is None:
        told = "nobody has approved this tree; `treegen approve` does"
        return [Problem(code="TG801", pointer="/review", message=told)]
    if tree.review.digest == digest_of(tree):
        return []
    told = f"approved by {quote(tree.review.by)} on {tree.review.at}, and changed since"
    changes = changes_since_approval(path, tree)
    if changes is None:
        told += "; the approved content is neither in git here nor in the history, so the changes cannot be named"
    else:
        more = f"; and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
        told += ": " + "; ".join(change.sentence for change in changes[:_NAMED]) + more
    return [Problem(code="TG801", pointer="/review/digest", message=told)]


def accuracy_problems(path: Path, tree: Tree, least: float) -> list[Problem]:
    """Return TG802 if this content's recorded accuracy is missing, below `least` (0 to 1), or not what was measured.

    Anyone can write any score into a sign-off. The history, where available, is checked against it; elsewhere the
    sign-off counts.
    """
    score = recorded_score(path, tree)
    pointer = "/review/score" if tree.review else ""
    if score is None:
        told = "no accuracy is recorded for this content; `treegen score` measures it, `treegen approve` writes it down"
        return [Problem(code="TG802", pointer=pointer, message=told)]
    problems = []
    if score["accuracy"] < least:
        low, high = score["interval"]
        told = (
            f"the recorded accuracy is {100 * score['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] "
            f"(n = {score['n']}), less than {100 * least:.1f} %"
        )
        problems.append(Problem(code="TG802", pointer=pointer, message=told))
    measured = _contradicted(path, tree, score)
    if measured is not None:
        digits = 1 if abs(measured - score["accuracy"]) >= 0.001 else 6
        told = (
            f"the sign-off says {100 * score['accuracy']:.{digits}f} %, the history {100 * measured:.{digits}f} % for "
            "the same content, encoder and images; `treegen approve` writes down what was measured"
        )
        problems.append(Problem(code="TG802", pointer=pointer, message=told))
    return problems


def _contradicted(path: Path, tree: Tree, score: dict[str, Any]) -> float | None:
    """Return the last measured accuracy if no score of this content, encoder and images matches the given one."""
    encoder = score.get("encoder")
    same = (encoder.get("fingerprint") if isinstance(encoder, dict) else None, score.get("images"))
    stored = map(_summary, _stored_scores(path, digest_of(tree)))
    measured = [s["accuracy"] for s in stored if (s["encoder"]["fingerprint"], s["images"]) == same]
    return measured[-1] if measured and score["accuracy"] not in measured else None
