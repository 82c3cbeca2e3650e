"""`treegen classify`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from treegen.cli.options import PATH, TREE, EncoderChoice, domain_option, encoder_options, open_workspace
from treegen.cli.second_opinion import SecondChoice, open_second, second_options

if TYPE_CHECKING:
    from treegen.vcs.tree_names import TreeName
    from treegen.workflow.classify import Classification

_TOP: Final = 3  # classes of each image that are shown


@click.command("classify")
@click.argument("tree", type=TREE)
@click.argument("images", type=PATH, nargs=-1, required=True, metavar="IMAGE...")
@domain_option
@encoder_options
@click.option("--top", type=click.IntRange(1), metavar="K", help="Show the K best classes of each image.")
@click.option(
    "--sets",
    "level",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="SHARE",
    help="List all classes that cannot be excluded, such that the true one is among them this often: --sets 0.9.",
)
@second_options
@click.option("--json", "as_json", is_flag=True, help="Print one object for each image.")
def command(
    tree: "TreeName",
    images: tuple[Path, ...],
    domain_path: Path | None,
    encoder: EncoderChoice,
    top: int | None,
    level: float | None,
    second: SecondChoice,
    as_json: bool,
) -> None:
    """Label each IMAGE with TREE and show the answers behind the label.

    With --ask-model a vision model also answers the questions about images that CLIP is not sure of. How often it is
    right is learnt on some dev images first. What neither is sure of is left to a person.
    """
    from dataclasses import asdict

    from treegen.cli.output import complain, percent, print_json, say, tell
    from treegen.errors import InputError
    from treegen.text import quoted
    from treegen.workflow.classify import classify_images

    workspace = open_workspace(tree, domain_path, encoder)
    with open_second(workspace, second) as model:
        if model and level:
            raise InputError("--sets does not know what a second model says", "use it without --ask-model (--below 0)")
        results = classify_images(workspace, images, top=top, level=level, second=model)
    for note in workspace.encoder.notes:
        tell(f"note: {note}")
    if any(result.ranking and result.fits is None for result in results):
        tell("note: which images fit no class is unknown until `treegen score` has fitted a threshold on dev")
    if as_json:
        plain = ({**asdict(r), "path": str(r.path)} for r in results)
        print_json([{key: value for key, value in each.items() if key != "look" or value} for each in plain])
    for result in results:
        if result.failure:
            command = quoted("treegen", "embed", result.path, "--tree", tree.path, "-o", "OUT")
            tip = f"`{command}` labels all pictures of a folder"
            complain(f"{result.path}: {result.failure}", tip if result.path.is_dir() else "")
        elif not as_json:
            _show(result, top or _TOP)
            _show_second(result)
            if result.possible is not None:
                say(f"  {percent(level)} set: {', '.join(result.possible) or 'empty, it fits no class'}")
    sys.exit(2 if any(r.failure for r in results) else 0)


def _show_second(result: "Classification") -> None:
    """Print what a vision model sees, and its answers."""
    from treegen.cli.output import say

    if (opinion := result.second) is None:
        return
    if opinion.failure:
        say(f"  {opinion.model} gave no usable answer: {opinion.failure}")
        return
    say(f"  {opinion.model} sees: {opinion.seen or '(no rationale)'}")
    answers = "; ".join(f"{group}: {option or 'cannot be seen'}" for group, option in opinion.answers.items())
    say(f"  {opinion.model} answers: {answers}")


def _show(result: "Classification", top: int) -> None:
    from treegen.cli.output import percent, say
    from treegen.tree.model import look_title

    groups = len(result.answers)
    (label, best), *runners_up = result.ranking[:top]
    scale = {"mean": "", "sum": f" of {groups}", "bayes": ""}.get(result.rule, f" by {result.rule}")
    shown = look_title(label, result.look)
    verdict = f"unsure, perhaps {shown}" if result.unsure else shown
    if result.second and result.unsure:
        verdict = f"for a person, perhaps {shown}"
    if result.fits is False:
        verdict = f"fits no class, nearest {shown}"

    def number(score: float) -> str:
        return percent(score) if result.rule == "bayes" else f"{score:.2f}"

    others = f"; next {', '.join(f'{name} {number(score)}' for name, score in runners_up)}" if runners_up else ""
    say(f"{result.path}: {verdict} ({number(best)}{scale}{others})")
    for answer in result.answers:
        expected = "" if answer.expected == answer.option else f", {label} has {answer.expected or 'no answer'}"
        say(f"  {answer.group}: {answer.option} ({percent(answer.probability)}){expected}")
