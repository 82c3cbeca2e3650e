"""Embeddings and answers as a folder of Parquet files, which any program reads as one table.

Each file is written whole and then renamed, so that a killed run leaves complete files, which themselves show what
need not be redone.
"""

import hashlib
import logging
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.batch.interface import KeySet, Source
from treegen.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.batch.tree_predictor import Answered

ROWS: Final = 8192  # per file: 8 MB of embeddings of width 512
_SECONDS: Final = 60.0  # most time that computed rows wait for more
logger = logging.getLogger(__name__)
_LOCK: Final = ".lock"
_WRITING: Final = ".writing-"  # a leading dot: readers of the folder ignore it
_ABOUT: Final = b"treegen."
KEY_WIDTH: Final = 16
_STATE: Final = ("path", "size", "changed", "label", "part")  # of a file and of its entry in the image set
RECOGNISED: Final = "recognised"  # whether the label is that of the domain's own picture of the same content
_SAME: Final = 0.01  # in each component, at most, between embeddings of one picture by two runs


@dataclass(slots=True, kw_only=True)
class _Rows:
    """The rows of the next file."""

    sources: list[Source] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    labels: list[str | None] = field(default_factory=list)
    recognised: list[bool] = field(default_factory=list)
    vectors: "list[NDArray[np.float16]]" = field(default_factory=list)
    answered: "list[Answered]" = field(default_factory=list)


