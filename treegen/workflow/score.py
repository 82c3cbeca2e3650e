"""Score a tree on the test split, record it, and freeze the decision rule that a comparison chose."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from treegen.config.domain import BUNDLED_DOMAIN, Domain
from treegen.config.settings import BUNDLED_ENCODER, EncoderSettings
from treegen.config.toml_editing import write_table
from treegen.history.score_document import Score, TestedScore
from treegen.history.store import Revision
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.tree.validation.problems import errors_of
from treegen.workflow.workspace import Workspace, split_settings

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from treegen.clip.decisions import DecisionRule


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreResult:
    """A revision with its score document, and notes about the images that a reader of the score must know."""

    revision: Revision
    score: Score
    notes: tuple[str, ...] = ()


def score_tree(
    workspace: Workspace, tree: Tree | None = None, *, sealed: bool | None = None, rules: str = ""
) -> ScoreResult:
    """Score the tree on the test split, with the paired test against its parent revision, and store the score.

    Every evaluation of the test split is recorded, by tree, encoder and decision rule.

    Args:
        workspace: names tree, domain and encoder.
        tree: the content of the tree file, if it is already loaded.
        sealed: use the dev split only; defaults to the domain's [split].
        rules: decision rules to compare, such as `sum,vote` or `all`; none if empty.

    Raises:
        InputError: there are no images, or no such rule.
        ProblemsError: the tree has errors, or a prompt is too long for the encoder.
        ModelError: the encoder cannot be loaded.
    """
    from treegen.clip.decisions import rules_named

    compared = rules_named(rules) if rules else ()
    scored = tree or workspace.load()[0]
    return workspace.run(lambda: _score(workspace, scored, sealed, compared))


def _score(workspace: Workspace, tree: Tree, sealed: bool | None, compared: "Sequence[DecisionRule]") -> ScoreResult:
    from treegen.clip.text_checks import check_lengths

    check_lengths(tree, workspace.domain.name_prompts(), workspace.encoder)  # fail before embedding the images
    closed = workspace.domain.split.sealed if sealed is None else sealed
    revision, evaluator = workspace.current(tree), workspace.evaluator
    score = evaluator.score(tree, None if closed else parent_tree(workspace, revision), sealed=closed)
    if compared:
        score["rules"] = evaluator.compare(tree, compared, sealed=closed)[1]
    if not closed:
        contents = {image.digest for image in evaluator.parts["test"].images}
        cast(TestedScore, score)["test_looks"] = _look(workspace, score, contents)
    workspace.store.add_score(revision.id, score)
    return ScoreResult(revision=revision, score=score, notes=_score_notes(workspace))


def _look(workspace: Workspace, score: Score, contents: "Collection[str]") -> int:
    """Record a test evaluation for each decision rule in the score; return how many there have been in total."""
    from treegen.clip.decisions.interface import words_of

    used = [(score["decision_rule"], score.get("decision_parameters", {}))]
    used += [(entry["rule"], entry["parameters"]) for entry in (score["rules"]["entries"] if "rules" in score else ())]
    looks = [(score["tree"], score["encoder"]["fingerprint"], words_of(rule, learnt)) for rule, learnt in used]
    return workspace.store.look(score["images"]["digest"], split_settings(workspace.domain.split), looks, contents)


def freeze_rule(workspace: Workspace, score: Score) -> str:
    """Write the decision rule that a score's comparison chose into the domain file; returns its name.

    From then on scores, previews and labels are made with it. Comments and order of the file stay as they are; a
    `least_margin` stays if the rule does, for it has the scale of the rule's scores.

    Args:
        workspace: its domain file is written.
        score: of `score_tree` with `rules`.

    Raises:
        InputError: the file's table [decision] cannot be edited, or the file cannot be written.
    """
    chosen = score["rules"]["chosen"]
    entry = next(e for e in score["rules"]["entries"] if e["rule"] == chosen)
    learnt = {"parameters": entry["parameters"], "encoder": score["encoder"]["fingerprint"]}
    before = workspace.domain.decision
    kept = {"least_margin": before.least_margin} if before.least_margin and chosen == before.rule else {}
    values = {"rule": chosen, **(learnt if entry["parameters"] else {}), **kept}
    write_table(workspace.domain_path, "decision", values)
    return str(chosen)


def _score_notes(workspace: Workspace) -> tuple[str, ...]:
    """Collect what a reader of the score must know about encoder and images."""
    from treegen.clip.diagnosis.dataset_notes import notes_on

    chosen = encoder_notes(workspace.encoder_settings, workspace.domain)
    divided = workspace.split_notes(workspace.evaluator.images.images)
    return (*chosen, *divided, *notes_on(workspace.evaluator), *workspace.encoder.notes)


def encoder_notes(settings: EncoderSettings, domain: Domain | None) -> tuple[str, ...]:
    """Return what a reader of results must know about the choice of the encoder."""
    if settings.name != BUNDLED_ENCODER or (domain and domain.name == BUNDLED_DOMAIN):
        return ()
    return (
        "this is the bundled CLIP, which knows the sketchbook's drawings and nothing else: "
        "name a real one with --encoder, or below [encoder] in domain.toml",
    )


def parent_tree(workspace: Workspace, revision: Revision) -> Tree | None:
    """Return the tree of the revision's parent, if it fits the domain and can still be scored."""
    parent = workspace.store.revision(revision.parent) if revision.parent else None
    if parent is None:
        return None
    checked = check_text(parent.tree, classes=workspace.domain.classes, domain=workspace.domain.name)
    return checked.document.tree if checked.document and not errors_of(checked.problems) else None
