"""`treegen log`."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.options import PATH

if TYPE_CHECKING:
    from treegen.store import Call, Store


@click.command("log")
@click.argument("tree", type=PATH)
@click.option("--calls", is_flag=True, help="Every call of a language model, failed ones too, with its problems.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, messages and replies included.")
def command(tree: Path, calls: bool, as_json: bool) -> None:
    """The line of revisions of TREE with their scores and costs, newest first."""
    from treegen.cli.output import print_json
    from treegen.errors import InputError
    from treegen.store import FOLDER, Store

    if not (tree.resolve().parent / FOLDER / "store.sqlite").is_file():
        raise InputError(f"{tree}: has no history", "draft, score and revise write one; is this the right file?")
    store = Store(tree)
    if not store.revisions() and not store.calls():
        raise InputError(f"{tree}: has no history", "the folder's history is of other trees; is this the right file?")
    if as_json:
        print_json(_as_json(store))
    elif calls:
        _show_calls(store.calls())
    else:
        _show_revisions(store)


def _as_json(store: "Store") -> dict[str, Any]:
    from dataclasses import asdict

    scores = store.scores()
    return {
        "revisions": [{**asdict(r), "score": scores.get(r.id)} for r in store.revisions()],
        "calls": [asdict(c) for c in store.calls()],
    }


def _show_revisions(store: "Store") -> None:
    from treegen.cli.output import interval, percent, table

    scores, calls = store.scores(), store.calls()
    rows = []
    for revision in reversed(store.revisions()):
        score = scores.get(revision.id)
        own = [c for c in calls if c.revision == revision.id]
        paired = score["mcnemar"]["parent"] if score else None
        change = f"{100 * paired['difference']:+.1f} (p {paired['p']:.2g})" if paired else ""
        rows.append((
            revision.id, revision.parent or "-", revision.created, revision.author,
            score["encoder"]["name"] if score else "-",
            percent(score["test"]["accuracy"]) if score else "-", interval(score["test"]["interval"]) if score else "",
            score["test"]["n"] if score else "", change, _used(own), revision.note[:60],
        ))  # fmt: skip
    head = (
        "rev",
        "parent",
        "time (UTC)",
        "author",
        "encoder",
        "test",
        "95 % interval",
        "n",
        "vs parent",
        "calls",
        "note",
    )
    table(head, rows, right=(0, 1, 5, 6, 7, 8))
    from treegen.cli.output import say

    say(f"all calls, failed ones too: {_used(calls)}")


def _used(calls: "list[Call]") -> str:
    """Number of calls, tokens and cost; what no model told is called unknown, not zero."""
    if not calls:
        return "none"
    told = [c for c in calls if c.prompt_tokens is not None]
    tokens = sum((c.prompt_tokens or 0) + (c.completion_tokens or 0) for c in told)
    costs = [c.cost for c in calls if c.cost is not None]
    shown = f"{tokens} tokens" if told else "tokens unknown"
    money = f"${sum(costs):.4f}" if costs else "cost unknown"
    missing = f" ({len(calls) - len(costs)} unknown)" if costs and len(costs) < len(calls) else ""
    return f"{len(calls)}, {shown}, {money}{missing}"


def _show_calls(calls: "list[Call]") -> None:
    from treegen.cli.output import say

    for number, call in enumerate(calls, 1):
        revision = f"-> revision {call.revision}" if call.revision else "-> no revision"
        say(f"{number}. {call.created} {call.purpose} by {call.model or '?'} {revision}: {_used([call])}")
        for problem in call.problems:
            shown = problem.get("failure") or f"{problem['code']} {problem['pointer'] or '/'}: {problem['message']}"
            say(f"   {shown}")
