"""`treegen log`."""

from typing import TYPE_CHECKING, Any, Final

import click
from rich.cells import cell_len, set_cell_size

from treegen.cli.options import TreeType
from treegen.clip.metrics.accuracy import beyond_error
from treegen.history.score_document import Score, as_tested
from treegen.text import counted, p_value, quoted
from treegen.workflow.luck import luck_words
from treegen.workflow.verdict import NO_DIFFERENCE, paired_points

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from treegen.history.store import Call, Revision, Store
    from treegen.vcs.tree_names import TreeName
    from treegen.workflow.second_review import SecondReview

_WIDTH: Final = 80


@click.command("log")
@click.argument("tree", type=TreeType(read=False))
@click.option("--calls", is_flag=True, help="List every language model call, failed ones too, with its problems.")
@click.option("--call", "number", type=click.IntRange(1), metavar="N", help="One call in full: messages and reply.")
@click.option("--cost", is_flag=True, help="Cost by model and purpose.")
@click.option("--json", "as_json", is_flag=True, help="Print everything, messages and replies included.")
def command(tree: "TreeName", calls: bool, number: int | None, cost: bool, as_json: bool) -> None:
    """List the revisions of TREE with their scores and costs, newest first; of tree.json@3 only that one."""
    from treegen.cli.output import print_json
    from treegen.errors import InputError
    from treegen.files import is_there, real_path
    from treegen.history.store import FOLDER, Store
    from treegen.vcs.tree_names import refuse_broken_link, refuse_other_kinds

    def without_history(tip: str) -> InputError:
        refuse_broken_link(tree.path)
        if is_there(tree.path):  # the history of a file that was deleted can be read
            refuse_other_kinds(tree.path)
            return InputError(f"{tree.path}: has no history", tip)
        return InputError(f"{tree.path}: no such file, and no history of one", tip)

    if not (real_path(tree.path).parent / FOLDER / "store.sqlite").is_file():
        raise without_history("draft, score and revise create one; is this the right file?")
    with Store(tree.path) as store, store.shaped():
        if not store.revisions() and not store.calls():
            raise without_history("the history in this folder belongs to other trees; is this the right file?")
        revisions, requests = _chosen(store, tree)
        if as_json:
            print_json({**_as_json(store, revisions, requests), **_seconds_as_json(_seconds(tree.path, store))})
        elif number is not None:
            _show_call(store.calls(), number)
        elif cost:
            _show_cost(requests)
        elif calls:
            _show_calls(requests)
        else:
            _show_revisions(store, revisions, requests, _seconds(tree.path, store))


def _chosen(store: "Store", tree: "TreeName") -> "tuple[list[Revision], list[Call]]":
    """Return all revisions and calls, or the one revision that is named, with its calls.

    Raises:
        InputError: there is no such revision, or its content is not in the history.
    """
    from treegen.errors import InputError
    from treegen.tree.document import digest_of
    from treegen.vcs.versions import tree_of

    revisions, calls = store.revisions(), store.calls()
    if tree.is_file:
        return revisions, calls
    text = tree.read()  # raises if there is no such revision
    number = int(tree.revision) if tree.revision.isdecimal() else None
    named = store.revision(number) if number else store.find_revision(digest_of(tree_of(text, tree.text)))
    if named is None:
        tip = f"`treegen log {quoted(tree.path)}` lists it"
        raise InputError(f"{tree.text}: this content is not in the history", tip)
    return [named], [call for call in calls if call.revision == named.id]


def _as_json(store: "Store", revisions: "Sequence[Revision]", calls: "Sequence[Call]") -> dict[str, Any]:
    from dataclasses import asdict

    from treegen.clip.metrics.accuracy import corrected_over

    scores = store.scores()
    corrected = corrected_over(scores, store.every_score())
    return {
        "revisions": [
            {**asdict(r), "score": scores.get(r.id), "p_holm": corrected.get(r.id, (None,))[0]} for r in revisions
        ],
        "calls": [asdict(c) for c in calls],
    }


def _seconds_as_json(reviews: "Sequence[SecondReview]") -> dict[str, Any]:
    from dataclasses import asdict

    listed = [
        {
            "name": review.name,
            "answers": len(review.pairs),
            "of": review.total,
            "left_out": review.left_out,
            "agreement": [asdict(each) for each in review.agreements],
            "adjudicated": [asdict(each) for each in review.decisions.values()],
            "open": [asdict(pair) for pair in review.open()],
        }
        for review in reviews
    ]
    return {"second_reviews": listed} if listed else {}


def _seconds(path: "Path", store: "Store") -> "tuple[SecondReview, ...]":
    """Return the second reviews of a tree, if its file can be read."""
    from treegen.errors import TreegenError
    from treegen.files import read_text
    from treegen.vcs.versions import tree_of
    from treegen.workflow.second_review import second_reviews

    try:
        return second_reviews(path, store, tree_of(read_text(path), str(path)))
    except TreegenError:
        return ()


