"""How scores, problems, attempts and changes are printed on a terminal."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.display_groups import show_advice, show_groups, show_rules
from treegen.cli.display_probability import show_probability
from treegen.cli.output import interval, percent, plain, print_line, say, table, tell
from treegen.history.score_document import Diagnosis, ImageFiles, Paired, Resampled, Score, TestedScore, as_tested
from treegen.text import counted, p_value, points
from treegen.tree.changes import Change
from treegen.tree.validation.folding import fold
from treegen.tree.validation.problems import Place, Problem
from treegen.workflow.luck import luck_sentence
from treegen.workflow.proposal_units import ChangeGroup
from treegen.workflow.verdict import paired_points, scope_sentence, spread_words, test_name, verdict

if TYPE_CHECKING:
    from treegen.llm.tasks.attempts import Attempt
    from treegen.workflow.score import ScoreResult

COLOURS = {"error": "red", "warning": "yellow"}


def problem_line(problem: Problem, file: str = "", at: Place | None = None) -> str:
    """Format a problem on one line, coloured by severity; editors and terminals jump to FILE:LINE:COLUMN."""
    severity = click.style(problem.severity, fg=COLOURS[problem.severity])
    place = f"{plain(file)}{f':{at.line}:{at.column}' if at else ''}: " if file else ""
    fix = f" (fix: {plain(problem.fix.summary)})" if problem.fix else ""
    return f"{place}{severity} {problem.code} {plain(problem.pointer) or '/'}: {plain(problem.message)}{fix}"


def show_problems(problems: Iterable[Problem], file: str = "", *, err: bool = False) -> None:
    """Print problems, one per line."""
    for problem in problems:
        print_line(problem_line(problem, file), err=err)


def show_attempt(attempt: "Attempt") -> None:
    """Report the outcome of one request, on stderr."""
    reply = attempt.reply
    if reply is None:
        return  # the error says why
    if attempt.failure:
        tell(f"{attempt.purpose} (request {attempt.number} to {reply.model}): {attempt.failure}")
        return
    used = f", {reply.prompt_tokens} + {reply.completion_tokens} tokens" if reply.prompt_tokens is not None else ""
    cost = f", ${reply.cost:.4f}" if reply.cost is not None else ""
    if reply.cached:
        used, cost = ", reused from an earlier run; --fresh asks again", ""
    errors = sum(p.severity == "error" for p in attempt.problems)
    outcome = counted(errors, "error") if errors else "no errors"
    repaired = ", read as JSON5" if attempt.repaired else ""
    tell(f"{attempt.purpose} (reply {attempt.number} of {reply.model}{used}{cost}): {outcome}{repaired}")
    for note in attempt.notes:
        tell(f"  note: {note}")
    show_problems(fold(p for p in attempt.problems if p.severity == "error"), err=True)


def change_line(change: Change) -> str:
    """Format a change in words after a coloured sign."""
    signs = {"added": click.style("+", fg="green"), "removed": click.style("-", fg="red")}
    sign = signs.get(change.kind.rpartition("_")[2], click.style("~", fg="yellow"))
    return f"{sign} {plain(change.sentence)}"


def show_changes(changes: Iterable[Change], *, indent: str = "", colour: bool | None = None) -> None:
    """Print changes in words, one per line; in colour on a terminal, or as `colour` says."""
    for change in changes:
        print_line(indent + change_line(change), colour=colour)


def show_proposal(units: Iterable[ChangeGroup]) -> None:
    """Print proposed changes in words, in the order of application; mark those outside the target."""
    pairs = sorted(((p, c, u) for u in units for p, c in zip(u.places, u.changes, strict=True)), key=lambda t: t[0])
    for _, change, unit in pairs:
        mark = f" (refused: {plain(unit.refused)})" if unit.refused else " (not asked for)" if unit.outside else ""
        print_line(change_line(change) + click.style(mark, fg="red" if unit.refused else "yellow"))


def score_rows(score: TestedScore, label: str = "tree") -> list[tuple[str, str, str, str, str]]:
    """Return the rows of the comparison table: what, accuracy, interval, n, what the interval of a control is."""
    controls = score["controls"]
    measured: list[tuple[str, Mapping[str, Any] | None]] = [
        ("chance", controls["chance"]),
        ("name baseline", score["baseline"]),
        (label, score["test"]),
        ("shuffled rules", controls["shuffled_rules"]),
        ("shuffled answers", controls.get("shuffled_columns")),
        ("random words", controls["random_words"]),
    ]
    return [
        (name, percent(p["accuracy"]), interval(p["interval"]), str(p["n"]), spread_words(p))
        for name, p in measured
        if p
    ]


def show_notes(scored: "ScoreResult") -> "ScoreResult":
    """Print on stderr what a reader of the score must know; return the score."""
    for note in scored.notes:
        tell(f"note: {note}")
    return scored


def show_score(score: Score, *, groups: bool = False, full: bool = False) -> None:
    """Print a tree's score: a verdict, the table of the test split, and what was scored.

    Args:
        score: the document.
        groups: print all details of the groups.
        full: print everything: paired tests, and the diagnosis on the dev split.
    """
    say(verdict(score))
    say()
    tested = as_tested(score)
    show_test(tested, full=full) if tested else show_dev(score)
    if "rules" in score:
        show_rules(score["rules"])
    say()
    _show_conditions(score, full=full)
    if groups or full:
        say()
        show_diagnosis(score["dev"], groups=groups, full=full)
        show_probability(score)
    if not full:
        tell("--full adds paired tests, all groups and classes, and suggestions")


def show_dev(score: Score) -> None:
    """Print the table of the dev split, for a score without the test split."""
    dev = score["dev"]
    row = ("tree", percent(dev["accuracy"]), interval(dev["interval"]), dev["n"])
    table(("dev split", "accuracy", "95 % interval", "n"), [row], right=(1, 2, 3))
    if score.get("decision_parameters"):
        say(f"the rule {score['decision_rule']} was fitted to these images, so its accuracy here is optimistic")


def _show_conditions(score: Score, *, full: bool) -> None:
    """Print encoder and images, what was left out, and how often the test split was evaluated; in full its numerics."""
    encoder, images = score["encoder"], score["images"]
    rule = "" if score["decision_rule"] == "mean" else f", decision rule {score['decision_rule']}"
    if compute := score.get("compute"):
        adapted = f", {compute['adapt']}" if "adapt" in compute else ""
        rule += f", {compute['views']} views by {compute['join']}{adapted}"
    numerics = f" ({encoder['precision']}, logit scale {encoder['logit_scale']:.2f})" if full else ""
    say(
        f"{score['domain']}: {encoder['name']} on {encoder['device']}{numerics}, "
        f"{images['test']} test and {images['dev']} dev images{rule}"
    )
    say(scope_sentence(score))
    if files := images.get("files"):
        say(census_sentence(files))
    if images["skipped"]:
        say(f"{counted(len(images['skipped']), 'image')} skipped:")
        say_some([f"  {s['path']}: {s['reason']}" for s in images["skipped"]])
    if images["classes_without_images"]:
        say(f"{counted(len(images['classes_without_images']), 'class', 'classes')} without images:")
        say_some([f"  {name}" for name in images["classes_without_images"]])
    if words := luck_sentence(score):
        say(words)
    tested = as_tested(score)
    if tested and (evaluations := tested.get("test_looks")):
        say(f"the test split was evaluated {counted(evaluations, 'time')} (trees, encoders, decision rules)")


def census_sentence(files: ImageFiles) -> str:
    """Return in one line how many picture files of a set were read and left out."""
    from treegen.images import Census, LeftOut

    left_out = tuple(LeftOut(kind=e["reason"], count=e["count"], names=()) for e in files["left_out"])
    return Census(read=files["read"], left_out=left_out).sentence(files["below"])


def show_test(score: TestedScore, *, full: bool = False) -> None:
    """Print the accuracy next to its controls; in full also the tests."""
    table(("test split", "accuracy", "95 % interval", "n", ""), score_rows(score), right=(1, 2, 3))
    if not full:
        return
    say(f"mean per-class recall {percent(score['test']['mean_per_class_recall'])}")
    controls = score["controls"]
    for shuffled, words in ((controls["shuffled_rules"], "rules"), (controls.get("shuffled_columns"), "answers")):
        if shuffled:
            say(
                f"how often a shuffle of its {words} does as well as the tree: p = {shuffled['p']:.4f} "
                f"({shuffled['seeds']} shuffles)"
            )
    recalls, tests = score.get("recall_difference"), score["mcnemar"]
    for paired, recall, words in (
        (tests["baseline"], recalls and recalls["baseline"], "the name baseline"),
        (tests["parent"], recalls and recalls["parent"], "the parent revision"),
    ):
        if paired:
            say(paired_sentence(paired, words) + (_recall_words(recall) if recall else ""))
    say(effect_sentence(score))


def _recall_words(recall: Resampled) -> str:
    """Describe the difference of the mean recalls with its interval, or why it has none."""
    bounds = recall["interval"]
    shown = interval(bounds) if bounds else f"({recall['reason']})"
    return f"; mean recall {points(recall['difference'])} {shown}"


def say_some(lines: Sequence[str], limit: int = 10) -> None:
    """Print the first lines, and how many more there are."""
    for line in lines[:limit]:
        say(line)
    if len(lines) > limit:
        say(f"  and {len(lines) - limit} more (--json lists all)")


def paired_sentence(paired: Paired, other: str) -> str:
    """Describe McNemar's test in words."""
    verdict = "" if paired["p"] < 0.05 else ", no significant difference"
    return (
        f"against {other}: {paired_points(paired)}, {counted(paired['wins'], 'image')} won, "
        f"{paired['losses']} lost, {test_name(paired)} {p_value(paired['p'])}{verdict}"
    )


