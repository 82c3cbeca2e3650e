"""Which classes probably look alike: they belong into one request, where the model can compare them."""

from collections import Counter
from collections.abc import Sequence
from typing import Final

from treegen.tree.validation.normalise import normalise_name

_MOST_SHARE: Final = 3  # a word that more than one class in so many has says nothing

#: two classes of which one was taken for the other
Pair = tuple[str, str]


def clusters_of(names: Sequence[str], confused: Sequence[Pair] = ()) -> list[list[str]]:
    """Group classes that share a word that few classes have, or that were confused, in the order of the first.

    >>> clusters_of(["House Wren", "Robin", "Marsh Wren", "Mute Swan", "Rook", "Kite", "Owl"], [("Rook", "Robin")])
    [['House Wren', 'Marsh Wren'], ['Robin', 'Rook'], ['Mute Swan'], ['Kite'], ['Owl']]
    """
    words = {name: set(normalise_name(name).split()) for name in names}
    counts = Counter(word for own in words.values() for word in own)
    root = {name: name for name in names}

    def find(name: str) -> str:
        while root[name] != name:
            name = root[name]
        return name

    first: dict[str, str] = {}
    for name in names:
        telling = sorted(
            (word for word in words[name] if 1 < counts[word] <= max(2, len(names) // _MOST_SHARE)),
            key=lambda word: (counts[word], word),
        )
        if telling:  # by its rarest shared word alone: chains of words would join everything
            root[find(name)] = find(first.setdefault(telling[0], name))
    for one, other in confused:
        if one in root and other in root:
            root[find(one)] = find(other)
    clusters: dict[str, list[str]] = {}
    for name in names:
        clusters.setdefault(find(name), []).append(name)
    return list(clusters.values())


def batches_of(names: Sequence[str], size: int, confused: Sequence[Pair] = ()) -> list[list[str]]:
    """Divide classes into batches of at most `size`, those that look alike together; each in the order of the names."""
    place = {name: number for number, name in enumerate(names)}
    batches: list[list[str]] = []
    for cluster in clusters_of(names, confused):
        fits = batches and len(batches[-1]) + len(cluster) <= size
        if not fits and (not batches or len(cluster) > 1 or len(batches[-1]) >= size):
            batches.append([])
        for name in cluster:
            if len(batches[-1]) >= size:
                batches.append([])
            batches[-1].append(name)
    return [sorted(batch, key=place.__getitem__) for batch in batches if batch]
