"""Files as text: bounded strict reading, and writing that leaves either the old file or the whole new one."""

import errno
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO, Final

from treegen.errors import InputError

MOST_BYTES: Final = 64 * 2**20
_SIGNATURES: Final = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"RIFF": "an image or sound",
    b"PK\x03\x04": "a ZIP archive (or an office document)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\x93NUMPY": "a numpy array",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}


def open_regular(path: Path) -> BinaryIO:
    """Open a file to read, but no device or pipe, which may never end or never begin.

    Raises:
        OSError: it is not there, not readable, or not a regular file.
    """
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    try:
        mode = os.fstat(descriptor).st_mode
        if S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not S_ISREG(mode):
            raise OSError(errno.EINVAL, "not a regular file, but a device or a pipe", str(path))
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def refuse_binary(path: Path) -> None:
    """Name the kind of a file that holds no UTF-8 text; a file that cannot be opened is left to `read_text`.

    Raises:
        InputError: it begins like an image, an archive or UTF-16 text, or holds a zero byte.
    """
    try:
        with open_regular(path) as file:
            head = file.read(4096)
    except OSError:
        return
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            raise InputError(f"{path}: {kind}, not UTF-8 text", "name a text file, or save it as UTF-8")
    if b"\0" in head:
        message = f"{path}: contains a zero byte at offset {head.index(0)}: not a text file"
        raise InputError(message, "name a text file, or save it as UTF-8")


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """Read a file as UTF-8, without a byte order mark.

    Args:
        path: a regular file.
        most: the largest size in bytes that is read.

    Raises:
        InputError: not there, a folder, a device or a pipe, not readable, too large, or not UTF-8 (with the byte's
            place).
    """
    try:
        with open_regular(path) as file:
            # some files of the kernel say that they are empty and never end
            content = file.read(most + 1) if os.fstat(file.fileno()).st_size <= most else b""
            too_large = not content and os.fstat(file.fileno()).st_size > most
        if too_large or len(content) > most:
            raise InputError(f"{path}: larger than {most // 2**20} MiB", "check that this is the right file")
        return content.decode("utf-8-sig")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file", "check the name") from None
    except UnicodeDecodeError as error:
        before = content[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        place = f"line {before.count(10) + 1}, column {column}"
        raise InputError(f"{path}: not UTF-8 at byte {error.start} ({place})", "save the file as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def write_atomically(path: Path, text: str | bytes) -> None:
    """Write the whole file or leave the old one: temporary file beside it, fsync, rename. Keeps the file's mode.

    Raises:
        InputError: the folder is missing or not writable; the old file is untouched.
    """
    temporary: Path | None = None
    try:
        target = path.resolve()
        mode = _mode_of(target)
        fd, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
        temporary = Path(name)
        with os.fdopen(fd, "wb") as file:
            file.write(text.encode() if isinstance(text, str) else text)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        temporary.replace(target)
        temporary = None
        _sync_folder(target.parent)
    except (OSError, RuntimeError) as error:  # Python 3.12 and older raise RuntimeError for a loop of links
        message = f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}"
        raise InputError(message, "nothing was changed; check that the folder is there and writable") from None
    finally:
        if temporary:
            temporary.unlink(missing_ok=True)


def _mode_of(path: Path) -> int:
    try:
        return path.stat().st_mode & 0o777
    except FileNotFoundError:
        return 0o644


def _sync_folder(folder: Path) -> None:
    """Make the rename itself durable where the file system can; the file is whole either way."""
    with suppress(OSError):
        fd = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
