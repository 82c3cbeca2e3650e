"""What a reader of a score must know about the images behind it, in sentences."""

from typing import TYPE_CHECKING, Final

from treegen.text import counted, first_of, show

if TYPE_CHECKING:
    from treegen.clip.evaluator import Evaluator

_MOST_NAMED: Final = 5


def notes_on(evaluator: "Evaluator") -> tuple[str, ...]:
    """Return notes on the cache, on images that were left out or are duplicates, and on classes with too few images."""
    images, notes = evaluator.images, list[str]()
    if evaluator.cache.rebuilt:
        notes.append("the embedding cache was damaged: it was set aside and rebuilt")
    if evaluator.cache.damaged:
        subject = counted(evaluator.cache.damaged, "cached embedding was", "cached embeddings were")
        notes.append(f"{subject} damaged and recomputed")
    if images.in_two_classes:
        subject = counted(images.in_two_classes, "picture is", "pictures are")
        count = f"count{'s' * (images.in_two_classes == 1)} for each"
        notes.append(
            f"{subject} in more than one class, and {count}: {first_of(images.named_in_two_classes, _MOST_NAMED)}"
        )
    if images.copies:
        subject = counted(images.copies, "image is an exact copy", "images are exact copies")
        notes.append(f"{subject} of others of the same class: each counts, so fewer than n are distinct")
    if images.unknown_labels:
        listed = first_of([f"{show(name)} ({count})" for name, count in images.unknown_labels], _MOST_NAMED)
        subject = counted(len(images.unknown_labels), "label is not a class and was", "labels are not classes and were")
        notes.append(f"{subject} left out, with the images: {listed}")
    if images.leaks:
        subject = counted(images.leaks, "picture is", "pictures are")
        notes.append(f"{subject} in both the dev and the test split of the set: left out of dev")
    return (*notes, *images.notes, *_few_images(evaluator))


def _few_images(evaluator: "Evaluator") -> list[str]:
    """Note classes without images, and those without images in one of the splits."""
    names, notes = evaluator.domain.classes, list[str]()
    present = {split: set(images.labels) for split, images in evaluator.splits.items()}
    empty = [name for k, name in enumerate(names) if k not in present["dev"] | present["test"]]
    if empty:
        notes.append(f"no images of {first_of(empty, _MOST_NAMED)}: how well they are classified is unknown")
    for split, other in (("dev", "test"), ("test", "dev")):
        missing = [names[k] for k in sorted(present[other] - present[split])]
        if missing:
            listed = first_of(missing, _MOST_NAMED)
            notes.append(f"all images of {listed} are in the {other} split: {split} says nothing about them")
    return notes
