"""Test pictures with a near-duplicate in the dev split: they flatter the accuracy."""

import hashlib
import json
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.files import write_atomically
from treegen.images import LabelledImage, open_picture
from treegen.images.near_duplicates import fingerprint, nearly_same
from treegen.text import first_of

if TYPE_CHECKING:
    from treegen.clip.evaluator import Evaluator

_NAME: Final = "near-duplicates.json"
_LIKELY: Final = 0.9  # cosine of the embeddings; a copy that was scaled or saved anew lies far above
_MOST_PAIRS: Final = 400  # the likeliest are decoded and compared
_NEIGHBOURS: Final = 3  # dev images that are compared with a test image
_ROWS: Final = 1024  # test images whose cosines are held at a time
_MOST_COSINES: Final = 400_000_000  # some seconds on two cores
_NAMED: Final = 5

Pair = tuple[str, str]


def note_near_duplicates(evaluator: "Evaluator", folder: Path) -> tuple[str, ...]:
    """Return a note on test images that are nearly the same as a dev image; none if there are none.

    What was found is kept in `folder`, and not looked for again while the splits stay as they are.
    """
    dev, test = evaluator.splits["dev"], evaluator.splits["test"]
    if len(dev.images) * len(test.images) > _MOST_COSINES:
        return ("near-duplicates across dev and test were not looked for: the set is too large",)
    key, path = _key(evaluator), folder / _NAME
    pairs = _kept(path, key)
    if pairs is None:
        pairs = _find(evaluator)
        if path.is_symlink():  # a stranger's, which may lead to any file of the user
            path.unlink()
        write_atomically(path, json.dumps({"key": key, "pairs": pairs}, ensure_ascii=False))
    if not pairs:
        return ()
    listed = first_of([f"{test} ~ {dev}" for test, dev in pairs], _NAMED)
    are = "1 test picture is" if len(pairs) == 1 else f"{len(pairs)} test pictures are"
    return (f"{are} nearly the same as one of dev, which flatters the accuracy: {listed}",)


def _key(evaluator: "Evaluator") -> str:
    """Return a digest of the contents of both splits, in any order."""
    lines = sorted(f"{name} {i.digest} {i.crop}" for name, data in evaluator.splits.items() for i in data.images)
    return hashlib.sha256("\n".join([evaluator.encoder.fingerprint, *lines]).encode()).hexdigest()


def _kept(path: Path, key: str) -> list[Pair] | None:
    try:
        kept: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return [(str(one), str(two)) for one, two in kept["pairs"]] if kept["key"] == key else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _find(evaluator: "Evaluator") -> list[Pair]:
    """Find test images with the dev image that they nearly are, each once, by their names."""
    dev, test = evaluator.splits["dev"].images, evaluator.splits["test"].images
    settings, found = evaluator.domain.images, dict[str, str]()
    assert settings is not None

    @cache
    def printed(image: LabelledImage) -> Any:
        try:
            return fingerprint(open_picture(image, settings.crop))
        except ValueError:
            return None

    for row, column in _likely_pairs(evaluator):
        one, two = test[row], dev[column]
        name = one.below(settings.root)
        if name not in found and one.digest != two.digest:
            prints = printed(one), printed(two)
            if all(each is not None for each in prints) and nearly_same(*prints):
                found[name] = two.below(settings.root)
    return sorted(found.items())


def _likely_pairs(evaluator: "Evaluator") -> Sequence[tuple[int, int]]:
    """Return the pairs (test, dev) whose embeddings are most alike, the likeliest first."""
    import numpy as np

    from treegen.clip.arrays import to_numpy

    dev, test = (to_numpy(evaluator.splits[name].features).astype(np.float32, copy=False) for name in ("dev", "test"))
    if dev.ndim > 2:  # several views: the first is the picture itself
        dev, test = dev[:, 0], test[:, 0]
    count, found = min(_NEIGHBOURS, len(dev)), list[tuple[float, int, int]]()
    for start in range(0, len(test), _ROWS):
        cosines = test[start : start + _ROWS] @ dev.T
        nearest = np.argpartition(-cosines, count - 1, axis=1)[:, :count]
        values = np.take_along_axis(cosines, nearest, axis=1)
        rows, columns = np.nonzero(values >= _LIKELY)
        found += zip(
            values[rows, columns].tolist(),
            (rows + start).tolist(),
            nearest[rows, columns].tolist(),
            strict=True,
        )
    return [(row, column) for _, row, column in sorted(found, reverse=True)[:_MOST_PAIRS]]