def _show_revisions(
    store: "Store", shown: "Sequence[Revision]", calls: "list[Call]", seconds: "Sequence[SecondReview]"
) -> None:
    """Print for each revision its figures, then who made it and what it cost, in lines of 80 columns."""
    from treegen.cli.output import table_lines
    from treegen.clip.metrics.accuracy import corrected_over

    scores, revisions = store.scores(), shown[::-1]
    corrected = corrected_over(scores, store.every_score())
    head = ("rev", "parent", "time (UTC)", "dev %", "test %", "95 % interval", "n", "vs parent")
    rows = [_figures(revision, scores.get(revision.id)) for revision in revisions]
    title, *lines = table_lines(head, rows, right=(0, 1, 3, 4, 5, 6, 7))
    click.echo(click.style(title, bold=True))
    for revision, line in zip(revisions, lines, strict=True):
        click.echo(line)
        used = [call for call in calls if call.revision == revision.id]
        for detail in _details(revision, scores.get(revision.id), corrected.get(revision.id, (None,))[0], used):
            _say(f"     {detail}")
    comparisons = max((count for _, count in corrected.values()), default=0)
    if comparisons > 1:
        _say(f"Holm: p corrected for all {comparisons} comparisons on the same test split (parents, baselines, rules)")
    if any(score.get("decision_rule", "sum") != "mean" for score in scores.values()):
        _say("vs parent: both by the newer revision's encoder and decision rule, so not the difference of two rows")
    evaluations = [score["test_looks"] for score in map(as_tested, scores.values()) if score and "test_looks" in score]
    if evaluations:
        _say(f"the test split was evaluated {counted(max(evaluations), 'time')} (trees, encoders, decision rules)")
    _say(f"all calls, failed ones too: {_used(calls)}")
    for review in seconds:
        _say(review.words)
        for decision in review.decisions.values():
            _say(f"     {decision.sentence}")


def _say(text: str) -> None:
    """Print a line of results in at most 80 columns, also into pipes."""
    from treegen.cli.output import plain, wrapped

    click.echo(wrapped(plain(text), _WIDTH))


def _figures(revision: "Revision", score: Score | None) -> tuple[str, ...]:
    """Return the cells of a revision's row."""
    from treegen.cli.output import interval

    tested = as_tested(score)
    cells = [str(revision.id), str(revision.parent or "-"), revision.created[:16].replace("T", " ")]
    cells.append(f"{100 * score['dev']['accuracy']:.1f}" if score else "-")
    if tested is None:
        return (*cells, "-", "", "", "")
    test, paired = tested["test"], tested["mcnemar"]["parent"]
    shown = f"{100 * test['accuracy']:.1f}", interval(test["interval"]), str(test["n"])
    return (*cells, *shown, paired_points(paired, "", "none") if paired else "")


def _details(revision: "Revision", score: Score | None, holm: float | None, used: "list[Call]") -> "Iterator[str]":
    """Yield who made the revision and why, and what measured it."""
    yield _cut(f"{revision.author}: {revision.note}" if revision.note else revision.author)
    measured = []
    if score:
        measured.append(_cut(_scored_by(score), 40))
        tested = as_tested(score)
        if tested is None:
            measured.append("test split not evaluated")
        elif paired := tested["mcnemar"]["parent"]:
            unlike = "" if beyond_error(paired) else f"{NO_DIFFERENCE}, "
            measured.append(
                f"vs parent {unlike}{p_value(paired['p'])}" + (f", Holm {p_value(holm)}" if holm is not None else "")
            )
    if score and (luck := score["dev"].get("luck")):
        measured.append(f"dev {luck_words(luck)}")
    if used:
        measured.append(f"calls: {_used(used)}")
    if measured:
        yield "; ".join(measured)


def _cut(text: str, width: int = _WIDTH - 5) -> str:
    """Return the beginning of a text on one line, cut at a word."""
    from treegen.cli.output import plain

    line = plain(" ".join(text.split()))
    if cell_len(line) <= width:
        return line
    cut = set_cell_size(line, width - 3)
    return f"{cut.rpartition(' ')[0] or cut}..."


def _scored_by(score: Score) -> str:
    """Return the encoder, and the decision rule if it is not the mean."""
    rule = score.get("decision_rule", "sum")
    return str(score["encoder"]["name"]) + (f", {rule}" if rule != "mean" else "")


def _used(calls: "list[Call]") -> str:
    """Format number of calls, tokens and cost."""
    return f"{len(calls)}, {_usage(calls)}" if calls else "none"


