"""Views are drawn from content alone, and stay away from questions that they would answer differently."""

import hashlib
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from treegen.clip.compute.joining import ViewJoin
from treegen.clip.compute.views import (
    KINDS,
    View,
    _corner_color,
    excluded_kinds,
    kind_of,
    name_of,
    view_of,
    views_without,
)
from treegen.config.settings import ComputeSettings
from treegen.tree.model import Group

DIGESTS = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(200)]


def test_equal_content_has_equal_views_and_the_first_views_of_16_are_those_of_4() -> None:
    assert view_of(DIGESTS[0], 5) == view_of(DIGESTS[0], 5)
    assert view_of(DIGESTS[0], 5) != view_of(DIGESTS[1], 5)
    assert [kind_of(number) for number in range(6)] == ["itself", *KINDS, "crop"]
    assert len({name_of(number) for number in range(16)}) == 16
    assert name_of(0) == ""


def test_the_views_of_a_digest_are_the_same_in_every_version() -> None:
    """Stored embeddings are found by the number of the view: another view needs another version in its name."""
    view = view_of("ab" * 32, 3)
    assert (round(view.degrees, 6), [round(edge, 6) for edge in view.box]) == (
        9.166689,
        [0.104282, 0.066761, 0.843882, 0.80636],
    )


def test_each_kind_does_what_it_says_and_keeps_at_least_half_of_the_area() -> None:
    for digest in DIGESTS:
        for number in range(1, 9):
            view, kind = view_of(digest, number), kind_of(number)
            left, top, right, bottom = view.box
            assert 0 <= left < right <= 1
            assert 0 <= top < bottom <= 1
            assert 0.5 <= (right - left) * (bottom - top) <= 1
            assert view.mirrored == (kind == "flip")
            assert (view.degrees != 0) == (kind == "rotation")
            assert abs(view.degrees) <= 10
            assert (view.light != 1) == (kind == "light")
            assert 0.8 <= view.light <= 1.2


def in_steps(view: View, picture: Image.Image, side: int | None) -> Image.Image:
    """The view, one operation on all pixels after the other."""
    if view.degrees:
        fill = _corner_color(picture)
        picture = picture.rotate(view.degrees, Image.Resampling.BICUBIC, fillcolor=fill)
    edges = [round(edge * size) for edge, size in zip(view.box, 2 * picture.size, strict=True)]
    picture = picture.crop((edges[0], edges[1], edges[2], edges[3]))
    if view.mirrored:
        picture = ImageOps.mirror(picture)
    picture = ImageEnhance.Brightness(picture).enhance(view.light)
    if side is None or side >= min(picture.size):
        return picture
    size = (int(side * picture.width / min(picture.size)), int(side * picture.height / min(picture.size)))
    return picture.resize(size, Image.Resampling.BICUBIC)


@pytest.mark.parametrize("side", [None, 500, 64, 20])
def test_a_view_in_the_size_of_the_model_is_the_one_made_of_all_pixels(side: int | None) -> None:
    """The rotation is done after scaling, so that it differs a little, most along the edge of what it leaves empty."""
    smooth = Image.frombytes("RGB", (4, 3), Random(1).randbytes(36)).resize((160, 120), Image.Resampling.BICUBIC)
    for digest in DIGESTS[:20]:
        for number in range(1, 9):
            view = view_of(digest, number)
            fast, slow = view.of(smooth, side), in_steps(view, smooth, side)
            assert fast.size == slow.size
            difference = np.abs(np.asarray(fast, np.int16) - np.asarray(slow, np.int16))
            if side in (None, 500):
                assert difference.max() == 0
            else:
                assert np.mean(difference) < (4 if view.degrees else 1)


def test_a_view_is_a_part_of_the_picture_and_never_empty() -> None:
    picture = Image.frombytes("RGB", (40, 30), Random(0).randbytes(3600))
    for number in range(16):
        view = view_of(DIGESTS[3], number)
        seen = view.of(picture)
        assert seen.mode == "RGB"
        assert view.of(Image.new("RGB", (1, 1))).size == (1, 1)
        if kind_of(number) in ("itself", "crop"):
            left, top = round(view.box[0] * 40), round(view.box[1] * 30)
            assert seen.tobytes() == picture.crop((left, top, left + seen.width, top + seen.height)).tobytes()
    assert view_of(DIGESTS[3], 0).of(picture).tobytes() == picture.tobytes()


@pytest.mark.parametrize(
    ("prompt", "options", "excluded"),
    [
        ("It looks to the {}.", ("left", "right"), {"flip"}),
        ("Its body is {}.", ("white", "dark grey"), {"light"}),
        ("Its colour is {}.", ("plain", "mixed"), {"light"}),
        ("Its {} claw is the larger.", ("left", "red"), {"flip", "light"}),
        ("It sits on {}.", ("a tree", "the water"), set()),
        ("The white creature has {} legs.", ("two", "four"), set()),  # the same colour in both is no question
    ],
)
def test_questions_of_sides_see_no_mirror_image_and_those_of_colours_no_other_light(
    prompt: str, options: tuple[str, ...], excluded: set[str]
) -> None:
    texts = Group(name="g", prompt=prompt, options=options).fill()
    assert excluded_kinds(texts, "en") == excluded
    assert excluded_kinds(texts, "de") == {"flip", "light"}  # nobody knows


def test_what_the_domain_excludes_for_a_group_replaces_what_its_words_exclude() -> None:
    settings = ComputeSettings(views=4, exclude=(("side", ("rotation",)),))
    join = ViewJoin(settings=settings)
    side, other = (Group(name=name, prompt="{}", options=("left", "up")) for name in ("side", "other"))
    assert join.views_of(side) == (0, 1, 2)
    assert join.views_of(other) == (0, 1, 3)
    assert views_without(16, KINDS) == (0,)  # the image itself is always there
