"""`treegen score`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.options import TREE, EncoderChoice, domain_option, encoder_options, open_workspace
from treegen.cli.second_opinion import SecondChoice, open_second, second_options, show_cascade

if TYPE_CHECKING:
    from treegen.history.score_document import Score
    from treegen.vcs.tree_names import TreeName
    from treegen.workflow.adaptive import AdaptiveScore
    from treegen.workflow.cascade import CascadeScore
    from treegen.workflow.compute import ComputeComparison


@click.command("score")
@click.argument("tree", type=TREE)
@domain_option
@encoder_options
@click.option("--dev", "dev_only", is_flag=True, help="Score the dev split alone; do not evaluate the test split.")
@click.option("--unseal", is_flag=True, help="Evaluate the test split although the domain seals it.")
@click.option("--full", is_flag=True, help="Also print paired tests, all groups and classes, and suggestions.")
@click.option("--groups", is_flag=True, help="Also print all details of the groups.")
@click.option("--rules", metavar="RULES", help="Compare decision rules: all, or a list such as sum,vote,temperature.")
@click.option(
    "--compute",
    metavar="SETTINGS",
    help="Compare more computation for each image: all, or a list such as 4/embeddings,16/vote.",
)
@click.option("--freeze", is_flag=True, help="With --rules or --compute: write what dev chose into domain.toml.")
@click.option("--adaptive", is_flag=True, help="Also show the accuracy against the number of questions asked.")
@second_options
@click.option("--json", "as_json", is_flag=True, help="Print the score document.")
def command(
    tree: "TreeName",
    domain_path: Path | None,
    encoder: EncoderChoice,
    dev_only: bool,
    unseal: bool,
    full: bool,
    groups: bool,
    rules: str | None,
    compute: str | None,
    freeze: bool,
    adaptive: bool,
    second: SecondChoice,
    as_json: bool,
) -> None:
    """Score TREE with CLIP on the images of its domain: a verdict, and accuracy beside its controls.

    The accuracy is that of the test split; the weakest group and class, and the diagnosis of --full, are those of the
    dev split, which is for tuning. Each evaluation of the test split is counted; a domain with sealed = true below
    [split] shows the dev split only. TREE may be a revision, such as tree.json@3. With --ask-model the accuracy and the
    cost of a cascade follow: a vision model answers where CLIP is not sure.
    """
    from treegen.cli.display import show_notes, show_score
    from treegen.cli.display_adaptive import show_adaptive
    from treegen.cli.display_compute import show_compute
    from treegen.cli.output import say, tell
    from treegen.errors import InputError
    from treegen.workflow.adaptive import score_adaptive
    from treegen.workflow.cascade import score_cascade
    from treegen.workflow.compute import compare_compute, freeze_compute, settings_named
    from treegen.workflow.score import freeze_rule, score_tree

    if dev_only and unseal:
        raise InputError("--dev skips the test split, which --unseal evaluates", "give one of the two")
    if freeze and not (rules or compute):
        raise InputError("--freeze writes what --rules or --compute chooses", "--rules all --freeze")
    settings = settings_named(compute) if compute else ()
    workspace = open_workspace(tree, domain_path, encoder)
    sealed = True if dev_only else False if unseal else None
    scored = show_notes(score_tree(workspace, sealed=sealed, rules=rules or ""))
    adaptive_score = score_adaptive(workspace, sealed=sealed) if adaptive else None
    compared = compare_compute(workspace, settings, sealed=sealed) if settings else None
    cascade = None
    if second.model:
        with open_second(workspace, second) as model:
            cascade = score_cascade(model, sealed=sealed) if model else None
    if as_json:
        _print_document(scored.score, adaptive_score, compared, cascade)
    else:
        show_score(scored.score, groups=groups, full=full)
        if adaptive_score:
            say()
            show_adaptive(adaptive_score)
        if compared:
            say()
            show_compute(compared.document)
        if cascade:
            say()
            show_cascade(cascade)
    if freeze and compared:
        frozen = freeze_compute(workspace, compared)
        tell(f"{workspace.domain_path}: [compute] is {frozen}; scores, previews and labels use it from now on")
    if freeze and rules:
        frozen = freeze_rule(workspace, scored.score)
        tell(f"{workspace.domain_path}: [decision] rule = {frozen}; scores, previews and labels use it from now on")


def _print_document(
    score: "Score",
    adaptive: "AdaptiveScore | None",
    compared: "ComputeComparison | None",
    cascade: "CascadeScore | None",
) -> None:
    """Print the score document, with what else was asked for under keys of its own."""
    from dataclasses import asdict

    from treegen.cli.display_adaptive import adaptive_json
    from treegen.cli.output import print_json

    document: dict[str, Any] = dict(score)
    if adaptive:
        document["adaptive"] = adaptive_json(adaptive)
    if compared:
        document["compute_comparison"] = compared.document
    if cascade:
        document["second"] = asdict(cascade)
    print_json(document)
