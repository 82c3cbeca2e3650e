"""Order as part of a tree's meaning: insert positions, reordering, and describing moves."""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

from treegen.text import first_of, quote


def inserted(entries: dict[str, Any], key: str, value: Any, before: str | None) -> dict[str, Any]:
    """Insert a new entry before the key `before`, or at the end."""
    if before is None:
        return {**entries, key: value}
    result: dict[str, Any] = {}
    for name, old in entries.items():
        if name == before:
            result[key] = value
        result[name] = old
    return result


def renamed(entries: dict[str, Any], old: str, new: str) -> dict[str, Any]:
    """Rename one key, keeping its position."""
    return {new if name == old else name: value for name, value in entries.items()}


def following(names: Sequence[str], after: str | None) -> str | None:
    """Return the name before which to insert a new one that follows `after`; `None` for the end."""
    if after is None:
        return names[0] if names else None
    if not names or names[-1] == after or after not in names:
        return None
    return names[names.index(after) + 1]


def index_after(names: Sequence[str], after: str | None) -> int:
    """Return the index at which to insert: after `after`, 0 for `None`, at the end if `after` is missing."""
    if after is None:
        return 0
    return names.index(after) + 1 if after in names else len(names)


def arranged(names: Sequence[str], order: Sequence[str]) -> list[str]:
    """Sort the names as wanted; a name that is not in `order` stays behind the one before it.

    >>> arranged(["a", "new", "b"], ["b", "a"])
    ['b', 'a', 'new']
    """
    rank = {name: number for number, name in enumerate(order)}
    keys, last = [], -1
    for name in names:
        last = rank.get(name, last)
        keys.append(last)
    return [name for _, name in sorted(zip(keys, names, strict=True), key=lambda pair: pair[0])]


def describe_position(after: str | None) -> str:
    """Describe a position in a sentence."""
    return "at the front" if after is None else f"after {quote(after)}"


def describe_order(old: Sequence[str], new: Sequence[str]) -> str:
    """Describe what moved where, with the fewest moves that explain the new order."""
    unmoved = set(longest_common(old, new))
    moved = [name for name in new if name not in unmoved]
    before = dict(zip(new, [None, *new], strict=False))
    parts = [f"{quote(name)} {describe_position(before[name])}" for name in moved]
    return f"moved: {first_of(parts, 3)}"


def longest_common(old: Sequence[str], new: Sequence[str]) -> list[str]:
    """Return a longest common subsequence of names, in n log n (longest increasing subsequence)."""
    rank = {name: number for number, name in enumerate(old)}
    tails: list[int] = []
    ends: list[str] = []
    before: dict[str, str | None] = {}
    for name in new:
        if name in rank:
            place = bisect_left(tails, rank[name])
            tails[place : place + 1] = [rank[name]]
            ends[place : place + 1] = [name]
            before[name] = ends[place - 1] if place else None
    common: list[str] = []
    last = ends[-1] if ends else None
    while last is not None:
        common.append(last)
        last = before[last]
    return common[::-1]
