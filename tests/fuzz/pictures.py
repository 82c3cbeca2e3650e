"""Picture files as people have them: sound ones of every format, damaged ones, and what only has the ending of one."""

import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any, Final

from PIL import Image, features

POINTER: Final = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n"
_ENDINGS: Final = {
    "PNG": (".png", ".PNG", ".apng"),
    "JPEG": (".jpg", ".jpeg", ".JPG", ".jpe", ".jfif", ".jif", ".pjpeg", ".pjp"),
    "WEBP": (".webp",),
    "BMP": (".bmp", ".dib"),
    "GIF": (".gif", ".GIF"),
    "TIFF": (".tif", ".tiff"),
    **({"AVIF": (".avif", ".avifs")} if features.check("avif") else {}),
}
_UNNAMED: Final = ("", ".0", ".jpg_large", ".2019 copy", ". Bernard")
_NEVER_READ: Final = (".svg", ".psd", ".CR2", ".jxl", ".ico", ".dcm", ".tga", ".nef", ".exr")


#: in lower case, with that of HEIC, which the drawn pictures have not: what is called so counts as a picture file
ENDINGS: Final = {e.lower() for endings in (*_ENDINGS.values(), _NEVER_READ, (".heic", ".avif")) for e in endings}


@dataclass(frozen=True, slots=True)
class Picture:
    """A file.

    Attributes:
        kind: the function that made it.
        ending: of its name.
        data: its content.
        readable: whether it must be read, must not be read, or `None` if either is right.
        counts: whether it counts as a picture file: by its ending, or by its first bytes if it has none.
    """

    kind: str
    ending: str
    data: bytes
    readable: bool | None
    counts: bool = True


def _drawn(random: Random, mode: str = "RGB", size: tuple[int, int] | None = None) -> Image.Image:
    width, height = size or (random.randint(1, 40), random.randint(1, 40))
    image = Image.frombytes("L", (width, height), random.randbytes(width * height))
    return image.convert(mode) if mode in ("L", "1", "P", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F") else image


def _encoded(image: Image.Image, form: str, **settings: Any) -> bytes:
    raw = io.BytesIO()
    image.save(raw, form, **settings)
    return raw.getvalue()


def _sound(random: Random) -> tuple[str, bytes]:
    form = random.choice([*_ENDINGS])
    return form, _encoded(_drawn(random), form)


def plain(random: Random) -> Picture:
    form, data = _sound(random)
    return Picture("plain", random.choice(_ENDINGS[form]), data, True)


def unusual_mode(random: Random) -> Picture:
    """CMYK, 1 bit, palettes, transparency."""
    form, mode = random.choice(
        [
            ("JPEG", "CMYK"),
            ("TIFF", "CMYK"),
            ("PNG", "1"),
            ("PNG", "P"),
            ("PNG", "LA"),
            ("PNG", "RGBA"),
            ("TIFF", "1"),
            ("GIF", "P"),
            ("GIF", "L"),
            ("WEBP", "RGBA"),
            ("JPEG", "L"),
            ("JPEG", "YCbCr"),
            ("TIFF", "LA"),
            ("BMP", "P"),
        ]
    )
    settings = {"transparency": 0} if mode == "P" and form == "PNG" and random.random() < 0.5 else {}
    return Picture(
        "unusual mode", random.choice(_ENDINGS[form]), _encoded(_drawn(random, mode), form, **settings), True
    )


def many_bits(random: Random) -> Picture:
    """16 bits a channel are read; 32 have no agreed range."""
    if random.random() < 0.5:
        width, height = random.randint(1, 20), random.randint(1, 20)
        image = Image.frombytes("I;16", (width, height), random.randbytes(2 * width * height))
        form = random.choice(["PNG", "TIFF"])
        return Picture("16 bits", random.choice(_ENDINGS[form]), _encoded(image, form), True)
    mode = random.choice(["I", "F"])
    return Picture("32 bits", ".tif", _encoded(_drawn(random, mode), "TIFF"), False)


def animated(random: Random) -> Picture:
    form = random.choice(["PNG", "GIF", "WEBP", "TIFF"])
    size = (random.randint(2, 30), random.randint(2, 30))
    frames = [_drawn(random, "RGB", size) for _ in range(random.randint(2, 5))]
    data = _encoded(frames[0], form, save_all=True, append_images=frames[1:])
    return Picture("animated", random.choice(_ENDINGS[form]), data, True)


def turned(random: Random) -> Picture:
    """With an orientation in its EXIF data, or with EXIF data that is no such thing."""
    exif = Image.Exif()
    exif[0x0112] = random.choice([1, 3, 6, 8, 0, 99])
    broken = random.random() < 0.3
    data = _encoded(_drawn(random), "JPEG", exif=b"Exif\0\0" + random.randbytes(40) if broken else exif.tobytes())
    return Picture("EXIF", random.choice(_ENDINGS["JPEG"]), data, None if broken else True)


def renamed(random: Random) -> Picture:
    """Of one format, with the ending of another."""
    _, data = _sound(random)
    endings = _ENDINGS[random.choice([*_ENDINGS])]
    return Picture("renamed", random.choice(endings), data, True)


def unnamed(random: Random) -> Picture:
    """Without an ending, as browsers and some data sets store them."""
    form, data = _sound(random)
    while form == "AVIF" or (form == "BMP" and len(data) < 20):
        form, data = _sound(random)
    return Picture("no ending", random.choice(_UNNAMED), data, True)


def never_read(random: Random) -> Picture:
    """Of a format that is counted by its ending, whatever it holds."""
    return Picture("never read", random.choice(_NEVER_READ), random.choice([b"<svg/>", b"", _sound(random)[1]]), False)


def truncated(random: Random) -> Picture:
    form, data = _sound(random)
    return Picture("truncated", random.choice(_ENDINGS[form]), data[: random.randint(1, len(data) - 1)], None)


def flipped(random: Random) -> Picture:
    """With some bytes changed anywhere."""
    form, sound = _sound(random)
    data = bytearray(sound)
    for _ in range(random.randint(1, 12)):
        data[random.randrange(len(data))] = random.randrange(256)
    return Picture("bytes changed", random.choice(_ENDINGS[form]), bytes(data), None)


def trailing(random: Random) -> Picture:
    """With something behind its end."""
    form, data = _sound(random)
    return Picture("trailing bytes", random.choice(_ENDINGS[form]), data + random.randbytes(30), None)


def no_picture(random: Random) -> Picture:
    """What downloads and archives leave behind under a picture's name."""
    ppm = _encoded(_drawn(random), "PPM")
    data = random.choice(
        [
            b"<!DOCTYPE html><title>404 Not Found</title>",
            b'{"error": "rate limit"}',
            b"%PDF-1.4\n",
            b"PK\x03\x04zip",
            b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
            b"\x00" * 64,
            random.randbytes(64),
            b"\n",
            ppm,
            b"x",
        ]
    )
    return Picture("no picture", random.choice([".png", ".jpg", ".webp", ".tif"]), data, False)


def pointer(random: Random) -> Picture:
    return Picture("git-lfs pointer", random.choice([".png", ".jpg", ".heic"]), POINTER, False)


def empty(random: Random) -> Picture:
    return Picture("empty", random.choice([".png", ".jpg", ".gif", ".tif", ".bmp", ".avif"]), b"", False)


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width: int, height: int, *chunks: bytes, depth: int = 8, colours: int = 2) -> bytes:
    head = struct.pack(">IIBBBBB", width, height, depth, colours, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + b"".join(chunks) + _chunk(b"IEND", b"")


def absurd_size(random: Random) -> Picture:
    """A head that claims more pixels than memory has, none, or a strip of pixels."""
    some = _chunk(b"IDAT", zlib.compress(b"\0" * 100))
    sound = _encoded(_drawn(random, "RGB", random.choice([(1, 5000), (5000, 1)])), "PNG")
    ending, data, readable = random.choice(
        [
            (".png", _png(100_000, 100_000, some), False),
            (".png", _png(2**31 - 1, 2**31 - 1, some), False),
            (".png", _png(0, 0, some), False),
            (".png", _png(9, 0, some), False),
            (".png", _png(9, 9, some, depth=77), False),
            (".gif", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0) + b";", False),
            (".gif", b"GIF89a" + struct.pack("<HHBBB", 0, 0, 0, 0, 0) + b";", False),
            (".bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, 9, 1, 24, *[0] * 6), False),
            (".bmp", b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, -9, -9, 1, 24, *[0] * 6), False),
            (".png", sound, True),
        ]
    )
    return Picture("absurd size", ending, data, readable)


