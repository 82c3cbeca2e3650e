"""Gates: conditions on a tree beyond being valid: who approved it, and its accuracy when it was scored."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from treegen.history.score_document import TestedScore, as_tested
from treegen.history.store import shaped_history, stored_scores
from treegen.text import quote
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.tree.validation.problems import Problem
from treegen.vcs.versions import changes_since, changes_since_approval
from treegen.workflow.check import Findings

_NAMED: Final = 20  # most changes listed in a message; `treegen diff` lists all


def score_summary(score: TestedScore) -> dict[str, Any]:
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
        **({"split": split} if (split := score["images"].get("split", {}).get("digest")) else {}),
    }


def _stored_scores(path: Path, digest: str) -> list[TestedScore]:
    """Return all scores of this content that include the test split, oldest first."""
    scores = [score for score in map(as_tested, stored_scores(path, digest)) if score]
    with shaped_history(path):
        for score in scores:
            float(score_summary(score)["accuracy"])
    return scores


def stored_score(path: Path, digest: str) -> TestedScore | None:
    """Return the latest of these scores, or `None`."""
    return next(reversed(_stored_scores(path, digest)), None)


def recorded_score(path: Path, tree: Tree) -> dict[str, Any] | None:
    """Return the recorded score of the tree's content: from its sign-off, else from the history next to it."""
    digest = digest_of(tree)
    if tree.review and tree.review.digest == digest:
        signed: dict[str, Any] = json.loads(tree.review.score_json)
        if _is_score(signed):
            return signed
    stored = stored_score(path, digest)
    return score_summary(stored) if stored else None


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
        message = "this tree is not approved; approve it with `treegen approve`"
        return [Problem(code="TG801", pointer="/review", message=message)]
    if tree.review.digest == digest_of(tree):
        return []
    message = f"approved by {quote(tree.review.by)} on {tree.review.at}, and changed since"
    changes = changes_since_approval(path, tree)
    if changes is None:
        message += "; the approved content is neither in git here nor in the history, so the changes cannot be listed"
    else:
        more = f"; and {len(changes) - _NAMED} more" if len(changes) > _NAMED else ""
        message += ": " + "; ".join(change.sentence for change in changes[:_NAMED]) + more
    return [Problem(code="TG801", pointer="/review/digest", message=message)]


def accuracy_problems(path: Path, tree: Tree, least: float) -> list[Problem]:
    """Return TG802 if this content's recorded accuracy is missing, below `least` (0 to 1), or not what was measured.

    Anyone can write any score into a sign-off. The history, where available, is checked against it; elsewhere the
    sign-off counts.
    """
    score = recorded_score(path, tree)
    pointer = "/review/score" if tree.review else ""
    if score is None:
        message = "no accuracy is recorded for this content; `treegen score` measures it, `treegen approve` records it"
        return [Problem(code="TG802", pointer=pointer, message=message)]
    problems = []
    if score["accuracy"] < least:
        low, high = score["interval"]
        message = (
            f"the recorded accuracy is {100 * score['accuracy']:.1f} % [{100 * low:.1f}, {100 * high:.1f}] "
            f"(n = {score['n']}), less than {100 * least:.1f} %"
        )
        problems.append(Problem(code="TG802", pointer=pointer, message=message))
    measured = _contradicted(path, tree, score)
    if measured is not None:
        digits = 1 if abs(measured - score["accuracy"]) >= 0.001 else 6
        message = (
            f"the sign-off says {100 * score['accuracy']:.{digits}f} %, the history {100 * measured:.{digits}f} % for "
            "the same content, encoder and images; record the measured value with `treegen approve`"
        )
        problems.append(Problem(code="TG802", pointer=pointer, message=message))
    return problems


def _contradicted(path: Path, tree: Tree, score: dict[str, Any]) -> float | None:
    """Return the last measured accuracy if no score of this content, encoder, images and split matches the given one.

    Another split of the same images has other figures, and says nothing against a sign-off.
    """
    encoder = score.get("encoder")
    fingerprint = encoder.get("fingerprint") if isinstance(encoder, dict) else None
    conditions = (fingerprint, score.get("images"), score.get("split"))
    stored = map(score_summary, _stored_scores(path, digest_of(tree)))
    measured = [
        s["accuracy"] for s in stored if (s["encoder"]["fingerprint"], s["images"], s.get("split")) == conditions
    ]
    return measured[-1] if measured and score["accuracy"] not in measured else None
