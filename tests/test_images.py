import hashlib
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from unicodedata import normalize

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from treegen import images
from treegen.domain import Domain, ImageSettings, SplitSettings
from treegen.errors import InputError
from treegen.images import ImageSet, LabelledImage, divide, hash_file, list_images, open_image

CLASSES = ("Newt", "Swan")
ENCODERS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}


def gradient(mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Image.Image:
    """A picture in which every place has its own colour."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    array = np.stack([columns * 255 // width, rows * 255 // height, (rows + columns) * 4], axis=-1)
    return Image.fromarray(array.astype(np.uint8)).convert(mode)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    """Two classes with two images each."""
    for label, name in enumerate(CLASSES):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(2):
            gradient(size=(4 + label, 4 + number)).save(tmp_path / "images" / name / f"{number}.png")
    return Domain(folder=tmp_path, name="pond", classes=CLASSES, images=ImageSettings(folder=tmp_path / "images"))


def found(domain: Domain) -> list[tuple[int, str]]:
    return [(image.label, image.path.name) for image in list_images(domain).images]


def test_images_are_listed_by_class_and_name_with_the_hash_of_their_bytes(domain: Domain) -> None:
    listed = list_images(domain)
    assert found(domain) == [(0, "0.png"), (0, "1.png"), (1, "0.png"), (1, "1.png")]
    assert [i.digest for i in listed.images] == [hashlib.sha256(i.path.read_bytes()).hexdigest() for i in listed.images]
    assert (listed.skipped, listed.strangers) == ((), ())


def test_files_that_are_no_images_and_hidden_ones_are_passed_over(domain: Domain) -> None:
    folder = domain.folder / "images" / "Newt"
    (folder / ".cache").mkdir()
    (folder / "deeper").mkdir()
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    for name in ("notes.txt", ".hidden.png", ".cache/0.png", "deeper/UPPER.JPG"):
        (folder / name).write_bytes(b"x")
    assert [name for label, name in found(domain) if label == 0] == ["0.png", "1.png", "UPPER.JPG"]


def test_folders_that_are_no_class_are_named(domain: Domain) -> None:
    for name in ("newt", "Eel", ".git"):
        (domain.folder / "images" / name).mkdir()
    assert list_images(domain).strangers == ("Eel", "newt")


def test_a_folder_name_may_be_composed_otherwise_than_the_class_name(domain: Domain) -> None:
    (domain.folder / "images" / "Newt").rename(domain.folder / "images" / normalize("NFD", "Évoli"))
    assert found(replace(domain, classes=(normalize("NFC", "Évoli"), "Swan")))[0] == (0, "0.png")


def test_a_file_that_cannot_be_opened_is_skipped_and_named(domain: Domain) -> None:
    link = domain.folder / "images" / "Newt" / "gone.png"
    link.symlink_to("nowhere.png")
    listed = list_images(domain)
    assert [(s.path, s.reason) for s in listed.skipped] == [(link, "cannot be read: No such file or directory")]
    assert len(listed.images) == 4


def test_a_hash_that_is_known_already_is_not_computed_again(domain: Domain) -> None:
    assert {i.digest for i in list_images(domain, hash_of=lambda path: path.name).images} == {"0.png", "1.png"}


def test_a_domain_without_usable_images_is_refused_with_what_to_do(domain: Domain, tmp_path: Path) -> None:
    cases = [
        (replace(domain, images=None), "'pond' has no images"),
        (replace(domain, images=ImageSettings(folder=tmp_path / "none")), "none: no such image folder"),
        (replace(domain, classes=("Eel", "Olm")), "no image of any of the 2 classes"),
    ]
    for broken, told in cases:
        with pytest.raises(InputError, match=told) as caught:
            list_images(broken)
        assert caught.value.tip


def test_the_digest_of_a_set_depends_on_labels_and_contents_and_not_on_names_or_order(domain: Domain) -> None:
    before = list_images(domain)
    (domain.folder / "images" / "Newt" / "0.png").rename(domain.folder / "images" / "Newt" / "9.png")
    assert list_images(domain).digest == before.digest
    assert ImageSet(images=before.images[::-1]).digest == before.digest
    assert list_images(replace(domain, classes=CLASSES[::-1])).digest != before.digest
    gradient().save(domain.folder / "images" / "Newt" / "9.png")
    assert list_images(domain).digest != before.digest


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr", "I;16"])
def test_every_kind_of_picture_comes_out_as_rgb_of_the_same_size(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif" if mode in ("CMYK", "YCbCr") else tmp_path / "a.png"
    picture = Image.new("I;16", (8, 6), 40_000) if mode == "I;16" else gradient(mode)
    picture.save(path)
    opened = open_image(path)
    assert (opened.mode, opened.size) == ("RGB", (8, 6))
    if mode in ("RGB", "RGBA", "CMYK", "YCbCr"):
        assert np.abs(pixels(opened) - pixels(gradient())).max() <= 4


def test_sixteen_bits_are_scaled_to_eight_and_not_clipped_to_white(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32_896, 65_535]], dtype=np.uint16)
    for name in ("a.png", "a.tif"):
        Image.fromarray(values).save(tmp_path / name)
        assert pixels(open_image(tmp_path / name))[0, :, 0].tolist() == [0, 1, 128, 255]


def test_a_palette_with_half_transparent_colours_opens_without_a_warning(tmp_path: Path) -> None:
    gradient("P").save(tmp_path / "a.png", transparency=bytes([0, 128, 255]))
    assert open_image(tmp_path / "a.png").mode == "RGB"
    gradient("P").save(tmp_path / "a.gif", transparency=0)
    assert open_image(tmp_path / "a.gif").mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_upright_before_it_is_cropped(tmp_path: Path, orientation: int) -> None:
    turn = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # orientation -> the transposition that stores it so
    upright = gradient(size=(8, 6))
    stored = upright.transpose(Image.Transpose(turn[orientation])) if orientation > 1 else upright
    exif = Image.Exif()
    exif[274] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(pixels(open_image(tmp_path / "a.png")), pixels(upright))
    cropped = open_image(tmp_path / "a.png", (0.0, 0.5, 0.25, 1.0))
    assert np.array_equal(pixels(cropped), pixels(upright)[3:6, 0:2])


@pytest.mark.parametrize(
    ("crop", "rows", "columns"),
    [
        ((0.0, 0.0, 1.0, 1.0), (0, 6), (0, 8)),
        ((0.25, 0.5, 0.75, 1.0), (3, 6), (2, 6)),
        ((0.0, 0.1, 1.0, 0.55), (1, 3), (0, 8)),
        ((0.9, 0.9, 1.0, 1.0), (5, 6), (7, 8)),
    ],
)
def test_the_crop_box_is_in_fractions_from_the_upper_left(
    tmp_path: Path, crop: images.Crop, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    gradient().save(tmp_path / "a.png")
    expected = pixels(gradient())[slice(*rows), slice(*columns)]
    assert np.array_equal(pixels(open_image(tmp_path / "a.png", crop)), expected)


def test_a_crop_box_that_leaves_nothing_of_a_small_picture_says_so(tmp_path: Path) -> None:
    gradient(size=(2, 2)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="the crop box leaves nothing of 2x2 pixels"):
        open_image(tmp_path / "a.png", (0.5, 0.5, 0.6, 0.6))


@pytest.mark.parametrize("suffix", sorted(ENCODERS))
def test_a_truncated_picture_is_refused(tmp_path: Path, suffix: str) -> None:
    raw = BytesIO()
    Image.effect_noise((64, 64), 90).convert("RGB").save(raw, ENCODERS[suffix])
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(raw.getvalue()[: len(raw.getvalue()) // 2])
    with pytest.raises(ValueError, match=r"cannot be decoded|not an image"):
        open_image(path)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\x89PNG",
        b"GIF89a",
        b"<html>",
        b"\xff\xd8\xff",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        b"\0" * 99,
    ],
)
def test_a_file_that_is_no_image_is_refused_in_one_sentence(tmp_path: Path, raw: bytes) -> None:
    (tmp_path / "a.png").write_bytes(raw)
    with pytest.raises(ValueError, match=r"not an image|cannot be decoded"):
        open_image(tmp_path / "a.png")


def test_a_file_that_is_gone_and_a_folder_are_called_so(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^no such file$"):
        open_image(tmp_path / "none.png")
    with pytest.raises(ValueError, match=r"^a folder, not an image$"):
        open_image(tmp_path)


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(ENCODERS)), st.data())
def test_damage_anywhere_in_a_file_never_raises_anything_but_a_reason(suffix: str, data: st.DataObject) -> None:
    raw, exif = BytesIO(), Image.Exif()
    exif[274], exif[271] = 6, "maker"
    gradient(size=(20, 20)).save(raw, ENCODERS[suffix], **({} if suffix in ("bmp", "gif") else {"exif": exif}))
    damaged = bytearray(raw.getvalue())
    for place in data.draw(st.lists(st.integers(0, min(len(damaged), 300) - 1), max_size=6)):
        damaged[place] = data.draw(st.integers(0, 255))
    try:
        outcome = open_image(BytesIO(bytes(damaged))).mode  # type: ignore[arg-type]
    except ValueError as error:
        outcome = f"refused: {error}"
    assert outcome == "RGB" or len(outcome) > len("refused: ")


@pytest.mark.parametrize("share", [1, 2, 5])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    gradient(size=(20, 20)).save(tmp_path / "a.png")
    limit = 400 // share - (share == 1)  # just above the limit; twice, where Pillow only warns; far above
    monkeypatch.setattr(images, "_MOST_PIXELS", limit)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="more pixels than is safe to decode"):
        open_image(tmp_path / "a.png")


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
        "from treegen.images import *; from pathlib import Path; from treegen.domain import SplitSettings;"
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
        cwd=Path(__file__).parents[1],
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


def test_the_hash_of_a_file_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert hash_file(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
