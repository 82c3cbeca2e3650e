"""The bytes and the pixels of images: safe decoding, upright, in RGB, cropped."""

import hashlib
import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from treegen.extras import EXTRAS, is_installed
from treegen.files import open_regular
from treegen.images.files import HEAD, HEIF_BRANDS, POINTER_BYTES, PULL, is_picture, is_pointer, reads_avif
from treegen.images.interface import WHOLE, Crop, LabelledImage

if TYPE_CHECKING:
    from PIL import Image

#: increase when decoding changes: older embeddings are then recomputed
DECODING: Final = 2
_MOST_PIXELS: Final = 89_478_485  # Pillow's own limit: 256 MiB in RGB
MOST_BYTES: Final = 512 * 2**20  # of the encoded picture; the pixels that are decoded take less without compression
_PIECE: Final = 2**20
logging.getLogger("PIL").addHandler(logging.NullHandler())  # else what decoders log of damaged files is printed
_FORMATS: Final = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")  # none that Pillow hands to external programs


def read_bytes(image: LabelledImage) -> bytes:
    """Read the encoded picture, from its file, its location in a tar or its row of a Parquet file.

    Raises:
        OSError: it cannot be read.
    """
    if image.member and image.path.suffix == ".parquet":
        from treegen.images.tables import picture_bytes

        return picture_bytes(image.path, image.member.rpartition("/")[0], image.offset)
    with open_regular(image.path) as file:
        return b"".join(_pieces(file, image))


def _pieces(file: BinaryIO, image: LabelledImage) -> Iterator[bytes]:
    """Yield the bytes of a picture in pieces.

    Raises:
        OSError: it is too large, or the file ends too early.
    """
    size = _size(file, image)
    file.seek(image.offset)
    left = size
    while left and (piece := file.read(min(left, _PIECE))):
        left -= len(piece)
        yield piece
    if left:
        raise OSError(f"the file ends after {size - left} of {size} bytes")


def _size(file: BinaryIO, image: LabelledImage) -> int:
    """Return the size of a picture in bytes.

    Raises:
        OSError: it is too large.
    """
    size = os.fstat(file.fileno()).st_size if image.size is None else image.size
    if size > MOST_BYTES:
        raise OSError(f"larger than {MOST_BYTES // 2**20} MiB, which no picture needs")
    return size


def hash_image(image: LabelledImage) -> str:
    """Return the SHA-256 of the image's bytes as 64 hex digits.

    Raises:
        OSError: it cannot be read.
    """
    if image.member and image.path.suffix == ".parquet":
        return hashlib.sha256(read_bytes(image)).hexdigest()
    digest = hashlib.sha256()
    with open_regular(image.path) as file:
        for piece in _pieces(file, image):
            digest.update(piece)
    return digest.hexdigest()


def open_picture(image: LabelledImage, crop: Crop = WHOLE) -> "Image.Image":
    """Decode the picture in RGB, upright, cropped to its own box or else to `crop`.

    Raises:
        ValueError: see `open_image`.
    """
    if image.size is None:
        return open_image(image.path, image.crop or crop)
    try:
        data = read_bytes(image)
    except OSError as error:
        raise ValueError(f"cannot be read: {error.strerror or error}") from None
    return open_image(BytesIO(data), image.crop or crop)


def open_image(path: Path | IO[bytes], crop: Crop = WHOLE) -> "Image.Image":
    """Decode the picture in RGB, upright, cropped to the fractions left, top, right, bottom.

    Animated pictures yield their first frame; transparency is rendered on white.

    Raises:
        ValueError: the file is not an image, is truncated, or is so large that it may be a decompression bomb; the text
            says which.
    """
    with _opened(path) as file:
        file.load()  # first: errors from here on are of the EXIF data alone
        image = _in_rgb(_upright(file))
    if crop == WHOLE:
        return image
    left, top, right, bottom = crop
    box = (
        round(left * image.width),
        round(top * image.height),
        round(right * image.width),
        round(bottom * image.height),
    )
    if box[2] <= box[0] or box[3] <= box[1]:
        raise ValueError(f"the crop box leaves nothing of {image.width}x{image.height} pixels")
    return image.crop(box)


