"""Classes of a file and classes of the domain: which are the same, which are missing, which may be meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from treegen.tree.validation.normalise import normalise_name

#: more classes than this are compared by normalised spelling alone: difflib takes their product in time
_MOST_CANDIDATES: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Matched:
    """File class -> domain class where that is certain; the rest is for a person.

    Attributes:
        renamed: (file class, domain class) that differ in case, underscores or plural only.
        unknown: (file class, likely domain class or "").
        missing: classes of the domain that the file does not have.
    """

    names: dict[str, str]
    renamed: tuple[tuple[str, str], ...]
    unknown: tuple[tuple[str, str], ...]
    missing: tuple[str, ...]


def match_classes(
    file_classes: Sequence[str], domain_classes: Sequence[str] | None, aliases: Sequence[tuple[str, Sequence[str]]] = ()
) -> Matched:
    """Match exactly, then by a spelling that only one class on each side has; never by likeness.

    Args:
        file_classes: classes of the file.
        domain_classes: classes of the domain, if there is one.
        aliases: (class, its other names) of the domain; an alias counts as a spelling.

    >>> matched = match_classes(["river_eels", "Newt", "Swann"], ["Newt", "River eel", "Swan"])
    >>> matched.renamed
    (('river_eels', 'River eel'),)
    >>> matched.unknown  # a person decides
    (('Swann', 'Swan'),)
    """
    if domain_classes is None:
        return Matched(names={n: n for n in file_classes}, renamed=(), unknown=(), missing=())
    exact = set(file_classes) & set(domain_classes)
    free = _only_ones([k for k in domain_classes if k not in exact])
    mine = _only_ones([f for f in file_classes if f not in exact])
    renamed = {name: free[word] for word, name in mine.items() if word in free}
    open_names = set(free.values()) - set(renamed.values())
    aliased = {normalise_name(a): name for name, some in aliases if name in open_names for a in some}
    by_alias = {name: aliased[word] for word, name in mine.items() if word in aliased and name not in renamed}
    # two file classes that are aliases of one domain class: neither is certain
    renamed |= {name: target for name, target in by_alias.items() if list(by_alias.values()).count(target) == 1}
    names = {n: renamed.get(n, n) for n in file_classes}
    missing = [k for k in domain_classes if k not in set(names.values())]
    unknown = [n for n in file_classes if n not in exact and n not in renamed]
    candidates = missing if len(missing) <= _MOST_CANDIDATES else []
    return Matched(
        names=names,
        renamed=tuple(renamed.items()),
        unknown=tuple((n, _close(n, candidates)) for n in unknown),
        missing=tuple(missing),
    )


def _only_ones(names: Sequence[str]) -> dict[str, str]:
    spelt: dict[str, list[str]] = {}
    for name in names:
        spelt.setdefault(normalise_name(name), []).append(name)
    return {word: same[0] for word, same in spelt.items() if len(same) == 1}


def _close(name: str, candidates: Sequence[str]) -> str:
    spelt = {normalise_name(c): c for c in candidates}
    matches = get_close_matches(normalise_name(name), list(spelt), n=1, cutoff=0.6)
    return spelt[matches[0]] if matches else ""
