import logging
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from treegen.images import Crop, LabelledImage, hash_image, open_image, open_picture, pictures, read_bytes
from treegen.images.pictures import check_header

ENCODERS = {"png": "PNG", "jpg": "JPEG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tif": "TIFF"}


def gradient(mode: str = "RGB", size: tuple[int, int] = (8, 6)) -> Image.Image:
    """A picture in which every place has its own colour."""
    width, height = size
    rows, columns = np.mgrid[0:height, 0:width]
    array = np.stack([columns * 255 // width, rows * 255 // height, (rows + columns) * 4], axis=-1)
    return Image.fromarray(array.astype(np.uint8)).convert(mode)


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image).astype(int)


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "1", "P", "CMYK", "YCbCr", "I;16"])
def test_every_kind_of_picture_comes_out_as_rgb_of_the_same_size(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif" if mode in ("CMYK", "YCbCr") else tmp_path / "a.png"
    picture = Image.new("I;16", (8, 6), 40_000) if mode == "I;16" else gradient(mode)
    picture.save(path, compression="tiff_lzw")  # without it, Pillow 12 and older write too little of YCbCr
    opened = open_image(path)
    assert (opened.mode, opened.size) == ("RGB", (8, 6))
    if mode in ("RGB", "RGBA", "CMYK", "YCbCr"):
        assert np.abs(pixels(opened) - pixels(gradient())).max() <= 4


def heic(path: Path) -> Path:
    """Write a picture as an iPhone does."""
    from pillow_heif import from_pillow

    from_pillow(gradient(size=(64, 48))).save(path, quality=100)
    return path


def test_a_heic_picture_is_read(tmp_path: Path) -> None:
    opened = open_image(heic(tmp_path / "IMG_0001.HEIC"))
    assert (opened.mode, opened.size) == ("RGB", (64, 48))
    assert np.abs(pixels(opened) - pixels(gradient(size=(64, 48)))).mean() < 4


def test_a_heic_picture_that_cannot_be_read_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "_heif", lambda: ())
    path = heic(tmp_path / "IMG_0001.HEIC")
    for source in (path, BytesIO(path.read_bytes())):
        with pytest.raises(ValueError, match=r"^a HEIC picture; to read it: pip install 'treegen-clip\[heif\]'$"):
            open_image(source)


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
    tmp_path: Path, crop: Crop, rows: tuple[int, int], columns: tuple[int, int]
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
        outcome = open_image(BytesIO(bytes(damaged))).mode
    except ValueError as error:
        outcome = f"refused: {error}"
    assert outcome == "RGB" or len(outcome) > len("refused: ")


@pytest.mark.parametrize("share", [1, 2, 5])
def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, share: int
) -> None:
    gradient(size=(20, 20)).save(tmp_path / "a.png")
    limit = 400 // share - (share == 1)  # just above the limit; twice, where Pillow only warns; far above
    monkeypatch.setattr(pictures, "_MOST_PIXELS", limit)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    monkeypatch.setattr(ImageFile.ImageFile, "load", lambda *_: pytest.fail("decoded"))
    with pytest.raises(ValueError, match="more pixels than is safe to decode"):
        open_image(tmp_path / "a.png")


def test_the_hash_of_an_image_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    assert (
        hash_image(LabelledImage(path=tmp_path / "a", label=0))
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    )


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_white_whatever_colour_hides_below(tmp_path: Path, mode: str) -> None:
    picture = Image.new("LA", (2, 1), (0, 255)) if mode == "LA" else Image.new("RGBA", (2, 1), (0, 0, 0, 255))
    picture.putpixel((1, 0), (0, 0) if mode == "LA" else (0, 0, 0, 0))
    picture.convert(mode).save(tmp_path / "a.png")
    assert pixels(open_image(tmp_path / "a.png"))[0].tolist() == [[0, 0, 0], [255, 255, 255]]


def test_half_transparent_colours_are_mixed_with_white(tmp_path: Path) -> None:
    Image.new("RGBA", (1, 1), (0, 100, 200, 128)).save(tmp_path / "a.png")
    mixed = [round(c * 128 / 255 + 255 * 127 / 255) for c in (0, 100, 200)]
    assert np.abs(pixels(open_image(tmp_path / "a.png"))[0, 0] - mixed).max() <= 1


@pytest.mark.parametrize("suffix", ["gif", "webp", "png", "tif"])
def test_of_an_animated_picture_the_first_frame_counts(tmp_path: Path, suffix: str) -> None:
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue", "lime")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:])
    red, green, blue = pixels(open_image(tmp_path / f"a.{suffix}"))[8, 8]
    assert (red > 240, green < 20, blue < 20) == (True, True, True)


def test_pixels_of_32_bits_are_refused_by_name(tmp_path: Path) -> None:
    for mode in ("I", "F"):
        Image.new(mode, (4, 4), 70_000).save(tmp_path / "a.tif")
        with pytest.raises(ValueError, match="32 bits a pixel"):
            open_image(tmp_path / "a.tif")


def test_a_picture_within_a_file_is_read_from_its_place(tmp_path: Path) -> None:
    raw = BytesIO()
    gradient().save(raw, "PNG")
    (tmp_path / "many.bin").write_bytes(b"before" + raw.getvalue() + b"after")
    image = LabelledImage(path=tmp_path / "many.bin", label=0, member="a.png", offset=6, size=len(raw.getvalue()))
    assert read_bytes(image) == raw.getvalue()
    assert np.array_equal(pixels(open_picture(image)), pixels(gradient()))
    assert np.array_equal(pixels(open_picture(image, (0.0, 0.0, 0.5, 1.0))), pixels(gradient())[:, :4])


def test_damaged_exif_data_says_nothing_of_the_pixels(tmp_path: Path) -> None:
    gradient().save(tmp_path / "a.jpg", exif=b"Exif\0\0" + b"\x17nonsense" * 4, quality=95)
    assert np.abs(pixels(open_image(tmp_path / "a.jpg")) - pixels(gradient())).mean() < 10


def test_what_decoders_log_is_not_printed(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    logging.getLogger("PIL.TiffImagePlugin").error("more samples per pixel than can be decoded")
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"<!DOCTYPE html>", "not an image that can be read"), (b"", "not an image"), (b"\0" * 100, "not an image")],
)
def test_the_header_alone_tells_what_is_no_picture(tmp_path: Path, data: bytes, reason: str) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=reason):
        check_header(LabelledImage(path=path, label=0))
    for suffix, kind in ENCODERS.items():
        gradient().save(tmp_path / f"b.{suffix}", kind)
        check_header(LabelledImage(path=tmp_path / f"b.{suffix}", label=0))