class ParquetFolder:
    """The folder: its contents, and additions. It is locked until `close`: only one process may write at a time."""

    def __init__(self, folder: Path, about: dict[str, str], *, rows: int = ROWS) -> None:
        """Open or create the folder.

        Args:
            folder: its files end in `.parquet`.
            about: what all rows have in common: encoder, crop, tree. Stored in every file's metadata.
            rows: most rows per file.

        Raises:
            InputError: it cannot be created, another process writes into it, it contains other things, or rows of
                another encoder, crop or tree.
        """
        self.folder, self._about, self._most = folder, about, rows
        self._rows, self._since = _Rows(), time.monotonic()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{folder}: {error.strerror or error}", "use a folder that can be written") from None
        self._lock = _locked(folder)
        try:
            for file in folder.glob(f"{_WRITING}*"):  # left by a killed run
                file.unlink(missing_ok=True)
            paths, states = self._read()
            if any(a == b for a, b in pairwise(sorted(states))):  # two runs wrote at once, before folders were locked
                self._drop_repeated()
                paths, states = self._read()
        except BaseException:
            os.close(self._lock)
            raise
        self._paths, self._states = KeySet(paths, KEY_WIDTH), KeySet(states, KEY_WIDTH)

    def close(self) -> None:
        """Write pending rows and unlock the folder."""
        try:
            self.flush()
        finally:
            if self._lock >= 0:
                os.close(self._lock)
            self._lock = -1

    def _read(self) -> tuple[list[bytes], list[bytes]]:
        """Return the keys of all rows: of their paths, and of their paths and states."""
        paths, states, self._count = list[bytes](), list[bytes](), 0
        for file in self.files():
            self._check(file)
            with _readable(file):
                for batch in _columns(file, (*_STATE, RECOGNISED)):
                    paths += map(key_of, batch["path"].to_pylist())
                    states += _states_of(batch)
            self._count += 1
        return paths, states

    def _drop_repeated(self) -> None:
        """Keep the first of equal rows. Several boxes of one picture have equal states, and different embeddings."""
        import pyarrow as pa

        first: dict[bytes, list[NDArray[np.float16]]] = {}
        for file in self.files():
            table, stays = _table_in(file), list[bool]()
            for state, row in zip(_states_of(table), table["embedding"].to_pylist(), strict=True):
                vector, others = np.asarray(row, np.float16), first.setdefault(state, [])
                stays.append(all(np.abs(vector - other).max() > _SAME for other in others))
                if stays[-1]:
                    others.append(vector)
            if not any(stays):
                file.unlink()
            elif not all(stays):
                self._write(table.filter(pa.array(stays)), file)

    def files(self) -> list[Path]:
        """Return the finished files."""
        return sorted(self.folder.glob("part-*.parquet"))

    def _check(self, file: Path) -> None:
        import pyarrow.parquet

        with _readable(file):
            metadata = pyarrow.parquet.read_schema(file).metadata or {}
        for key, value in self._about.items():
            stored = metadata.get(_ABOUT + key.encode(), b"").decode()
            if stored != value:
                message = f"{file}: its rows have a different {key}: {stored or 'none'}, not {value or 'none'}"
                raise InputError(message, "use another folder, or delete this one")

    def has(self, source: Source, label: str | None) -> bool:
        """Whether the picture has its row, and neither the file nor its entry in the image set has changed since."""
        return self.state(source, label) in self._states

    def state(self, source: Source, label: str | None) -> bytes:
        """Return the key of a picture's file and of its entry in the image set, as they are now."""
        return _state_key(source.path, [source.size, source.changed, label, source.image.split])

    def outdated(self, source: Source, label: str | None) -> bool:
        """Whether the picture has a row for an earlier state of the file or of its entry in the image set."""
        return key_of(source.path) in self._paths and not self.has(source, label)

    def drop(self, listed: KeySet, current: KeySet) -> None:
        """Remove rows of listed pictures whose states are not current: the picture or its entry was changed or removed.

        Args:
            listed: the pictures of this run, as keys of their paths.
            current: their states. A table may list a picture under several labels.
        """
        import pyarrow as pa

        for file in self.files():
            table = _table_in(file, [*_STATE, RECOGNISED])
            pairs = zip(table["path"].to_pylist(), _states_of(table), strict=True)
            stays = [key_of(path) not in listed or state in current for path, state in pairs]
            if not all(stays):
                self._write(_table_in(file).filter(pa.array(stays, pa.bool_())), file)

    def add(
        self,
        sources: Sequence[Source],
        digests: Sequence[str],
        labels: Sequence[str | None],
        vectors: "NDArray[np.float32]",
        answered: "Answered | None",
        recognised: Sequence[bool] = (),
    ) -> None:
        """Add rows; they are written when a file is full, after a minute, and at `flush`.

        Args:
            sources: the pictures.
            digests: of their contents.
            labels: their classes; `None` where none is known.
            vectors: their embeddings, (N, D).
            answered: the tree's answers.
            recognised: whether the label is that of the domain's own picture of the same content.
        """
        rows = self._rows
        rows.sources += sources
        rows.digests += digests
        rows.labels += labels
        rows.recognised += recognised
        rows.vectors.append(vectors.astype(np.float16))
        if answered is not None:
            rows.answered.append(answered)
        if len(rows.sources) >= self._most or time.monotonic() - self._since > _SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write the added rows as a file.

        Raises:
            InputError: it cannot be written.
        """
        rows, self._rows, self._since = self._rows, _Rows(), time.monotonic()
        if rows.sources:
            self._write(self._table(rows), self.folder / f"part-{self._count:05}-{token_hex(4)}.parquet")
            self._count += 1

    def _table(self, rows: _Rows) -> Any:
        import pyarrow as pa

        matrix = np.concatenate(rows.vectors)
        flat = pa.array(matrix.reshape(-1), pa.float16())
        columns = {
            "path": pa.array([s.path for s in rows.sources], pa.string()),
            "digest": pa.array(rows.digests, pa.string()),
            "size": pa.array([s.size for s in rows.sources], pa.int64()),
            "changed": pa.array([s.changed for s in rows.sources], pa.int64()),
            "label": pa.array(rows.labels, pa.string()),
            "part": pa.array([s.image.split for s in rows.sources], pa.string()),
            "embedding": pa.ListArray.from_arrays(np.arange(len(matrix) + 1, dtype=np.int32) * matrix.shape[1], flat),
        }
        if rows.recognised:
            columns[RECOGNISED] = pa.array(rows.recognised, pa.bool_())
        if rows.answered:
            chunks = [answered.columns() for answered in rows.answered]
            columns |= {name: pa.concat_arrays([chunk[name] for chunk in chunks]) for name in chunks[0]}
        return pa.table(columns).replace_schema_metadata({_ABOUT + k.encode(): v for k, v in self._about.items()})

    def _write(self, table: Any, file: Path) -> None:
        import pyarrow.parquet

        temporary = self.folder / f"{_WRITING}{token_hex(8)}"
        try:
            with temporary.open("wb") as stream:
                pyarrow.parquet.write_table(table, stream, compression="zstd", write_page_checksum=True)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.replace(file)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            raise InputError(f"{file}: cannot be written: {error.strerror or error}", "is the disk full?") from None

    def rows(self, columns: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Yield the given columns of all finished rows, file by file; `None` for a column that a file lacks."""
        for file in self.files():
            for batch in _columns(file, columns):
                missing = [None] * len(batch)
                cells = [batch[n].to_pylist() if n in batch.schema.names else missing for n in columns]
                yield from zip(*cells, strict=True)