def check_header(image: LabelledImage) -> None:
    """Raise unless a picture begins like one; its pixels are not decoded. Of Parquet, the reader does so itself.

    Raises:
        OSError: it cannot be read.
        ValueError: it is of no format that is read.
    """
    if image.member and image.path.suffix == ".parquet":
        return
    with open_regular(image.path) as file:
        size = _size(file, image)
        file.seek(image.offset)
        head = file.read(min(HEAD, size))
    if not is_picture(head):  # of some formats only the decoder knows every way to begin
        check_begin(read_bytes(image))


def check_begin(data: bytes) -> None:
    """Raise unless bytes begin like a picture.

    Raises:
        ValueError: they are of no format that is read.
    """
    if not is_picture(data[:HEAD]):
        with _opened(BytesIO(data)):
            pass


@contextmanager
def _opened(path: Path | IO[bytes]) -> "Iterator[Image.Image]":
    """Open a picture; its pixels are decoded when they are used.

    Raises:
        ValueError: see `open_image`.
    """
    from PIL import Image, UnidentifiedImageError

    # process-wide, as catch_warnings is not thread-safe; broken files raise errors anyway
    warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        with (
            open_regular(path) if isinstance(path, Path) else nullcontext(path) as stream,
            Image.open(stream, formats=(*_FORMATS, *_avif(), *_heif())) as file,
        ):
            if file.width * file.height > _MOST_PIXELS:  # Pillow only warns up to twice this
                raise Image.DecompressionBombError
            yield file
    except FileNotFoundError:
        raise ValueError("no such file") from None
    except IsADirectoryError:
        raise ValueError("a folder, not an image") from None
    except UnidentifiedImageError:
        if _is_pointer(path):
            raise ValueError(f"a git-lfs pointer, not the picture: {PULL}") from None
        if _is_heif(path) and not _heif():
            raise ValueError(f"a HEIC picture; to read it: {EXTRAS['heif'].command}") from None
        raise ValueError("not an image that can be read (PNG, JPEG, WebP, AVIF, BMP, GIF, TIFF, HEIC)") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise ValueError("more pixels than is safe to decode") from None
    except Exception as error:  # decoders raise many types for damaged files, such as struct.error and RuntimeError
        raise ValueError(f"cannot be decoded: {error}") from None


def _upright(image: "Image.Image") -> "Image.Image":
    """Turn the picture as its EXIF data says; damaged EXIF data says nothing of the pixels."""
    from PIL import ImageOps

    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # of many types, as from other decoders
        return image


def _avif() -> tuple[str, ...]:
    return ("AVIF",) if reads_avif() else ()


@cache
def _heif() -> tuple[str, ...]:
    """Register iPhones' image format with Pillow, if its package is installed; return the format's name."""
    if not is_installed("pillow_heif"):
        return ()
    from pillow_heif import register_heif_opener

    register_heif_opener()
    return ("HEIF",)


def _is_heif(path: Path | IO[bytes]) -> bool:
    """Detect HEIC or HEIF by the first bytes."""
    if isinstance(path, Path):
        with path.open("rb") as file:
            return _is_heif(file)
    path.seek(0)
    head = path.read(12)
    return head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS


def _is_pointer(path: Path | IO[bytes]) -> bool:
    """Detect a pointer of git-lfs."""
    if isinstance(path, Path):
        with path.open("rb") as file:
            return _is_pointer(file)
    path.seek(0)
    head = path.read(POINTER_BYTES)
    return is_pointer(head, len(head))


def _in_rgb(image: "Image.Image") -> "Image.Image":
    """Convert to 8 bits per channel on white. Pillow's own conversion clips 16-bit grey and drops alpha."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        image = image.convert("I").point(lambda value: value / 257).convert("L")  # 65535 becomes 255
    elif image.mode in ("I", "F"):
        raise ValueError("32 bits a pixel have no agreed range")
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
