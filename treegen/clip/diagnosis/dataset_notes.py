"""What a reader of a score must know about the images behind it, in sentences."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from treegen.text import counted

if TYPE_CHECKING:
    from treegen.clip.evaluator import Evaluator

_MOST_NAMED: Final = 5


def notes_on(evaluator: "Evaluator") -> tuple[str, ...]:
    """Return notes on the cache, on images that were left out or are duplicates, and on classes with too few images."""
    images, notes = evaluator.images, list[str]()
    if evaluator.cache_rebuilt:
        notes.append("the embedding cache was damaged: it was set aside and computed anew")
    if evaluator.cache_damaged:
        were = counted(evaluator.cache_damaged, "embedding of the cache was", "embeddings of the cache were")
        notes.append(f"{were} damaged and computed anew")
    if images.in_two_classes:
        stand = counted(images.in_two_classes, "picture stands", "pictures stand")
        notes.append(f"{stand} in more than one class, and count{'s' * (images.in_two_classes == 1)} for each")
    if images.copies:
        are = counted(images.copies, "image is an exact copy", "images are exact copies")
        notes.append(f"{are} of others of the same class: each counts, so that n is larger than what was seen")
    if images.strangers:
        listed = _listed([f"{name} ({count})" for name, count in images.strangers])
        are = counted(len(images.strangers), "label is no class and was", "labels are no class and were")
        notes.append(f"{are} left out, with the images: {listed}")
    if images.leaks:
        stand = counted(images.leaks, "picture stands", "pictures stand")
        notes.append(f"{stand} in the dev and in the test part of the set: left out of dev")
    return (*notes, *_few_images(evaluator))


def _few_images(evaluator: "Evaluator") -> list[str]:
    """Note classes without images, and those without images in one of the splits."""
    names, notes = evaluator.domain.classes, list[str]()
    there = {part: set(images.labels) for part, images in evaluator.parts.items()}
    without = [name for k, name in enumerate(names) if k not in there["dev"] | there["test"]]
    if without:
        notes.append(f"no images of {_listed(without)}: how well they are classified is not known")
    for part, other in (("dev", "test"), ("test", "dev")):
        lacking = [names[k] for k in sorted(there[other] - there[part])]
        if lacking:
            notes.append(f"all images of {_listed(lacking)} are in the {other} part: {part} says nothing about them")
    return notes


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return ", ".join(names[:_MOST_NAMED]) + more