def _states_of(table: Any) -> list[bytes]:
    """Return the keys of the states of all rows of a table or a batch."""
    columns = {name: table[name].to_pylist() for name in _STATE}
    if RECOGNISED in table.schema.names:  # in the set itself such a picture has no label
        pairs = zip(columns["label"], table[RECOGNISED].to_pylist(), strict=True)
        columns["label"] = [None if recognised else label for label, recognised in pairs]
    return [_state_key(path, state) for path, *state in zip(*columns.values(), strict=True)]


def _state_key(path: str, state: list[Any]) -> bytes:
    return key_of(f"{path}\n{state}")


def _locked(folder: Path) -> int:
    """Lock a folder for this process; closing the descriptor, or the end of the process, unlocks it.

    Raises:
        InputError: another process has locked it.
    """
    try:
        if sys.platform == "win32":  # a folder cannot be opened
            import msvcrt

            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT)
            lock = partial(msvcrt.locking, descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            descriptor = os.open(folder, os.O_RDONLY)
            lock = partial(fcntl.flock, descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}", "use a folder that can be written") from None
    try:
        lock()
    except (BlockingIOError, PermissionError):
        os.close(descriptor)
        message = f"{folder}: another `treegen embed` is writing into it"
        raise InputError(message, "wait until it has ended, or use another folder with -o") from None
    except OSError as error:  # of file systems without locks
        logger.info("%s cannot be locked: %s", folder, error)
    return descriptor


def _columns(file: Path, columns: Sequence[str]) -> Iterator[Any]:
    """Yield the given columns that a file has, in order, a few thousand rows at a time."""
    import pyarrow.parquet

    with _readable(file), pyarrow.parquet.ParquetFile(file, page_checksum_verification=True) as opened:
        there = [name for name in columns if name in opened.schema_arrow.names]
        for batch in opened.iter_batches(4096, columns=there):
            yield batch.select(there)


def _table_in(file: Path, columns: list[str] | None = None) -> Any:
    """Read a file, or those of the given columns that it has."""
    import pyarrow.parquet

    with _readable(file):
        there = columns and [name for name in pyarrow.parquet.read_schema(file).names if name in columns]
        return pyarrow.parquet.read_table(file, columns=there, partitioning=None, page_checksum_verification=True)


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Convert the errors of a file that cannot be read or is damaged."""
    import pyarrow as pa

    try:
        yield
    except (OSError, ValueError, pa.ArrowException) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = f"{file}: cannot be read: {reason}"
        raise InputError(message, "delete the file: its images are then embedded again") from None


def key_of(text: str) -> bytes:
    """Hash a text to 16 bytes, for `KeySet`: millions of paths would exhaust the memory."""
    return hashlib.blake2b(text.encode(errors="surrogatepass"), digest_size=KEY_WIDTH).digest()
