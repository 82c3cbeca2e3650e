"""Sign-off: record who approved which content with which score."""

from dataclasses import dataclass, replace
from typing import Any, Final

from treegen.errors import InputError, ProblemsError
from treegen.extras import EXTRAS, missing_modules
from treegen.files import read_text, real_path, state_of
from treegen.history.score_document import as_tested
from treegen.history.store import now
from treegen.text import counted, quote
from treegen.tree.document import compact, digest_of, save
from treegen.tree.model import Review, Tree
from treegen.tree.validation.checks import check_text
from treegen.tree.validation.problems import Problem, errors_of
from treegen.vcs.git import identity
from treegen.workflow.check import check_tree_file
from treegen.workflow.gates import score_summary, stored_score
from treegen.workflow.review_notes import comments_on, in_words
from treegen.workflow.score import score_tree
from treegen.workflow.second_review import second_reviews
from treegen.workflow.workspace import Workspace

_SEALED: Final = "the test split is sealed, so no accuracy was recorded; measure it with `treegen score --unseal`"
_UNSCORED: Final = (
    f"no accuracy was recorded: scoring needs packages that are not installed here ({EXTRAS['clip'].command})"
)


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
    """Record in the tree's `review` who approved its content, when, with which score and which comments.

    Uses the score recorded for this content; without one, scores the tree if the domain has images and CLIP is
    installed.

    Args:
        workspace: its tree file is overwritten.
        by: `Name <mail>`; git's author identity if not given.

    Raises:
        ProblemsError: the tree has problems of severity error, or it changed in the meantime.
        InputError: no approver is given, and git has no name and email.
        ModelError: the encoder cannot be loaded.
    """
    before = state_of(workspace.path)
    checked = check_tree_file(workspace.path, workspace.domain)
    errors = errors_of(checked.problems)
    if errors or checked.document is None:
        listed = "\n".join(f"  {p.code} {p.pointer or '/'}: {p.message}" for p in errors)
        raise ProblemsError(
            f"{workspace.path}: not approved, it has {counted(len(errors), 'error')}\n{listed}",
            "fix them, then approve again",
        )
    approver = by or identity(real_path(workspace.path).parent)
    if not approver or not approver.strip():
        raise InputError(
            "git does not know who you are", '`git config user.name` and `user.email`, or --by "Name <mail>"'
        )
    if not approver.strip().isprintable():
        raise InputError(f"{quote(approver)} is not a valid name", "use UTF-8 without control characters")
    tree = checked.document.tree
    notes: tuple[str, ...] = ()
    digest = digest_of(tree)
    recorded = stored_score(workspace.path, digest)
    if recorded is None and workspace.domain.images and missing_modules("clip"):
        notes = (_UNSCORED,)
    elif recorded is None and workspace.domain.images:
        scored = score_tree(workspace, tree)
        recorded = as_tested(scored.score)
        notes = scored.notes if recorded else (*scored.notes, _SEALED)
    workspace.current(tree)
    score = score_summary(recorded) if recorded else None
    review = Review(
        status="approved",
        by=approver.strip(),
        at=now(),
        digest=digest,
        score_json=compact(score or {}),
        comments=(
            *in_words(comments_on(workspace.store, tree)),
            *(("the tree", each.words) for each in second_reviews(workspace.path, workspace.store, tree)),
        ),
    )
    signed = replace(tree, review=review)
    if check_text(read_text(workspace.path)).document != checked.document:  # may have changed during scoring
        raise ProblemsError(f"{workspace.path}: changed while it was being scored; not approved", "approve again")
    save(workspace.path, signed, before=before)
    remaining = tuple(p for p in checked.problems if p.code not in ("TG301", "TG302", "TG303"))
    return ApprovalResult(tree=signed, score=score, warnings=remaining, notes=notes)
