"""Bodies of responses: what is compressed is read in small steps, and no more of it than of any other body."""

import gzip
import tracemalloc
import zlib
from collections.abc import Iterator
from types import SimpleNamespace

import httpx
import pytest

from treegen.remote.bodies import MOST_BYTES, PackedError, TooLongError, install

TEXT = b'{"text": "' + b"newt " * 1000 + b'"}'


def bomb(mebibytes: int) -> Iterator[bytes]:
    """Yield a gzip stream that expands a thousandfold: one compressed block, again and again."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    yield packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    block = packer.compress(bytes(2**20)) + packer.flush(zlib.Z_FULL_FLUSH)
    for _ in range(mebibytes - 1):
        yield block


def client(headers: dict[str, str], parts: Iterator[bytes]) -> httpx.Client:
    """A client with the limits, of a server that answers everything with that."""
    litellm = SimpleNamespace(client_session=None, sync_transport=object())
    install(litellm)
    hooks = litellm.client_session.event_hooks
    litellm.client_session.close()

    class Body(httpx.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            yield from parts

    answer = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=Body()))
    return httpx.Client(transport=answer, event_hooks=hooks)


@pytest.mark.parametrize("kind", ["application/json", "text/event-stream", "text/plain"])
def test_ten_gigabytes_out_of_ten_megabytes_are_not_unpacked(kind: str) -> None:
    headers = {"Content-Type": kind, "Content-Encoding": "gzip"}
    tracemalloc.start()
    try:
        with client(headers, bomb(10 * 1024)) as asking, pytest.raises(TooLongError):
            asking.post("http://here/")
        assert tracemalloc.get_traced_memory()[1] < 4 * MOST_BYTES
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip", gzip.compress(TEXT)), ("GZIP", gzip.compress(TEXT)), ("deflate", zlib.compress(TEXT))],
    ids=["gzip", "GZIP", "deflate"],  # gzip writes the time, and workers must collect the same names
)
def test_a_reply_that_is_compressed_though_asked_not_to_be_is_read(encoding: str, packed: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    with client(headers, (packed[i : i + 7] for i in range(0, len(packed), 7))) as asking:
        assert asking.post("http://here/").content == TEXT


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [("gzip, gzip", gzip.compress(gzip.compress(TEXT))), ("br", TEXT), ("zstd", TEXT), ("gzip", TEXT)],
    ids=["gzip, gzip", "br", "zstd", "gzip"],
)
def test_what_is_compressed_twice_or_otherwise_is_refused(encoding: str, packed: bytes) -> None:
    headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
    with client(headers, iter([packed])) as asking, pytest.raises(PackedError):
        asking.post("http://here/")
