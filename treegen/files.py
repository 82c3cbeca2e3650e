"""Files as text: bounded strict reading, and writing that leaves either the old file or the whole new one."""

import errno
import glob
import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import Final

from treegen.errors import InputError
from treegen.text import quoted

MOST_BYTES: Final = 64 * 2**20
_OPEN_FILES: Final = Path("/proc/self/fd")
_SIGNATURES: Final = {
    b"\x89PNG": "a PNG image",
    b"\xff\xd8\xff": "a JPEG image",
    b"GIF8": "a GIF image",
    b"RIFF": "an image or sound",
    b"II*\0": "a TIFF image",
    b"MM\0*": "a TIFF image",
    b"PK\x03\x04": "a ZIP archive (or an office document)",
    b"%PDF": "a PDF",
    b"\x1f\x8b": "a gzip archive",
    b"\xfd7zXZ": "an xz archive",
    b"\x28\xb5\x2f\xfd": "a zstd archive",
    b"\x93NUMPY": "a numpy array",
    b"PAR1": "a Parquet file",
    b"ARROW1": "an Arrow file",
    b"\x89HDF": "an HDF5 file",
    b"SQLite format 3\0": "an SQLite database",
    b"\xff\xfe": "UTF-16 text",
    b"\xfe\xff": "UTF-16 text",
}
_MOST_HEADER: Final = 2**32  # of safetensors, in bytes


