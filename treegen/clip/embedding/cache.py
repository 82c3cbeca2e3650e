"""The embedding cache: SQLite, keyed by encoder fingerprint and content, so that nothing is embedded twice.

It also stores encoders' identities and token counts, so that a model is loaded only to embed.
"""

import hashlib
import logging
import sqlite3
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import chain
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from treegen.clip.arrays import Array, to_numpy
from treegen.errors import InputError
from treegen.history.recovery import Table, carry_over, place_of
from treegen.history.store import FOLDER, checksum_of, make_folder, programs_in
from treegen.images.interface import Crop
from treegen.images.pictures import DECODING

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Half = NDArray[np.float16]
    Vectors = NDArray[np.float32]
    Places = NDArray[np.int64]

logger = logging.getLogger(__name__)
CHUNK: Final = 1024  # rows read at a time: more do not fit the processor's cache
_BATCH: Final = 500  # below SQLite's limit on bound values
_SCAN: Final = 0.2  # for a larger share of an encoder's rows, a full scan is faster than lookups
_KEY: Final = 32  # bytes per key
_SHORTEST: Final = 1e-12  # a vector of length 0 has no direction, and stays 0
_ROUNDING: Final = 1e-3  # rounding to float16 changes a length of 1 by at most half of this
_TIP: Final = "check that the folder is writable and the disk not full; if all is well, delete the file"
_TABLES: Final = """
CREATE TABLE IF NOT EXISTS encoder (id INTEGER PRIMARY KEY, fingerprint TEXT UNIQUE NOT NULL);
CREATE TABLE IF NOT EXISTS embedding (
  id INTEGER PRIMARY KEY, encoder INTEGER NOT NULL, key BLOB NOT NULL, vector BLOB NOT NULL, UNIQUE (encoder, key));
CREATE TABLE IF NOT EXISTS text (encoder INTEGER NOT NULL, text TEXT NOT NULL, vector BLOB NOT NULL,
  PRIMARY KEY (encoder, text)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS file (
  path TEXT PRIMARY KEY, size INTEGER NOT NULL, changed INTEGER NOT NULL, digest TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS identity (key TEXT PRIMARY KEY, told TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS tokens (encoder INTEGER NOT NULL, text TEXT NOT NULL, count INTEGER NOT NULL,
  PRIMARY KEY (encoder, text)) WITHOUT ROWID;
"""
#: how the rows of a cache that was removed while it was in use are written into the next one
_CARRIED: Final = {
    "encoder": Table(numbered=True),
    "embedding": Table(references={"encoder": "encoder"}),
    "text": Table(references={"encoder": "encoder"}),
    "file": Table(),
    "identity": Table(),
    "tokens": Table(references={"encoder": "encoder"}),
}
#: tables whose rows have a checksum; those of earlier versions have none
_SUMMED: Final = ("embedding", "text", "file", "identity", "tokens")


