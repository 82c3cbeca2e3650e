"""`treegen optimize`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.options import PATH, TREE_FILE, EncoderChoice, domain_option, encoder_options, open_workspace

if TYPE_CHECKING:
    from treegen.optimize.run import Half, Optimized


@click.command("optimize")
@click.argument("tree", type=TREE_FILE)
@click.option("--apply", is_flag=True, help="Save the best tree.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the best tree here and leave TREE unchanged.")
@click.option("--lock", "locks", multiple=True, metavar="TARGET", help="Do not change this: group NAME or class NAME.")
@click.option("--no-rule-edits", is_flag=True, help="Change words and groups only, never what is said of a class.")
@click.option("--wordings", type=PATH, metavar="FILE", help="JSON: other words for options, by group.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Most changes to accept.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one object.")
@domain_option
@encoder_options
def command(
    tree: Path,
    apply: bool,
    out: Path | None,
    locks: tuple[str, ...],
    no_rule_edits: bool,
    wordings: Path | None,
    steps: int,
    as_json: bool,
    domain_path: Path | None,
    encoder: EncoderChoice,
) -> None:
    """Search for a tree that scores higher than TREE by single changes, without a language model.

    The dev split is halved: one half ranks all single changes, the other must agree before one is accepted. The test
    split is evaluated once, at the end. Changes marked "follows CLIP" make a rule say what CLIP sees, which may not be
    true of the class: check them, or leave rules alone with --no-rule-edits.
    """
    from treegen.cli.output import tell
    from treegen.errors import InputError
    from treegen.optimize.run import apply_result, optimize_tree
    from treegen.tree.document import digest_of, save

    if out and apply:
        raise InputError("--apply saves the tree, -o FILE writes it elsewhere", "use one of them")
    if out and out.exists():
        raise InputError(f"{out} exists", "name a new file with -o; --apply saves to the tree itself")
    workspace = open_workspace(tree, domain_path, encoder)
    result = optimize_tree(workspace, wordings=wordings, locks=locks, rule_edits=not no_rule_edits, steps=steps)
    written = None
    if result.search.steps and out:
        save(out, result.search.tree)
        written = out
    elif result.search.steps and apply:
        written = apply_result(workspace, digest_of(result.search.seed), result.search.tree)
        if written != tree:
            tell(f"{tree} changed during the search and is left as it is")
    if as_json:
        _print_json(result, written)
    else:
        _show(result, tree, written)


def _show(result: "Optimized", tree: Path, written: Path | None) -> None:
    from treegen.cli.output import percent, say, tell
    from treegen.text import counted
    from treegen.workflow.luck import luck_sentence

    search = result.search
    say(_verdict(result))
    for number, step in enumerate(search.steps, 1):
        mark = ", follows CLIP" if step.follows_model else ""
        gain, confirmed = step.propose, step.confirm
        gains = f"log loss -{gain.loss:.4f} +- {gain.standard_error:.4f}, confirmed -{confirmed.loss:.4f}"
        say(f"{number:3}. {'; '.join(change.sentence for change in step.changes)}")
        say(f"     {gains}{mark}")
    for name, half in (("propose", result.propose), ("confirm", result.confirm)):
        say(f"{name} half: {_half(half)}")
    say(
        f"{counted(search.tried, 'change')} tried; if images flipped at random, the best of so many would gain "
        f"{percent(search.luck)} on the propose half"
    )
    if result.score and (words := luck_sentence(result.score)):
        say(words)
    if written:
        say(f"wrote {written}")
    elif search.steps:
        tell(f"nothing saved: use --apply or -o FILE; revision {result.revision} has it (`treegen log {tree}`)")


def _half(half: "Half") -> str:
    from treegen.cli.output import percent
    from treegen.clip.metrics.luck import beyond_error
    from treegen.workflow.verdict import NO_DIFFERENCE

    wins = (half.flips + half.after - half.before) // 2
    unlike = "" if beyond_error(wins, half.flips - wins, half.n) else f", {NO_DIFFERENCE}"
    return f"{percent(half.before / half.n)} -> {percent(half.after / half.n)} of {half.n} images{unlike}"


def _verdict(result: "Optimized") -> str:
    from treegen.cli.output import interval, percent
    from treegen.text import counted

    steps = counted(len(result.search.steps), "change")
    ends = {
        "no gain": "no further change gains on both halves",
        "steps": "the limit of --steps",
        "interrupted": "interrupted",
    }
    ended = f"{steps} accepted; ended by: {ends[result.search.stop]}."
    if result.score is None:
        return f"{ended} The test split was not evaluated."
    test, paired = result.score["test"], result.score["mcnemar"]["parent"]
    assert paired is not None
    return (
        f"{ended} Right on {percent(test['accuracy'])} {interval(test['interval'])} of {test['n']} test images; "
        f"against the tree it started from {paired['wins']} won and {paired['losses']} lost (p = {paired['p']:.2g})."
    )


def _print_json(result: "Optimized", written: Path | None) -> None:
    from dataclasses import asdict

    from treegen.cli.output import print_json

    def step_json(step: Any) -> dict[str, Any]:
        return {
            "changes": [change.as_json() for change in step.changes],
            "words": [change.sentence for change in step.changes],
            "follows_model": step.follows_model,
            "propose": asdict(step.propose),
            "confirm": asdict(step.confirm),
        }

    search = result.search
    print_json(
        {
            "steps": [step_json(step) for step in search.steps],
            "tried": search.tried,
            "luck": search.luck,
            "stop": search.stop,
            "propose": asdict(result.propose),
            "confirm": asdict(result.confirm),
            "revision": result.revision,
            "written": written and str(written),
            "score": result.score,
        }
    )
