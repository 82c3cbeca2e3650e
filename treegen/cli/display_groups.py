"""How group reports, advice and compared decision rules are printed on a terminal."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from treegen.cli.output import interval, percent, say, table
from treegen.history.score_document import Comparison, Diagnosis
from treegen.text import counted, p_value, points
from treegen.workflow.verdict import paired_points

_MOST_ADVICE: Final = 6


def show_groups(groups: Sequence[Mapping[str, Any]]) -> None:
    """Print all details of the groups except their confusions, one per line."""
    rows = []
    for group in groups:
        sure, bits, without = group.get("calibration"), group.get("information"), group.get("without")
        shared, together, cost = group.get("shared") or [], group.get("together") or [], group.get("cost")
        rows.append(
            (
                group["name"],
                percent(group["accuracy"]),
                percent(group.get("balanced_accuracy")),
                percent(sure["confidence"]) if sure else "-",
                f"{sure['error']:.2f}" if sure else "-",
                f"{bits['corrected']:.2f} of {bits['possible']:.2f}" if bits else "-",
                f"{shared[0]['group']} ({shared[0]['corrected']:.2f})" if shared else "-",
                f"{points(without['difference'])} ({p_value(without['p_holm'])})" if without else "-",
                f"{cost['prompts']} ({percent(cost['share'])})" if cost else "-",
                f"{' and '.join(together[0]['options'])} ({together[0]['count']})" if together else "",
            )
        )
    head = (
        "group (dev split)",
        "right",
        "balanced",
        "sure",
        "ECE",
        "bits",
        "shares most with",
        "without it",
        "prompts",
        "fire together",
    )
    table(head, rows, right=(1, 2, 3, 4, 5, 7, 8))
    say("balanced: mean over the options. sure: mean probability of the answer; ECE: how far it is from being right.")
    say("bits: information about the class, corrected for chance, of what correct answers would give.")
    say("without it: points of accuracy that the tree gains (+) or loses (-) without the group; p is corrected for the")
    say("number of groups.")
    say("fire together: the two most probable options on so many images, the second at least half as probable.")


def show_advice(dev: Diagnosis) -> None:
    """Print the advice on the tree, in sentences."""
    advice = dev.get("advice") or []
    if not advice:
        return
    say()
    say("suggestions (dev split; -: supported by the images, ?: not significant):")
    for each in advice[:_MOST_ADVICE]:
        say(f"  {'-' if each['shown'] else '?'} {each['sentence']}")
    if len(advice) > _MOST_ADVICE:
        say(f"  and {len(advice) - _MOST_ADVICE} more (--json lists all)")


def show_rules(rules: Comparison) -> None:
    """Print the compared decision rules, and how the chosen one performs if it may abstain."""
    say()
    tested = "test" in rules["entries"][0]
    head = ["decision rule", "dev", "95 % interval", "n", f"against {rules['first']}"]
    head += ["test", "95 % interval", "n", f"against {rules['first']}"] if tested else []
    rows = []
    for entry in rules["entries"]:
        name = entry["rule"] + (" (chosen)" if entry["rule"] == rules["chosen"] else "")
        splits = [("dev", "dev_against")] + ([("test", "test_against")] if tested else [])
        cells = [cell for split, against in splits for cell in (*_share(entry[split]), _against(entry[against]))]
        rows.append([name, *cells])
    table(head, rows, right=(1, 2, 3, 5, 6, 7))
    comparisons = len(rules["entries"]) - 1
    say(
        f"dev: {rules['folds']}-fold cross-validation, by which the rule is chosen. p is corrected for "
        f"{counted(comparisons, 'comparison')} (Holm)."
    )
    _say_choice(rules, "test" if tested else "dev")
    say()
    rows = [
        [percent(e["wanted"]), f"{e['margin']:.3f}", percent(e["coverage"]), *_share(e)] for e in rules["abstaining"]
    ]
    where = "test split" if tested else "dev split"
    table(
        (f"to answer ({rules['chosen']})", "least margin", f"answered ({where})", "right", "95 % interval", "n"),
        rows,
        right=(0, 1, 2, 3, 4, 5),
    )


def _say_choice(rules: Comparison, split: str) -> None:
    """Print what the choice gains, claiming no more than the test supports."""
    entry = next(e for e in rules["entries"] if e["rule"] == rules["chosen"])
    against = entry[f"{split}_against"]
    if against is None:
        say(f"{rules['chosen']} stays: no other rule has a higher accuracy on the dev split")
    elif against["p_holm"] < 0.05:
        say(
            f"{rules['chosen']} differs from {rules['first']} on the {split} split by {points(against['difference'])} "
            f"points, {p_value(against['p_holm'])}"
        )
    else:
        say(
            f"{rules['chosen']} does not differ significantly from {rules['first']} on the {split} split at n = "
            f"{entry[split]['n']} ({paired_points(against)}, {p_value(against['p_holm'])})"
        )


def _share(split: Mapping[str, Any]) -> tuple[str, str, str]:
    return percent(split["accuracy"]), interval(split["interval"]), str(split["n"])


def _against(paired: Mapping[str, Any] | None) -> str:
    return "" if paired is None else f"{paired_points(paired, '')} ({p_value(paired['p_holm'])})"