def is_there(path: Path) -> bool:
    """Return whether a file or folder exists; one whose name is too long does not."""
    try:
        return path.exists()
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Return whether it is a folder; one whose name is too long is not."""
    return is_there(path) and path.is_dir()


def without_dots(path: Path) -> Path:
    """Return a path without `..`, so that one file has one name; unless a link makes that another file."""
    if ".." not in path.parts:
        return path
    shorter = Path(os.path.normpath(path))
    return shorter if os.path.realpath(shorter) == os.path.realpath(path) else path


def real_path(path: Path) -> Path:
    """Return the path without links; one of a loop of links stays as it is, where Python 3.12 and older raise."""
    return Path(os.path.realpath(path))


def open_regular(path: Path) -> BufferedReader:
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


def kind_of(head: bytes) -> str:
    """Return what content is that is not UTF-8 text, by its first 4 KiB or fewer; empty if that is not known."""
    for signature, kind in _SIGNATURES.items():
        if head.startswith(signature):
            return "a WebP image" if head[8:12] == b"WEBP" else kind
    if head[4:8] == b"ftyp":
        return "an AVIF or HEIC image" if head[8:12] in (b"avif", b"avis", b"heic", b"heix", b"mif1") else "a video"
    if head[257:262] == b"ustar":
        return "a tar archive"
    if head[8:9] == b"{" and b"\0" in head[:8] and int.from_bytes(head[:8], "little") < _MOST_HEADER:
        return "a safetensors file"
    return "a BMP image" if head.startswith(b"BM") and b"\0" in head[:16] else ""


def refuse_binary(path: Path, wanted: str = "UTF-8 text") -> None:
    """Name the kind of a file that holds no UTF-8 text; a file that cannot be opened is left to `read_text`.

    Args:
        path: the file.
        wanted: what it should be, in words.

    Raises:
        InputError: it begins like an image, an archive or UTF-16 text, or holds a zero byte.
    """
    try:
        with open_regular(path) as file:
            head = file.read(4096)
    except OSError:
        return
    tip = "name a text file, or save it as UTF-8" if wanted == "UTF-8 text" else f"name {wanted}, saved as UTF-8"
    if kind := kind_of(head):
        raise InputError(f"{path}: {kind}, not {wanted}", tip)
    if b"\0" in head:
        raise InputError(f"{path}: contains a zero byte at offset {head.index(0)}: not {wanted}", tip)


def read_text(path: Path, *, most: int | None = None) -> str:
    """Read a file as UTF-8, without a byte order mark.

    Args:
        path: a regular file.
        most: the largest size in bytes that is read; 64 MiB if not given.

    Raises:
        InputError: not there, a folder, a device or a pipe, not readable, too large, or not UTF-8 (with the byte's
            place).
    """
    most = MOST_BYTES if most is None else most
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
    except IsADirectoryError:
        raise InputError(f"{path}: a folder, not a file", "name a file in it") from None
    except UnicodeDecodeError as error:
        refuse_binary(path)
        before = content[: error.start]
        column = len(before[before.rfind(b"\n") + 1 :].decode(errors="replace")) + 1
        place = f"line {before.count(10) + 1}, column {column}"
        raise InputError(f"{path}: not UTF-8 at byte {error.start} ({place})", "save the file as UTF-8") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


class ChangedFileError(InputError):
    """A file is no longer what was read at the start; it is left as it is: exit code 2."""


def hash_of(path: Path) -> str:
    """Return the SHA-256 of a file's content; empty if there is no file.

    Raises:
        InputError: it is there and cannot be read.
    """
    try:
        with open_regular(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def state_of(path: Path) -> str:
    """Return what is compared before a file is replaced: its content, and where it is, as a link may come meanwhile.

    Returns:
        Both; empty if there is no file.

    Raises:
        InputError: it is there and cannot be read.
    """
    return _state_of(real_path(path))


def _state_of(target: Path) -> str:
    digest = hash_of(target)
    return f"{digest} {target}" if digest else ""


def refuse_broken_link(path: Path) -> None:
    """Raise if a new file would get the name that a link out of its folder has.

    The link may have been made by whoever wrote the folder, and the new file may be one that a shell runs.

    Raises:
        OSError: it would.
    """
    target = real_path(path)
    if path.is_symlink() and not target.exists() and not target.is_relative_to(real_path(path.parent)):
        raise OSError(errno.ENOENT, f"a broken link out of its folder, to {path.readlink()}")


def write_atomically(path: Path, text: str | bytes, *, before: str | None = None) -> None:
    """Write the whole file or leave the old one: a file without a name, fsync, rename. Keeps the file's mode.

    Args:
        path: the file; a link stays one, and its target is replaced.
        text: its new content.
        before: what `state_of` returned when the file was read; if it has changed since, the content is written to a
            new file beside it instead. Not compared if not given.

    Raises:
        ChangedFileError: the file has changed; the message names the one that holds the content.
        InputError: the folder is missing or not writable; the old file is untouched.
    """
    content = text.encode() if isinstance(text, str) else text
    try:
        target = path.resolve()
        refuse_broken_link(path)
        _remove_leftovers(target)
        with _temporary_file(target, content) as temporary:
            if before is not None and _state_of(target) != before:
                raise _changed(path, content)
            temporary.name_and_replace(target)
        _sync_folder(target.parent)
    except (OSError, RuntimeError) as error:  # Python 3.12 and older raise RuntimeError for a loop of links
        message = f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}"
        raise InputError(message, "nothing was changed; check that the folder is there and writable") from None


def _changed(path: Path, content: bytes) -> ChangedFileError:
    """Keep what cannot be written in a new file, and return the error that names it."""
    for number in range(1, 1000):
        name = f"{path.stem}.result{f'-{number}' if number > 1 else ''}{path.suffix}"
        with suppress(FileExistsError):
            kept = path.with_name(name)  # not beside the target of a link, which may be in another folder
            with kept.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            command = quoted("treegen", "diff", path, kept)
            tip = f"`{command}` compares them, and `treegen merge` joins them"
            message = f"{path} was changed by somebody else in the meantime and is left as it is; the result is in"
            return ChangedFileError(f"{message} {kept}", tip, code="changed")
    raise OSError(errno.EEXIST, "too many results beside it", str(path))


class _Temporary:
    """A file that will replace another. It is locked, so that `_remove_leftovers` of another process leaves it."""

    def __init__(self, target: Path) -> None:
        self.name: Path | None = None
        try:
            if not _OPEN_FILES.is_dir():
                raise OSError("a file without a name could not get one")
            # without a name, so that nothing is left of it if this process is killed
            self.descriptor = os.open(target.parent, os.O_TMPFILE | os.O_WRONLY, 0o600)
        except (OSError, AttributeError):  # not every system and file system has it
            self.descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
            self.name = Path(name)
        _lock(self.descriptor)

    def name_and_replace(self, target: Path) -> None:
        """Give the file its name, in place of the old one."""
        if self.name is None:
            name = target.with_name(f".{target.name}.{secrets.token_hex(6)}.tmp")
            # with a folder, as Python follows links only then; it is not used, since the path is absolute
            os.link(_OPEN_FILES / str(self.descriptor), name, src_dir_fd=self.descriptor, follow_symlinks=True)
            self.name = name
        self.name.replace(target)
        self.name = None

    def close(self) -> None:
        """Remove the file if it has replaced nothing."""
        if self.name:
            self.name.unlink(missing_ok=True)
        os.close(self.descriptor)


@contextmanager
def _temporary_file(target: Path, content: bytes) -> Iterator[_Temporary]:
    """Write content durably to a file that is removed at the end unless it has replaced the target."""
    temporary = _Temporary(target)
    try:
        with os.fdopen(temporary.descriptor, "wb", closefd=False) as file:
            file.write(content)
            file.flush()
            os.fchmod(file.fileno(), _mode_of(target))
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.close()


def _remove_leftovers(target: Path) -> None:
    """Remove what killed writers of the same file have left; the files of living ones are locked."""
    for path in target.parent.glob(f".{glob.escape(target.name)}.*.tmp"):
        with suppress(OSError), open_regular(path) as file:  # a pipe would be waited for
            if _lock(file.fileno()):
                path.unlink()


def _lock(descriptor: int) -> bool:
    """Take the lock of a file if no other process has it; the system releases it when the file is closed."""
    try:
        import fcntl

        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (ImportError, OSError):
        return False
    return True


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