class EmbeddingCache:
    """Image vectors as float16, by the keys that `image_key` returns, and text vectors as float32.

    Images are many: half the bytes means half the disk space and twice the speed. Texts are few, and rounding both
    sides flips a prediction between two nearly equal classes (1 of 780 here; rounding the images alone flips none).
    """

    def __init__(self, path: Path) -> None:
        """Open or create the database. A damaged one is set aside and replaced: it can always be recomputed.

        Attributes:
            rebuilt: a damaged cache was set aside.
            damaged: number of unusable vectors read, such as those of another length or with NaN.

        Raises:
            InputError: it cannot be opened, for instance because it is locked, not writable or a folder; it is left as
                it is.
        """
        self._path, self.rebuilt, self.damaged = path, False, 0
        self._widths: dict[int, int] = {}
        try:
            try:
                self._db = _open(path)
            except sqlite3.DatabaseError as error:
                if isinstance(error, sqlite3.OperationalError):  # not damaged: locked, not writable, disk full
                    raise
                _set_aside(path)
                self._db = _open(path)
                self.rebuilt = True
        except (OSError, sqlite3.DatabaseError) as error:
            raise InputError(f"{path}: the embedding cache cannot be opened: {error}", _TIP) from None
        self._place, self._removed, self._lock = place_of(path), list[sqlite3.Connection](), RLock()

    def close(self) -> None:
        """Close the database."""
        for db in (self._db, *self._removed):
            db.close()

    def _reopen_if_lost(self) -> None:
        """Open the database again if its file was removed or replaced, as by `git clean`, with all that it held."""
        with self._lock:
            if self._place == place_of(self._path):
                return
            if self._path.parent.name == FOLDER:
                make_folder(self._path.parent)
            before, self._db = self._db, _open(self._path)
            self._removed.append(before)  # which may be read at this moment
            self._place, self._widths = place_of(self._path), {}
            with self._db:
                carry_over(before, self._db, _CARRIED)
            logger.warning("%s was removed or replaced while it was in use: written again", self._path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, fingerprint: str, keys: Sequence[bytes]) -> dict[bytes, "Vectors"]:
        """Return the vectors present: key -> (D,) float32 of length 1. For many keys see `chunks`."""
        vectors: dict[bytes, Vectors] = {}
        for places, rows in self.chunks(fingerprint, keys):
            vectors.update(zip((keys[p] for p in places.tolist()), rows, strict=True))
        return vectors

    def chunks(self, fingerprint: str, keys: Sequence[bytes]) -> Iterator[tuple["Places", "Vectors"]]:
        """Yield the vectors present, in chunks and in no order. Memory holds one chunk and the keys.

        A vector of another width, with NaN, or not of length 1 as written counts as missing, so it is recomputed.

        Args:
            fingerprint: of the encoder.
            keys: unique (N).

        Yields:
            Indices into the keys (n), and their vectors (n, D) float32 of length 1; n is at most `CHUNK`.
        """
        encoder = self._encoder(fingerprint)
        width = self._width(encoder)
        if not keys or width is None:
            return
        index = _KeyIndex(keys)
        for rows in filter(None, self._rows(encoder, keys)):
            sound = [row for row in rows if row[2] is None or row[2] == zlib.crc32(row[1], zlib.crc32(row[0]))]
            self.damaged += len(rows) - len(sound)
            if not sound:
                continue
            found_keys, vectors, _ = zip(*sound, strict=True)
            joined = bytearray().join(vectors)  # decoded at once: an array per row would take most of the time
            if len(joined) != 2 * width * len(sound):  # some row has another width: leave it out, keep the others
                intact = [row for row in sound if len(row[1]) == 2 * width]
                self.damaged += len(sound) - len(intact)
                if not intact:
                    continue
                found_keys, vectors, _ = zip(*intact, strict=True)
                joined = bytearray().join(vectors)
            places = index.places(b"".join(found_keys))
            features = unit_rows(np.frombuffer(joined, np.float16).reshape(-1, width))
            # `unit_rows` makes a damaged row NaN as a whole. It is yielded as missing rather than raised: embedding it
            # again overwrites it.
            good = np.isfinite(features[:, 0])
            self.damaged += int((~good & (places >= 0)).sum())
            good &= places >= 0
            yield (places, features) if good.all() else (places[good], features[good])

    def _rows(self, encoder: int, keys: Sequence[bytes]) -> Iterator[list[tuple[bytes, bytes, int | None]]]:
        """Yield keys, vectors and checksums: all that are wanted, possibly more."""
        (last,) = self._db.execute("SELECT max(id) FROM embedding").fetchone()
        if last is not None and len(keys) > max(_BATCH, _SCAN * last):
            # In file order: the + keeps SQLite from using the index, whose order would read pages at random.
            for start in range(0, last + 1, CHUNK):
                yield self._db.execute(
                    "SELECT key, vector, sum FROM embedding WHERE id BETWEEN ? AND ? AND +encoder=?",
                    (start, start + CHUNK - 1, encoder),
                ).fetchall()
            return
        yield from self._select("SELECT key, vector, sum FROM embedding WHERE encoder=? AND key", keys, encoder)

    def _select(self, query: str, values: Sequence[Any], *first: Any) -> Iterator[list[Any]]:
        """Yield rows, a batch at a time.

        Args:
            query: ends in the column that is to be one of the values.
            values: any number of them.
            first: values of the placeholders before.
        """
        for start in range(0, len(values), _BATCH):
            part = values[start : start + _BATCH]
            yield self._db.execute(f"{query} IN ({','.join('?' * len(part))})", (*first, *part)).fetchall()

    def has(self, fingerprint: str, keys: Sequence[bytes]) -> set[bytes]:
        """Return those of the keys whose vectors are present."""
        rows = self._select("SELECT key FROM embedding WHERE encoder=? AND key", keys, self._encoder(fingerprint))
        return {key for part in rows for (key,) in part}

    def keys(self, fingerprint: str) -> Iterator[bytes]:
        """Yield the keys of all vectors of an encoder, 32 bytes each."""
        return (
            k for (k,) in self._db.execute("SELECT key FROM embedding WHERE encoder=?", (self._encoder(fingerprint),))
        )

    def put(self, fingerprint: str, keys: Sequence[bytes], vectors: Array) -> "Vectors":
        """Store vectors (N, D), normalised, in one transaction, so that an interrupted run loses at most one batch.

        Returns:
            The vectors as `get` will return them, (N, D), so that the first run computes with what later runs read.
        """
        encoder, exact = self._encoder(fingerprint), to_numpy(vectors).astype(np.float32)
        rows = (exact / np.maximum(_lengths(exact), _SHORTEST)).astype(np.float16)
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO embedding(encoder, key, vector, sum) VALUES (?,?,?,?)",
                [
                    (encoder, key, vector, zlib.crc32(vector, zlib.crc32(key)))
                    for key, vector in zip(keys, map(np.ndarray.tobytes, rows), strict=True)
                ],
            )
        self._widths.setdefault(encoder, rows.shape[1])
        return unit_rows(rows)

    def get_texts(self, fingerprint: str, texts: Sequence[str]) -> dict[str, "Vectors"]:
        """Return the vectors of texts present: text -> (D,) float32. A damaged one counts as missing."""
        query, encoder = "SELECT text, vector, sum FROM text WHERE encoder=? AND text", self._encoder(fingerprint)
        found = [row for part in self._select(query, texts, encoder) for row in part]
        rows = {text: vector for text, vector, checksum in found if checksum in (None, checksum_of(text, vector))}
        self.damaged += len(found) - len(rows)
        widths = Counter(len(vector) for vector in rows.values())
        (width, _), *_ = widths.most_common(1) or [(0, 0)]
        vectors = {
            text: np.frombuffer(bytearray(vector), np.float32)
            for text, vector in rows.items()
            if len(vector) == width and width and width % 4 == 0
        }
        intact = {text: vector for text, vector in vectors.items() if np.isfinite(vector).all()}
        self.damaged += len(rows) - len(intact)
        return intact

    def put_texts(self, fingerprint: str, texts: Sequence[str], vectors: Array) -> None:
        """Store the vectors of texts (N, D), as `put` does those of images."""
        encoder, rows = self._encoder(fingerprint), to_numpy(vectors).astype(np.float32)
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO text(encoder, text, vector, sum) VALUES (?,?,?,?)",
                [
                    (encoder, text, vector, checksum_of(text, vector))
                    for text, vector in zip(texts, map(np.ndarray.tobytes, rows), strict=True)
                ],
            )

    def identity(self, key: str) -> str | None:
        """Return the stored identity of an encoder; see `treegen.clip.encoders.cached`."""
        row = self._db.execute("SELECT told, sum FROM identity WHERE key=?", (key,)).fetchone()
        return None if row is None or row[1] not in (None, checksum_of(key, row[0])) else str(row[0])

    def store_identity(self, key: str, record: str | None) -> None:
        """Replace the stored identity of an encoder; `None` deletes it."""
        with self._writing():
            if record is None:
                self._db.execute("DELETE FROM identity WHERE key=?", (key,))
            else:
                values = (key, record, checksum_of(key, record))
                self._db.execute("INSERT OR REPLACE INTO identity(key, told, sum) VALUES (?,?,?)", values)

    def tokens(self, fingerprint: str) -> dict[str, int]:
        """Return the stored number of tokens of each text."""
        query = "SELECT text, count, sum FROM tokens WHERE encoder=?"
        rows = self._db.execute(query, (self._encoder(fingerprint),))
        return {text: count for text, count, checksum in rows if checksum in (None, checksum_of(text, count))}

    def store_tokens(self, fingerprint: str, text: str, count: int) -> None:
        """Store the number of tokens of a text."""
        encoder = self._encoder(fingerprint)
        with self._writing():
            values = (encoder, text, count, checksum_of(text, count))
            self._db.execute("INSERT OR REPLACE INTO tokens(encoder, text, count, sum) VALUES (?,?,?,?)", values)

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Run a transaction.

        Raises:
            InputError: disk full, no permission, or locked.
        """
        try:
            self._reopen_if_lost()
            with self._db:
                yield
        except (OSError, sqlite3.DatabaseError) as error:
            raise InputError(f"{self._path}: the embedding cache cannot be written: {error}", _TIP) from None

    def _encoder(self, fingerprint: str) -> int:
        with self._lock:
            if self._place != place_of(self._path):  # the id may be another in the next file
                with self._writing():
                    pass
        row = self._db.execute("SELECT id FROM encoder WHERE fingerprint=?", (fingerprint,)).fetchone()
        if row is None:
            with self._writing():  # OR IGNORE, and read again: another process may add it at the same time
                self._db.execute("INSERT OR IGNORE INTO encoder(fingerprint) VALUES (?)", (fingerprint,))
            row = self._db.execute("SELECT id FROM encoder WHERE fingerprint=?", (fingerprint,)).fetchone()
        return int(row[0])

    def _width(self, encoder: int) -> int | None:
        """Return the width of an encoder's vectors, the most common among the first; `None` if it has none."""
        if encoder not in self._widths:
            row = self._db.execute(
                "SELECT length FROM (SELECT length(vector) AS length FROM embedding WHERE encoder=? LIMIT 1000)"
                " WHERE length > 0 AND length % 2 = 0 GROUP BY length ORDER BY count(*) DESC, length DESC LIMIT 1",
                (encoder,),
            ).fetchone()
            if row is None:
                return None
            self._widths[encoder] = row[0] // 2
        return self._widths[encoder]

    def known_files(self) -> dict[str, tuple[int, int, str]]:
        """Return path -> (size, mtime in ns, SHA-256), which saves hashing unchanged files."""
        return dict(_sound_files(self._db.execute("SELECT path, size, changed, digest, sum FROM file")))

    def files(self, paths: Sequence[str]) -> dict[str, tuple[int, int, str]]:
        """Return entries as `known_files` does, for these paths only."""
        rows = self._select("SELECT path, size, changed, digest, sum FROM file WHERE path", paths)
        return dict(_sound_files(chain.from_iterable(rows)))

    def remember_files(self, files: Iterable[tuple[str, int, int, str]]) -> None:
        """Store (path, size, mtime in ns, SHA-256)."""
        with self._writing():
            self._db.executemany(
                "INSERT OR REPLACE INTO file(path, size, changed, digest, sum) VALUES (?,?,?,?,?)",
                [(*file, checksum_of(*file)) for file in files],
            )


