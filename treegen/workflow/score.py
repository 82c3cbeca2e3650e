"""Score a tree on the test split, record it, and freeze the decision rule that a comparison chose."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from treegen.config.domain import BUNDLED_DOMAIN, Domain
from treegen.config.settings import BUNDLED_ENCODER, EncoderSettings
from treegen.config.toml_editing import write_table
from treegen.history.score_document import Score, TestedScore
from treegen.history.store import Revision
from treegen.text import show
from treegen.tree.model import Tree
from treegen.workflow.luck import luck_of, record_choice, record_rules
from treegen.workflow.workspace import Workspace, sound_tree, split_settings

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
    workspace: Workspace,
    tree: Tree | None = None,
    *,
    sealed: bool | None = None,
    rules: str = "",
    parent: Tree | None = None,
) -> ScoreResult:
    """Score the tree on the test split, with the paired test against its parent revision, and store the score.

    Every evaluation of the test split is recorded, by tree, encoder and decision rule.

    Args:
        workspace: names tree, domain and encoder.
        tree: the content of the tree file, if it is already loaded.
        sealed: use the dev split only; defaults to the domain's [split].
        rules: decision rules to compare, such as `sum,vote` or `all`; none if empty.
        parent: the tree for the paired test instead of the parent revision's.

    Raises:
        InputError: there are no images, or no such rule.
        ProblemsError: the tree has errors, or a prompt is too long for the encoder.
        ModelError: the encoder cannot be loaded.
    """
    from treegen.clip.decisions import rules_named

    compared = rules_named(rules) if rules else ()
    scored = tree or workspace.load()[0]
    return workspace.run(lambda: _score(workspace, scored, sealed, compared, parent))


def _score(
    workspace: Workspace, tree: Tree, sealed: bool | None, compared: "Sequence[DecisionRule]", parent: Tree | None
) -> ScoreResult:
    from treegen.clip.text_checks import check_lengths

    check_lengths(tree, workspace.domain.name_prompts(), workspace.encoder)  # fail before embedding the images
    dev_only = workspace.domain.split.sealed if sealed is None else sealed
    revision, evaluator = workspace.current(tree), workspace.evaluator
    before = parent or parent_tree(workspace, revision)
    score = evaluator.score(tree, None if dev_only else before, sealed=dev_only)
    if before and parent is None:  # an optimizer, which names the parent, has counted what it chose by
        record_choice(workspace, tree, before, "score")
    if (luck := luck_of(workspace, tree, score["dev"]["accuracy"])) is not None:
        score["dev"]["luck"] = luck
    if compared:
        score["rules"] = evaluator.compare(tree, compared, sealed=dev_only)[1]
        record_rules(workspace, tree, score["rules"])
    if not dev_only:
        contents = {image.digest for image in evaluator.splits["test"].images}
        cast(TestedScore, score)["test_looks"] = _record_evaluations(workspace, score, contents)
    workspace.store.add_score(revision.id, score)
    return ScoreResult(
        revision=revision, score=score, notes=(*_unknown_groups(workspace, tree), *_score_notes(workspace))
    )


def _record_evaluations(workspace: Workspace, score: Score, contents: "Collection[str]") -> int:
    """Record a test evaluation for each decision rule in the score; return how many there have been in total."""
    from treegen.clip.compute.joining import compute_words
    from treegen.clip.decisions.interface import words_of

    rules = [(score["decision_rule"], score.get("decision_parameters", {}))]
    rules += [(entry["rule"], entry["parameters"]) for entry in (score["rules"]["entries"] if "rules" in score else ())]
    how = f" compute {compute_words(score['compute'])}" if "compute" in score else ""
    evaluations = [
        (score["tree"], score["encoder"]["fingerprint"], words_of(rule, learnt) + how) for rule, learnt in rules
    ]
    return workspace.store.record_evaluations(
        score["images"]["digest"], split_settings(workspace.domain.split), evaluations, contents
    )


def freeze_rule(workspace: Workspace, score: Score) -> str:
    """Write the decision rule that a score's comparison chose into the domain file; return its name.

    From then on it makes scores, previews and labels. The file's comments and order are preserved; `least_margin` is
    kept only if the rule stays the same, because its scale depends on the rule, and priors only by the rule that uses
    them.

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
    priors = {"priors": dict(before.priors)} if before.priors and chosen == before.rule else {}
    margin = {"least_margin": before.least_margin} if before.least_margin and chosen == before.rule else {}
    values = {"rule": chosen, **(learnt if entry["parameters"] else {}), **margin, **priors}
    write_table(workspace.domain_path, "decision", values)
    return str(chosen)


def _unknown_groups(workspace: Workspace, tree: Tree) -> tuple[str, ...]:
    """Return a note on groups for which views are excluded, and which the tree does not have."""
    unknown = [name for name, _ in workspace.domain.compute.exclude if tree.group(name) is None]
    if not unknown:
        return ()
    return (f"[compute] exclude: the tree has no group {', '.join(map(show, unknown[:5]))}",)


def _score_notes(workspace: Workspace) -> tuple[str, ...]:
    """Collect what a reader of the score must know about encoder and images."""
    from treegen.clip.diagnosis.dataset_notes import notes_on
    from treegen.workflow.leakage import note_near_duplicates

    chosen = encoder_notes(workspace.encoder_settings, workspace.domain)
    divided = workspace.split_notes(workspace.evaluator.images.images)
    alike = note_near_duplicates(workspace.evaluator, workspace.cache_path.parent)
    return (*chosen, *divided, *notes_on(workspace.evaluator), *alike, *workspace.encoder.notes)


def encoder_notes(settings: EncoderSettings, domain: Domain | None) -> tuple[str, ...]:
    """Return what a reader of results must know about the choice of the encoder."""
    if settings.name != BUNDLED_ENCODER or (domain and domain.name == BUNDLED_DOMAIN):
        return ()
    return (
        "the bundled CLIP is for practice: its score says little about your own pictures; "
        "choose a real one with --encoder",
    )


def parent_tree(workspace: Workspace, revision: Revision) -> Tree | None:
    """Return the tree of the revision's parent, if it fits the domain and can still be scored."""
    parent = workspace.store.revision(revision.parent) if revision.parent else None
    if parent is None:
        return None
    return sound_tree(workspace, parent)
