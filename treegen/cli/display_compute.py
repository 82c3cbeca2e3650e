"""Print what more computation at inference gives, and what it costs."""

from collections.abc import Mapping, Sequence
from typing import Any

from treegen.cli.output import interval, percent, say, table
from treegen.text import counted, p_value, points
from treegen.workflow.verdict import paired_points

_SUBJECTS = {"tree": "tree", "names": "name baseline"}


def show_compute(document: Mapping[str, Any]) -> None:
    """Print one table for the tree and one for the name baseline, what is chosen, and what gets worse.

    Args:
        document: of `treegen.workflow.compute.ComputeComparison`.
    """
    entries = [entry for entry in document["entries"] if "unavailable" not in entry]
    splits = [split for split in ("dev", "test") if split in entries[0]["tree"]]
    for subject, name in _SUBJECTS.items():
        head = [f"compute ({name})"]
        for split in splits:
            head += [split, "95 % interval", "against plain", "ECE"]
        rows = []
        for entry in entries:
            cells = [cell for split in splits for cell in _cells(entry[subject][split])]
            mark = " (chosen)" if subject == "tree" and entry["setting"] == document["chosen"] else ""
            rows.append([entry["setting"] + mark, *cells, _passes(entry), _seconds(entry["seconds"])])
        table([*head, "passes", "s/image"], rows, right=(1, 2, 4, 5, 6, 8, 9, 10))
        say()
    for entry in document["entries"]:
        if "unavailable" in entry:
            say(f"{entry['setting']} is left out: {entry['unavailable']}")
    first = entries[0]["tree"][splits[0]]
    say(
        f"n = {first['n']} dev{_test_count(entries[0], splits)} images; p is {_test_of(entries)}, corrected for "
        f"{counted(len(entries) - 1, 'comparison')} (Holm). Passes through the image tower for each image; * also "
        "backward. A decision rule that learns is cross-validated on dev."
    )
    _say_worse(document, entries, splits[-1])
    _say_choice(document, entries, splits)


def _test_of(entries: Sequence[Mapping[str, Any]]) -> str:
    tests = [entry["tree"]["dev"]["against"] for entry in entries]
    clustered = any(test and "clusters" in test for test in tests)
    return "that of the sign-flip test of clusters" if clustered else "McNemar's"


def _test_count(entry: Mapping[str, Any], splits: list[str]) -> str:
    return f" and {entry['tree']['test']['n']} test" if "test" in splits else ""


def _cells(section: Mapping[str, Any]) -> list[str]:
    against = section["against"]
    words = ""
    if against:
        words = (
            f"{paired_points(against, '', 'none')} (+{against['wins']}/-{against['losses']}), "
            f"{p_value(against['p_holm'])}"
        )
    return [
        percent(section["accuracy"]),
        interval(section["interval"]),
        words,
        f"{section['calibration_error']:.3f}",
    ]


def _passes(entry: Mapping[str, Any]) -> str:
    return f"{entry['forward_passes']}{'*' * bool(entry['backward_passes'])}"


def _seconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.3f}"


def _say_worse(document: Mapping[str, Any], entries: list[Mapping[str, Any]], split: str) -> None:
    """Name the settings whose probabilities are further from the truth than those of one view."""
    for subject, name in _SUBJECTS.items():
        before = entries[0][subject][split]["calibration_error"]
        worse = [e for e in entries[1:] if e[subject][split]["calibration_error"] > before + document["worse"]]
        if worse:
            listed = ", ".join(f"{e['setting']} ({e[subject][split]['calibration_error']:.3f})" for e in worse)
            say(f"worse calibrated than plain ({before:.3f}) on the {split} split, {name}: {listed}")


def _say_choice(document: Mapping[str, Any], entries: list[Mapping[str, Any]], splits: list[str]) -> None:
    """Print what is chosen, claiming no more than the tests support."""
    chosen = next(entry for entry in entries if entry["setting"] == document["chosen"])
    if chosen is entries[0]:
        highest = next(entry for entry in entries if entry["setting"] == document["highest"])
        against = highest["tree"]["dev"]["against"]
        most = f"; the highest, {highest['setting']}: {paired_points(against)}" if against else ""
        say(f"plain stays: no setting is significantly above it on the dev split{most}")
        return
    against = chosen["tree"][splits[-1]]["against"]
    say(
        f"{chosen['setting']} is chosen on dev; on the {splits[-1]} split it is {points(against['difference'])} points "
        f"against plain, {p_value(against['p_holm'])}"
    )
