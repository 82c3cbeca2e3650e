"""Scoring a million embeddings from the cache on disk: time as a multiple of the bare matrix product, and memory.

Each size runs in a separate process, whose peak memory is measured: twice the images may cost what is stored for each
image (key, label, prediction), not its features. The bare product is of as many float32 features that are in
memory already, in pieces of the same size. One thread computes, and one reads ahead of it.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

WIDTH, GROUPS, OPTIONS, CLASSES = 512, 30, 10, 100


def key(number: int) -> bytes:
    return number.to_bytes(8, "big") * 4


def fill(path: Path, first: int, last: int) -> None:
    """Put random vectors for these images into the cache."""
    import torch

    from treegen.clip.embedding.cache import EmbeddingCache

    cache, random = EmbeddingCache(path), np.random.default_rng(first)
    for start in range(first, last, 10_000):
        count = min(10_000, last - start)
        keys = [key(number * 2_654_435_761 % 2**64) for number in range(start, start + count)]
        cache.put("drawn", keys, torch.from_numpy(random.standard_normal((count, WIDTH), np.float32)))
    cache.close()


def unit(rows: np.ndarray) -> np.ndarray:
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return rows


def memory(what: str) -> float:
    """MB of this process now (`VmRSS`) or at most (`VmHWM`); Linux."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(what)) / 1024


def measure(path: Path, count: int) -> dict[str, float]:
    """Seconds of reading and scoring, of the bare product, and the peak of memory in MB."""
    from treegen.clip.arrays import to_numpy
    from treegen.clip.embedding.cache import CHUNK, EmbeddingCache
    from treegen.clip.embedding.prefetch import read_ahead
    from treegen.clip.streaming import predict

    random = np.random.default_rng(0)
    texts = unit(random.standard_normal((GROUPS * OPTIONS, WIDTH), np.float32))
    matrix = np.zeros((CLASSES, GROUPS * OPTIONS), np.float32)
    for group in range(GROUPS):
        picks = random.integers(OPTIONS, size=CLASSES)
        matrix[np.arange(CLASSES), group * OPTIONS + picks] = 1
    piece = unit(random.standard_normal((CHUNK, WIDTH), np.float32))
    bare = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        for _ in range(count // len(piece)):
            piece @ texts.T
        bare = min(bare, time.perf_counter() - began)
    keys = [key(number * 2_654_435_761 % 2**64) for number in range(count)]
    cache = EmbeddingCache(path)
    before = memory("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    took = float("inf")
    for _ in range(2):
        began = time.perf_counter()
        chunks = ((places, to_numpy(rows)) for places, rows in read_ahead(cache.chunks("drawn", keys)))
        predictions = predict(chunks, count, texts, (OPTIONS,) * GROUPS, matrix, 100.0)
        took = min(took, time.perf_counter() - began)
    assert int(predictions.min()) >= 0, "an image was not found"
    peak = memory("VmHWM")
    cache.close()
    return {"bare": bare, "took": took, "memory": before, "more": peak - before}


def main() -> None:
    parser = argparse.ArgumentParser(description="Scoring from the cache as a multiple of the bare matrix product.")
    parser.add_argument("--images", type=int, default=1_000_000)
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.measure:
        print(json.dumps(measure(args.measure, args.images)))
        return
    results = []
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "cache.sqlite"
        for done, count in ((0, args.images), (args.images, 2 * args.images)):
            fill(path, done, count)
            command = [sys.executable, __file__, "--measure", str(path), "--images", str(count)]
            results.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            result = results[-1]
            size = f"{count:,} images x {GROUPS * OPTIONS} prompts"
            print(f"{size}: bare product {result['bare']:.2f} s, from the cache {result['took']:.2f} s")
            print(f"  memory before {result['memory']:.0f} MB, at most {result['more']:.0f} MB more while scoring")
    first, second = results
    size = f"{args.images:,} x {WIDTH} cached embeddings x {GROUPS * OPTIONS} prompts"
    print(f"row: {size}: time / the bare matrix product | {first['took'] / first['bare']:.2f} | at most 3")
    features = args.images * WIDTH * 4 / 2**20
    share = (second["more"] - first["more"]) / features
    print(f"row: memory of as many images again / that of their float32 features | {share:.3f} | about 0")


if __name__ == "__main__":
    main()