def _sound_files(rows: Iterable[Any]) -> Iterator[tuple[str, tuple[int, int, str]]]:
    """Yield what is known of files, without damaged rows: these are hashed again."""
    for path, size, changed, digest, checksum in rows:
        if checksum in (None, checksum_of(path, size, changed, digest)):
            yield path, (size, changed, digest)


class _KeyIndex:
    """Finds keys among many by binary search, using 50 bytes of memory per key; a dict uses 200."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self._keys: NDArray[Any] = np.frombuffer(b"".join(keys), f"S{_KEY}")
        heads = _heads(self._keys)
        self._order = np.argsort(heads, kind="stable")
        self._heads = heads[self._order]

    def places(self, joined: bytes) -> "Places":
        """Return the index of each of the joined keys (n) among the wanted ones; -1 if it is not wanted."""
        keys: NDArray[Any] = np.frombuffer(joined, f"S{_KEY}")
        # Of two wanted keys with equal heads only the first is found; the other then counts as missing, which is safe.
        near = np.searchsorted(self._heads, _heads(keys)).clip(max=len(self._heads) - 1)
        places = self._order[near]
        matches: Places = np.where(self._keys[places] == keys, places, -1)
        return matches


def _heads(keys: "NDArray[Any]") -> "NDArray[np.uint64]":
    return np.ascontiguousarray(keys.view(np.uint64).reshape(-1, _KEY // 8)[:, 0])


def _open(path: Path) -> sqlite3.Connection:
    """Open the database and read all of it once (0.2 s for 100,000 vectors), so that damage shows here."""
    db = sqlite3.connect(path, timeout=30, check_same_thread=False)  # a writer thread stores embeddings
    db.text_factory = _decoded
    try:
        db.execute("PRAGMA trusted_schema=OFF")  # a folder may be a stranger's
        db.execute("PRAGMA journal_mode=WAL")  # others read while one writes
        db.execute("PRAGMA synchronous=NORMAL")
        verdict = db.execute("PRAGMA integrity_check(1)").fetchone()[0]  # the quick one reads no index
        if verdict != "ok":
            raise sqlite3.DatabaseError(verdict)
        if programs_in(db, _CARRIED):
            raise sqlite3.DatabaseError("it has triggers or views")
        db.executescript(_TABLES)
        for table in _SUMMED:
            if "sum" not in {row[1] for row in db.execute(f"PRAGMA table_info({table})")}:
                with suppress(sqlite3.OperationalError):  # another process does the same
                    db.execute(f"ALTER TABLE {table} ADD COLUMN sum INTEGER")
    except BaseException:
        db.close()
        raise
    return db


def _decoded(text: bytes) -> str:
    """Return a stored text; one that is damaged is then another than its checksum says."""
    return text.decode(errors="replace")


def _set_aside(path: Path) -> None:
    path.replace(path.with_suffix(".damaged"))
    for suffix in ("-wal", "-shm"):  # else SQLite would replay the damaged file's log into the new one
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def unit_rows(rows: "Half") -> "Vectors":
    """Return vectors (N, D) float32 of length 1 from rows of float16; one that is not close to it becomes NaN."""
    features = rows.astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):  # what was damaged may hold any number
        lengths = _lengths(features)
        lengths[~(abs(lengths - 1) < _ROUNDING)] = np.nan
        features /= lengths
    return features


def _lengths(rows: "Vectors") -> "Vectors":
    """Euclidean lengths (N, 1) of rows (N, D)."""
    lengths: Vectors = np.sqrt(np.einsum("nd,nd->n", rows, rows))[:, None]
    return lengths


def image_key(digest: str, crop: Crop, variant: str = "") -> bytes:
    """Return the key of an image content (SHA-256 in hex) under a crop, as decoded by this version.

    Args:
        digest: of the content.
        crop: the part of it that counts.
        variant: what else was done to it before or while it was embedded; empty for nothing.
    """
    return hashlib.sha256(f"image {DECODING} {digest} {crop}{variant and ' '}{variant}".encode()).digest()


def text_key(text: str) -> bytes:
    """Return the key of a text stored among the images' vectors."""
    return hashlib.sha256(f"text {text}".encode()).digest()