def odd_parts(random: Random) -> Picture:
    """Texts that unpack to megabytes, profiles that are none, parts that come twice or not at all."""
    some = _chunk(b"IDAT", zlib.compress(b"\0" * 28 * 9))
    bomb = _chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * 3_000_000))
    data = random.choice(
        [
            _png(9, 9, bomb, some),
            _png(9, 9, _chunk(b"iCCP", b"x\0\0" + random.randbytes(9)), some),
            _png(9, 9, _chunk(b"eXIf", random.randbytes(30)), some),
            _png(9, 9),
            _png(9, 9, some, some),
            _png(9, 9, some, colours=3),
            _png(9, 9, _chunk(b"acTL", struct.pack(">II", 2**31, 0)), some),
            _encoded(_drawn(random), "JPEG", icc_profile=random.randbytes(50)),
            b"II*\0" + struct.pack("<I", 8) + struct.pack("<H", 65535),
            b"II*\0" + struct.pack("<I", 2**31),
            b"RIFF" + struct.pack("<I", 2**31) + b"WEBPVP8 ",
            b"\0\0\0\x18ftypavif" + random.randbytes(40),
            b"\0\0\0\x18ftypheic" + random.randbytes(40),
        ]
    )
    return Picture("odd parts", random.choice([".png", ".jpg"]), data, None)


def other_file(random: Random) -> Picture:
    """A file that is no picture and is not called like one."""
    ending, data = random.choice(
        [(".txt", b"notes"), (".xyz", b"nothing"), ("", b"README"), (".json", b"{}"), (".db", b"\0"), ("", b"")]
    )
    return Picture("other file", ending, data, False, counts=False)


Maker = Callable[[Random], Picture]
AWKWARD: Final[tuple[Maker, ...]] = (
    *(plain, unusual_mode, many_bits, animated, turned, renamed, unnamed, never_read, truncated, flipped, trailing),
    *(no_picture, pointer, empty, absurd_size, odd_parts, other_file),
)


def small(random: Random, number: int) -> Picture:
    """A small sound PNG, different for each number: for sets in which it is not the pictures that are awkward."""
    image = Image.new("RGB", (4, 3), (number % 256, number // 256 % 256, random.randrange(256)))
    return Picture("plain", ".png", _encoded(image, "PNG"), True)


def any_picture(random: Random, number: int, *, awkward: float = 0.3) -> Picture:
    return random.choice(AWKWARD)(random) if random.random() < awkward else small(random, number)
