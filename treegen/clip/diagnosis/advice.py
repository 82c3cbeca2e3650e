"""What a person can do about a tree, in sentences with the numbers that support them.

A difference is called one only with p < 0.05, corrected for the number of groups; otherwise the sentence says that it
cannot be distinguished from chance. Anything that would make two classes identical is never advised.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from treegen.clip.metrics.statistics import wilson_interval
from treegen.history.score_document import Findings
from treegen.text import counted, show

Kind = Literal["drop", "merge", "reword", "separate"]

LEVEL: Final = 0.05
_SHARE: Final = 0.25  # least share of confused images to report
_LEAST: Final = 3  # least number of confused images to report
_ONE: Final = "; drop one group at a time: each was left out alone"
_SURE: Final = 0.1  # share of confused images that the interval must exceed to be `shown`


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """One thing to do.

    Attributes:
        kind: `drop` a group, `merge` two options, `reword` an option, `separate` two classes with a new group.
        target: names of what it is about: group; group and options; classes.
        sentence: what to do and why, with n.
        shown: the images confirm it (p < 0.05, or a 95 % interval beyond the limit); otherwise it is a hint.
        images: how many images it concerns.
        evidence: the numbers in the sentence, by name; the same names for each kind.
    """

    kind: Kind
    target: tuple[str, ...]
    sentence: str
    shown: bool
    images: int
    evidence: tuple[tuple[str, float], ...]

    def as_json(self) -> dict[str, Any]:
        """Return the entry of the score document."""
        return {
            "kind": self.kind,
            "target": list(self.target),
            "sentence": self.sentence,
            "shown": self.shown,
            "images": self.images,
            "evidence": dict(self.evidence),
        }


def advise(diagnosis: Findings) -> tuple[Advice, ...]:
    """Derive advice from a diagnosis: confirmed advice first, then by the number of images concerned.

    Args:
        diagnosis: the `dev` entry of a score document; an older one with fewer data yields less advice.
    """
    advice: list[Advice] = []
    drops = {group["name"]: list(_drop(group)) for group in diagnosis["groups"]}
    several = sum(map(len, drops.values())) > 1
    for group in diagnosis["groups"]:
        advice += [replace(each, sentence=each.sentence + _ONE * several) for each in drops[group["name"]]]
        if any(each.shown for each in drops[group["name"]]):
            continue  # a group to drop needs no rewording
        advice += (merged := list(_merge(group)))
        advice += _reword(group, {option for each in merged for option in each.target[1:]})
    advice += _separate(diagnosis)
    return tuple(sorted(advice, key=lambda each: (not each.shown, -each.images)))


def _drop(group: Mapping[str, Any]) -> Iterator[Advice]:
    """Advise dropping a group without which accuracy does not fall."""
    without = group.get("without")
    if not without or without["difference"] < 0 or without["identical"]:
        return
    p, changed = without["p_holm"], without["wins"] + without["losses"]
    shown = p < LEVEL
    prompts = group["cost"]["prompts"]
    fewer = counted(prompts, "fewer prompt")
    points = (
        f"{100 * without['difference']:+.1f} points ({counted(without['wins'], 'image')} won, {without['losses']} lost"
    )
    if shown:
        sentence = f"drop {show(group['name'])}: without it {points}, p = {p:.2g}), and {fewer}"
    else:
        sentence = (
            f"{show(group['name'])} could go: without it {points}, which cannot be distinguished from chance, "
            f"p = {p:.2g}), and {fewer}"
        )
    evidence = {
        "difference": without["difference"],
        "wins": without["wins"],
        "losses": without["losses"],
        "p": p,
        "prompts": prompts,
    }
    yield _advice("drop", (group["name"],), sentence, shown, changed, evidence)


def _merge(group: Mapping[str, Any]) -> Iterator[Advice]:
    """Advise merging options confused so often that answer and truth appear independent."""
    counts = {option["option"]: option["n"] for option in group["options"]}
    for pair in group.get("pairs", ()):
        if pair["crossed"] < _LEAST or pair["crossed"] < _SHARE * pair["n"] or pair["p"] < LEVEL:
            continue
        one, other = pair["options"]
        if not counts.get(one, 1) or not counts.get(other, 1):
            continue  # without images of one of them, there is no evidence
        both, why = f"{show(one)} and {show(other)} of {show(group['name'])}", ""
        if pair["needed"]:
            why = f"nothing else distinguishes {' and '.join(map(show, pair['needed']))}"
        elif group["cost"]["prompts"] == 2:
            why = "the group has no other options"
        kind: Kind = "reword" if why else "merge"
        sentence = (
            f"{kind} {both}: confused in {pair['crossed']} of {pair['n']} images, and the answer between the two is "
            f"indistinguishable from a guess, p = {pair['p']:.2g}"
        ) + (f"; {why}, so they cannot be merged" if why else "")
        evidence = {"crossed": pair["crossed"], "n": pair["n"], "p": pair["p"]}
        yield _advice(kind, (group["name"], one, other), sentence, False, pair["crossed"], evidence)


def _reword(group: Mapping[str, Any], merged: set[str]) -> Iterator[Advice]:
    """Advise rewording options recognised in significantly fewer than half of their images."""
    for option in group["options"]:
        n = option["n"]
        if n < _LEAST or option["option"] in merged:
            continue
        hits = round(option["accuracy"] * n)
        low, high = wilson_interval(hits, n)
        if high >= 0.5 or n - hits < _LEAST:
            continue
        taken = [pair for pair in group["confused"] if pair["option"] == option["option"]]
        sentence = (
            f"reword {show(option['option'])} of {show(group['name'])}: recognised in {hits} of {n} images that show it"
            f" (95 % interval {100 * low:.0f} to {100 * high:.0f} %)"
        )
        if taken:
            sentence += f", most often taken for {show(taken[0]['taken_for'])} ({taken[0]['count']})"
        evidence = {"right": hits, "n": n, "low": low, "high": high}
        yield _advice("reword", (group["name"], option["option"]), sentence, True, n - hits, evidence)


def _separate(diagnosis: Findings) -> Iterator[Advice]:
    """Advise separating confused classes, listing the groups that should distinguish them."""
    images, pairs = {one["name"]: one["n"] for one in diagnosis["classes"]}, dict[tuple[str, ...], dict[str, Any]]()
    for entry in diagnosis["confused"]:
        key = tuple(sorted((entry["true"], entry["predicted"])))
        pair = pairs.setdefault(key, {"count": 0, "by": entry.get("separated_by")})
        pair["count"] += entry["count"]
    for (one, other), pair in pairs.items():
        count, n = pair["count"], images[one] + images[other]
        if count < _LEAST or count < _SHARE * n:
            continue
        low, high = wilson_interval(count, n)
        sentence = (
            f"add a group that separates {show(one)} and {show(other)}: confused in {count} of {n} images "
            f"(95 % interval {100 * low:.0f} to {100 * high:.0f} %){_distinguishing(pair['by'])}"
        )
        evidence = {"crossed": count, "n": n, "low": low, "high": high}
        yield _advice("separate", (one, other), sentence, low > _SURE, count, evidence)


def _distinguishing(groups: "list[dict[str, Any]] | None") -> str:
    """List the groups that distinguish two classes, and how well."""
    if groups is None:
        return ""
    listed = ", ".join(f"{show(g['group'])} (right in {g['right']} of {g['n']})" for g in groups[:3])
    return f"; distinguished by {listed}" if groups else "; no group has different answers for them"


def _advice(
    kind: Kind, target: tuple[str, ...], sentence: str, shown: bool, images: int, evidence: Mapping[str, float]
) -> Advice:
    return Advice(
        kind=kind, target=target, sentence=sentence, shown=shown, images=images, evidence=tuple(evidence.items())
    )
