import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from treegen.config.settings import SplitSettings
from treegen.images import LabelledImage, digest_of_splits, divide

CLASSES = ("Newt", "Swan")
RANK = SplitSettings(by="rank")


def labelled(label: int, *digests: str) -> list[LabelledImage]:
    return [LabelledImage(path=Path(f"{label}/{d}.png"), label=label, digest=d) for d in digests]


def many(label: int, count: int, prefix: str = "") -> list[LabelledImage]:
    return labelled(label, *(f"{prefix}{label}-{i}" for i in range(count)))


@pytest.mark.parametrize(("share", "expected"), [(0.5, (5, 10)), (0.2, (2, 4)), (0.9, (9, 18))])
def test_each_class_gives_its_share_to_the_dev_part(share: float, expected: tuple[int, int]) -> None:
    pictures = many(0, 10) + many(1, 20)
    parts = divide(pictures, CLASSES, SplitSettings(dev=share, by="rank"), {})
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


def test_what_an_earlier_version_recorded_never_moves() -> None:
    old = many(0, 10) + many(1, 7)
    before = divide(old, CLASSES, RANK, {})
    pictures = many(0, 10, "new") + old + many(1, 13, "new")
    after = divide(pictures, CLASSES, RANK, before)
    assert {digest: after[digest] for digest in before} == before
    dev = Counter(image.label for image in pictures if after[image.digest] == "dev")
    assert (dev[0], dev[1]) == (10, 10)


def test_removed_images_leave_the_division_and_the_others_stay() -> None:
    before = divide(many(0, 10), CLASSES, RANK, {})
    after = divide(many(0, 6), CLASSES, RANK, before)
    assert after == {f"0-{i}": before[f"0-{i}"] for i in range(6)}


def test_equal_contents_share_a_part_within_a_class_and_across_classes() -> None:
    pictures = labelled(0, "a", "b", "c", "a", "a") + labelled(1, "d", "a", "b")
    for seed in range(20):
        parts = divide(pictures, CLASSES, SplitSettings(seed=seed, by="rank"), {})
        assert set(parts) == {"a", "b", "c", "d"}
        assert len([d for d in "abc" if parts[d] == "dev"]) == 2


@pytest.mark.parametrize("count", [0, 1, 2, 3])
def test_a_class_of_few_images_still_has_one_to_test_on(count: int) -> None:
    parts = divide(many(0, count), CLASSES, RANK, {})
    assert len(parts) == count
    assert count == 0 or "test" in parts.values()


def test_by_rank_neither_the_order_of_images_nor_that_of_classes_matters() -> None:
    """Also where a content is in two classes."""
    pictures = [*many(0, 20), *many(1, 20), *labelled(0, "a", "b", "c"), *labelled(1, "b", "c", "d")]
    parts = divide(pictures, CLASSES, RANK, {})
    assert all(divide([*pictures[n:], *pictures[:n]], CLASSES, RANK, {}) == parts for n in range(len(pictures)))


@pytest.mark.parametrize("seed", [0, 7])
def test_by_hash_images_that_arrive_in_two_stages_are_divided_as_if_they_had_arrived_at_once(seed: int) -> None:
    """A clone without the history has the same parts: no dev image is a test image there."""
    early, late = many(0, 60) + many(1, 70), many(0, 90, "new") + many(1, 40, "new")
    settings = SplitSettings(seed=seed)
    recorded = divide(early, CLASSES, settings, {})
    staged = divide([*late, *early], CLASSES, settings, recorded)
    assert staged == divide(early + late, CLASSES, settings, {})
    assert divide(early[:3], CLASSES, settings, {}) == {image.digest: staged[image.digest] for image in early[:3]}


@pytest.mark.parametrize("dev", [0.2, 0.5, 0.8])
def test_by_hash_every_class_has_its_share_on_average(dev: float) -> None:
    """Within four standard errors of a binomial share."""
    pictures = many(0, 1000) + many(1, 1000)
    parts = divide(pictures, CLASSES, SplitSettings(dev=dev), {})
    count = Counter(image.label for image in pictures if parts[image.digest] == "dev")
    assert all(abs(count[k] - 1000 * dev) < 4 * (1000 * dev * (1 - dev)) ** 0.5 for k in (0, 1))


def test_by_hash_what_was_recorded_and_what_the_set_says_come_first() -> None:
    pictures = many(0, 30)
    opposite = {d: "test" if p == "dev" else "dev" for d, p in divide(pictures, CLASSES, SplitSettings(), {}).items()}
    assert divide(pictures, CLASSES, SplitSettings(), opposite) == opposite


def test_the_digest_of_a_division_does_not_depend_on_the_order_and_knows_every_part() -> None:
    parts = {"a": "dev", "b": "test", "c": "test"}
    assert digest_of_splits(parts) == digest_of_splits(dict(reversed(parts.items())))
    assert len({digest_of_splits(p) for p in (parts, {**parts, "c": "dev"}, {"a": "dev", "b": "test"})}) == 3


@pytest.mark.parametrize("by", ["hash", "rank"])
def test_pictures_of_one_object_are_in_one_split(by: Literal["hash", "rank"]) -> None:
    pictures = [replace(image, cluster=f"object {n // 3}") for n, image in enumerate(many(0, 30) + many(1, 30))]
    parts = divide(pictures, CLASSES, SplitSettings(by=by), {})
    for number in range(20):
        assert len({parts[image.digest] for image in pictures[3 * number : 3 * number + 3]}) == 1
    assert set(parts.values()) == {"dev", "test"}


def test_a_new_picture_follows_its_object_and_none_moves_that_has_a_split() -> None:
    old, new = (replace(image, cluster="cup") for image in labelled(0, "old", "new"))
    for part in ("dev", "test"):
        assert divide([old, new], CLASSES, SplitSettings(), {"old": part}) == {"old": part, "new": part}
    torn = {"old": "dev", "new": "test"}
    assert divide([old, new], CLASSES, SplitSettings(), torn) == torn
    fixed = replace(old, split="test")
    assert divide([fixed, new], CLASSES, SplitSettings(), {}) == {"old": "test", "new": "test"}
