"""`treegen optimize`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.cli.conversation import LlmChoice
from treegen.cli.options import (
    PATH,
    TREE_FILE,
    EncoderChoice,
    domain_option,
    encoder_options,
    llm_options,
    open_workspace,
)
from treegen.text import counted, quoted

if TYPE_CHECKING:
    from treegen.optimize.automatic import Options
    from treegen.optimize.run import Half, Optimized
    from treegen.tree.model import Tree
    from treegen.workflow.workspace import Workspace

#: the options that mean nothing without a language model
_WITH_MODEL: Final = (
    *("patience", "target", "max_minutes", "baseline", "api_base", "tries", "fresh", "record", "answers", "messages"),
    *("max_calls", "max_tokens", "max_cost", "env_file"),
)


@click.command("optimize")
@click.argument("tree", type=TREE_FILE)
@click.option("--apply", is_flag=True, help="Save the best tree.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the best tree here and leave TREE unchanged.")
@click.option("--propose", is_flag=True, help="Put the changes into the review of TREE, to be decided one by one.")
@click.option("--lock", "locks", multiple=True, metavar="TARGET", help="Do not change this: group NAME or class NAME.")
@click.option("--no-rule-edits", is_flag=True, help="Change words and groups only, never what is said of a class.")
@click.option("--wordings", type=PATH, metavar="FILE", help="JSON: other words for options, by group.")
@click.option("--steps", type=click.IntRange(1), default=50, show_default=True, help="Most changes to accept.")
@click.option(
    "--patience",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    metavar="N",
    help="With --model: stop after N rounds without a significant gain on the confirm half.",
)
@click.option(
    "--target",
    type=click.FloatRange(0, 100, min_open=True),
    metavar="PERCENT",
    help="With --model: stop when this many of the confirm half are right.",
)
@click.option(
    "--max-minutes",
    type=click.FloatRange(0, min_open=True),
    metavar="N",
    help="With --model: stop after N minutes.",
)
@click.option("--baseline", is_flag=True, help="With --model: spend as many replies on independent drafts, to compare.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as one object.")
@domain_option
@llm_options
@encoder_options
def command(
    tree: Path,
    apply: bool,
    out: Path | None,
    propose: bool,
    locks: tuple[str, ...],
    no_rule_edits: bool,
    wordings: Path | None,
    steps: int,
    patience: int,
    target: float | None,
    max_minutes: float | None,
    baseline: bool,
    as_json: bool,
    domain_path: Path | None,
    llm: LlmChoice,
    encoder: EncoderChoice,
) -> None:
    """Search for a tree that scores higher than TREE.

    Without --model, single changes are tried, in seconds. With --model NAME, the language model proposes changes round
    by round, from what was measured on one half of the dev split; a run that ends early is resumed by the same command.

    The dev split is halved: one half proposes changes, the other must agree. The test split is evaluated once, at the
    end. Changes marked "follows CLIP" make a rule say what CLIP sees, which may not be true of the class: check them,
    or leave rules alone with --no-rule-edits.
    """
    from treegen.errors import InputError
    from treegen.optimize.run import optimize_tree

    if sum((apply, out is not None, propose)) > 1:
        message = "--apply saves the tree, -o FILE writes it elsewhere, --propose puts the changes into the review"
        raise InputError(message, "use one of them")
    if out and out.exists():
        raise InputError(f"{out} exists", "name a new file with -o; --apply saves to the tree itself")
    with_model = _is_given("model")
    if not with_model and (given := [name for name in _WITH_MODEL if _is_given(name)]):
        option = f"--{given[0].removesuffix('s') if given[0] == 'answers' else given[0].replace('_', '-')}"
        raise InputError(f"{option} needs --model", "name a language model with --model NAME")
    workspace = open_workspace(tree, domain_path, encoder)
    if with_model:
        from treegen.optimize.automatic import Options

        options = Options(
            locks=locks,
            rule_edits=not no_rule_edits,
            wordings=wordings,
            steps=steps,
            patience=patience,
            target=target and target / 100,
            seconds=max_minutes and 60 * max_minutes,
            repairs=min(1, llm.tries - 1),
            baseline=baseline,
            fresh=llm.fresh,
        )
        _with_model(workspace, options, llm, (apply, out, propose), as_json)
        return
    result = optimize_tree(workspace, wordings=wordings, locks=locks, rule_edits=not no_rule_edits, steps=steps)
    written = None
    if result.search.steps:
        written = _write(workspace, result.search.seed, result.search.tree, (apply, out, propose), locks)
    if as_json:
        _print_json(result, written)
    else:
        _show(result, tree, written, proposed=propose)


def _is_given(name: str) -> bool:
    """Whether an option is on the command line: a model of the environment alone must not cost anything."""
    return click.get_current_context().get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _with_model(
    workspace: "Workspace", options: "Options", llm: LlmChoice, where: tuple[bool, Path | None, bool], as_json: bool
) -> None:
    """Run with a language model, reporting each round on stderr."""
    from treegen.cli.conversation import open_exchange
    from treegen.cli.display_optimize import RoundTable, automatic_json, show_automatic
    from treegen.cli.output import print_json, report
    from treegen.optimize.automatic import prepare

    automation = prepare(workspace, llm.settings(workspace.domain), options)
    state = automation.state
    with open_exchange(workspace, llm, budget=state.budget, requested=state.requested, quiet=True) as exchange:
        table = RoundTable(automation, exchange)
        result = automation.run(exchange.chat, on_text=exchange.view.on_text, on_round=table.add)
    written = None
    if result.changed:
        written = _write(workspace, result.seed, result.tree, where, options.locks)
        if where[0]:
            state.finish()
    if as_json:
        print_json(automatic_json(result, written))
    else:
        show_automatic(result, workspace.path, written, proposed=where[2])
    if result.error is not None:
        report(result.error)
        if result.stop == "failed":
            click.get_current_context().exit(result.error.exit_code)


def _write(
    workspace: "Workspace",
    seed: "Tree",
    tree: "Tree",
    where: tuple[bool, Path | None, bool],
    locks: tuple[str, ...] | Any,
) -> Path | None:
    """Write the best tree, or propose it, as asked for; return the file that has it now."""
    from treegen.cli.output import tell
    from treegen.optimize.run import apply_result, propose_result
    from treegen.tree.document import digest_of, save

    apply, out, propose = where
    if out:
        save(out, tree)
        return out
    if apply:
        written = apply_result(workspace, digest_of(seed), tree)
        if written != workspace.path:
            tell(f"{workspace.path} changed during the search and is left as it is")
        return written
    if propose:
        count = propose_result(workspace, seed, tree, locks)
        tell(f"proposed {counted(count, 'change')}: `treegen review {quoted(workspace.path)}` shows them one by one")
    return None


def _show(result: "Optimized", tree: Path, written: Path | None, *, proposed: bool) -> None:
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
    elif search.steps and not proposed:
        tell(f"nothing saved: use --apply or -o FILE; revision {result.revision} has it (`treegen log {quoted(tree)}`)")


def _half(half: "Half") -> str:
    from treegen.cli.output import percent
    from treegen.clip.metrics.accuracy import beyond_error
    from treegen.workflow.verdict import NO_DIFFERENCE

    wins = (half.flips + half.after - half.before) // 2
    test = {"wins": wins, "losses": half.flips - wins, "difference": (half.after - half.before) / half.n}
    unlike = "" if beyond_error(test) else f", {NO_DIFFERENCE}"
    return f"{percent(half.before / half.n)} -> {percent(half.after / half.n)} of {counted(half.n, 'image')}{unlike}"


def _verdict(result: "Optimized") -> str:
    from treegen.cli.output import interval, percent

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
        f"{ended} Right on {percent(test['accuracy'])} {interval(test['interval'])} of "
        f"{counted(test['n'], 'test image')}; against the tree it started from {paired['wins']} won and "
        f"{paired['losses']} lost (p = {paired['p']:.2g})."
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
