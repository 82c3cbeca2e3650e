import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from treegen.config.settings import SplitSettings
from treegen.images import LabelledImage, divide

CLASSES = ("Newt", "Swan")


def labelled(label: int, *digests: str) -> list[LabelledImage]:
    return [LabelledImage(path=Path(f"{label}/{d}.png"), label=label, digest=d) for d in digests]


def many(label: int, count: int, prefix: str = "") -> list[LabelledImage]:
    return labelled(label, *(f"{prefix}{label}-{i}" for i in range(count)))


@pytest.mark.parametrize(("share", "expected"), [(0.5, (5, 10)), (0.2, (2, 4)), (0.9, (9, 18))])
def test_each_class_gives_its_share_to_the_dev_part(share: float, expected: tuple[int, int]) -> None:
    pictures = many(0, 10) + many(1, 20)
    parts = divide(pictures, CLASSES, SplitSettings(dev=share), {})
    dev = Counter(image.label for image in pictures if parts[image.digest] == "dev")
    assert (dev[0], dev[1]) == expected
    assert set(parts) == {image.digest for image in pictures}
    assert set(parts.values()) == {"dev", "test"}


def test_the_division_depends_on_the_seed_and_on_nothing_else() -> None:
    pictures = many(0, 20) + many(1, 20)
    parts = divide(pictures, CLASSES, SplitSettings(seed=3), {})
    assert divide(pictures[::-1], CLASSES, SplitSettings(seed=3), {}) == parts
    assert divide(pictures, CLASSES, SplitSettings(seed=4), {}) != parts
    script = (
        "from treegen.images import *; from pathlib import Path; from treegen.config.settings import SplitSettings;"
        "p = [LabelledImage(path=Path(), label=k, digest=f'{k}-{i}') for k in (0, 1) for i in range(20)];"
        "d = divide(p, ('Newt', 'Swan'), SplitSettings(seed=3), {});"
        "print(*sorted(k for k in d if d[k] == 'dev'))"
    )
    env = {**os.environ, "PYTHONHASHSEED": "1"}
    other = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).parents[2],
        env=env,
    )
    assert other.stdout.split() == sorted(digest for digest, part in parts.items() if part == "dev")


def test_added_images_never_move_those_that_were_divided_before() -> None:
    old = many(0, 10) + many(1, 7)
    before = divide(old, CLASSES, SplitSettings(), {})
    pictures = many(0, 10, "new") + old + many(1, 13, "new")
    after = divide(pictures, CLASSES, SplitSettings(), before)
    assert {digest: after[digest] for digest in before} == before
    dev = Counter(image.label for image in pictures if after[image.digest] == "dev")
    assert (dev[0], dev[1]) == (10, 10)


def test_removed_images_leave_the_division_and_the_others_stay() -> None:
    before = divide(many(0, 10), CLASSES, SplitSettings(), {})
    after = divide(many(0, 6), CLASSES, SplitSettings(), before)
    assert after == {f"0-{i}": before[f"0-{i}"] for i in range(6)}


def test_equal_contents_share_a_part_within_a_class_and_across_classes() -> None:
    pictures = labelled(0, "a", "b", "c", "a", "a") + labelled(1, "d", "a", "b")
    for seed in range(20):
        parts = divide(pictures, CLASSES, SplitSettings(seed=seed), {})
        assert set(parts) == {"a", "b", "c", "d"}
        assert len([d for d in "abc" if parts[d] == "dev"]) == 2


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_class_of_few_images_still_has_one_to_test_on(count: int) -> None:
    parts = divide(many(0, count), CLASSES, SplitSettings(), {})
    assert len(parts) == count
    assert count == 0 or "test" in parts.values()