def effect_sentence(score: TestedScore) -> str:
    """Describe the smallest difference that this many images can show."""
    effect = score["minimum_detectable_effect"]
    if effect["difference"] is None:
        return "too few images differ to show any difference"
    return (
        f"{counted(score['test']['n'], 'image')} can show differences of {100 * effect['difference']:.1f} points or "
        f"more (power {effect['power']}, {percent(effect['discordant'])} of them differ)"
    )


def show_diagnosis(dev: Diagnosis, *, groups: bool = False, full: bool = True) -> None:
    """Print the details of the groups if requested; in full groups, classes (weakest first) and advice."""
    if groups:
        show_groups(dev["groups"])
    if not full:
        return
    if groups:
        say()
    rows = []
    for group in dev["groups"]:
        worst = group["confused"][0] if group["confused"] else None
        mistake = f"{worst['option']} taken for {worst['taken_for']} ({worst['count']})" if worst else ""
        without = group.get("without")
        worth = paired_points(without, "", "none") if without else ""
        rows.append(
            (group["name"], percent(group["accuracy"]), interval(group["interval"]), group["n"], worth, mistake)
        )
    table(("group (dev split)", "right", "95 % interval", "n", "without it", "most often"), rows, right=(1, 2, 3, 4))
    say()
    ordered = sorted(dev["classes"], key=lambda c: 2.0 if c["recall"] is None else c["recall"])
    table(
        ("class (dev split)", "recall", "95 % interval", "n", "taken for"),
        [
            (
                c["name"],
                percent(c["recall"]),
                interval(c["interval"]),
                c["n"],
                ", ".join(f"{t['name']} ({t['count']})" for t in c["taken_for"]),
            )
            for c in ordered
        ],
        right=(1, 2, 3),
    )
    if looks := dev.get("looks"):
        say()
        table(
            ("look (dev split)", "recall", "95 % interval", "n"),
            [(f"{e['name']}: {e['look']}", percent(e["recall"]), interval(e["interval"]), e["n"]) for e in looks],
            right=(1, 2, 3),
        )
    show_advice(dev)