def _usage(calls: "list[Call]") -> str:
    """Format tokens and cost; unreported values are unknown, not zero."""
    if all(call.cached for call in calls):
        return "reused from an earlier run, free"
    reported = [c for c in calls if c.prompt_tokens is not None]
    tokens = sum((c.prompt_tokens or 0) + (c.completion_tokens or 0) for c in reported)
    costs = [c.cost for c in calls if c.cost is not None]
    size = f"{tokens} tokens" if reported else "tokens unknown"
    price = f"${sum(costs):.4f}" if costs else "cost unknown"
    missing = f" ({len(calls) - len(costs)} unknown)" if costs and len(costs) < len(calls) else ""
    return f"{size}, {price}{missing}"


def _show_calls(calls: "list[Call]") -> None:
    for number, call in enumerate(calls, 1):
        _say(f"{number}. {_headline(call)}")
        for problem in call.problems:
            line = problem.get("failure") or f"{problem['code']} {problem['pointer'] or '/'}: {problem['message']}"
            _say(f"   {line}")
        if call.messages:
            _say(f"   asked: {_glance(call.messages[-1]['content'])}")
        if call.reply:
            _say(f"   reply: {_glance(call.reply)}")
        for name, text in _descriptions(call):
            _say(f"   seen in the pictures of {name}: {text}")


def _descriptions(call: "Call") -> list[tuple[str, str]]:
    """Return class and description from a reply that described pictures; empty for one with problems."""
    if call.purpose not in ("describe", "repair") or not call.reply or call.problems:
        return []
    from treegen.llm.reading.parser import keyed, parse_reply

    data = parse_reply(call.reply, finish=call.finish, shape=keyed("descriptions")).data
    texts = data["descriptions"] if data else None
    return [(name, " ".join(str(text).split())) for name, text in texts.items()] if isinstance(texts, dict) else []


def _headline(call: "Call") -> str:
    """Format a call on one line."""
    revision = f"-> revision {call.revision}" if call.revision else "-> no revision"
    return f"{call.created} {call.purpose} by {call.model or '?'} {revision}: {_usage([call])}"


def _glance(text: str) -> str:
    """Return the start of a text on one line, and its length."""
    line = _cut(text, 45)
    return f"{line} ({len(text):,} characters)" if line.endswith("...") else line


def _show_call(calls: "list[Call]", number: int) -> None:
    """Print all messages and the reply of one call.

    Raises:
        InputError: there is no such call.
    """
    from treegen.cli.output import say
    from treegen.errors import InputError

    if number > len(calls):
        raise InputError(f"there is no call {number}", f"`treegen log TREE --calls` lists {len(calls)}")
    call = calls[number - 1]
    _say(f"{number}. {_headline(call)}")
    for problem in call.problems:
        _say(f"   {problem.get('failure') or problem['message']}")
    for message in call.messages:
        say()
        pictures = f" (with {counted(len(message['images']), 'picture')})" if message.get("images") else ""
        say(f"--- {message['role']}{pictures}")
        say(message["content"])
    say()
    say(f"--- reply{f' ({call.finish})' if call.finish not in (None, 'stop') else ''}")
    say(call.reply if call.reply is not None else "none")


def _show_cost(calls: "list[Call]") -> None:
    """Print totals by model and purpose. Unreported values are unknown, not zero."""
    from treegen.cli.output import say, table_lines

    if not calls:
        say("no calls to a language model")
        return
    kinds = sorted({(c.model or "?", c.purpose) for c in calls})
    rows = [
        (f"  {purpose}", *_sums([c for c in calls if (c.model or "?", c.purpose) == (model, purpose)]))
        for model, purpose in kinds
    ]
    rows += [("all", *_sums(calls))] if len(kinds) > 1 else []
    head = ("model, purpose", "calls", "cached", "failed", "sent", "tokens in", "out", "USD")
    title, *lines = table_lines(head, rows, right=(1, 2, 3, 4, 5, 6, 7))
    click.echo(click.style(title, bold=True))
    before = ""
    for (model, _), line in zip((*kinds, ("", "")), lines, strict=False):
        if model != before and model:
            _say(model)
        before = model
        click.echo(line)
    if any("?" in cell or "+" in cell for row in rows for cell in row[4:]):
        _say("?: not reported; +: and more, which not every call reported (--json lists them)")


def _sums(calls: "list[Call]") -> tuple[str, ...]:
    """Return the numbers of calls, cached and failed ones, and their known usage."""
    cached, failed = sum(c.cached for c in calls), sum(c.reply is None for c in calls)
    return (
        str(len(calls)),
        str(cached),
        str(failed),
        _sum([c.requests for c in calls]),
        _sum([c.prompt_tokens for c in calls]),
        _sum([c.completion_tokens for c in calls]),
        _sum([c.cost for c in calls], "{:.4f}"),
    )


def _sum(values: "Sequence[float | None]", form: str = "{}") -> str:
    """Return the sum of the reported values, with a + if some are missing."""
    reported = [value for value in values if value is not None]
    return form.format(sum(reported)) + "+" * (len(reported) < len(values)) if reported else "?"
