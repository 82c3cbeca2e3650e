"""Embedding with Ray, one worker and two, and with the engine of one process: images per second, as ratios in one run.

The bundled encoder and freshly drawn images. Ray and this process's encoder are started before the clock, and only
the time from the first batch of vectors to the last counts: the start of the workers (seconds, printed separately) is
in no ratio. The engine of one process has as many threads as torch takes, a worker has one.
"""

import argparse
import tempfile
import time
from pathlib import Path

from gpu import make_model

from treegen.batch.interface import Engine
from treegen.batch.local_engine import LocalEngine
from treegen.batch.pipeline import embed_images
from treegen.batch.plan import make_plan
from treegen.batch.ray_engine import ClusterEngine
from treegen.config.settings import EncoderSettings
from treegen.workflow.demo import lay_out


def rate(images: Path, engine: Engine, batch: int, encoder: EncoderSettings) -> tuple[float, float]:
    """Images per second between the first batch and the last, and seconds until the first."""
    marks: list[tuple[float, int]] = []

    def note(task: str, done: int, total: int) -> None:
        if task == "embedding images":
            marks.append((time.perf_counter(), done))

    with tempfile.TemporaryDirectory() as name:
        began = time.perf_counter()
        embed_images(make_plan(images, output=Path(name) / "out"), engine, encoder, batch=batch, progress=note)
    (first, head), (last, total) = marks[0], marks[-1]
    return (total - head) / (last - first), first - began


def main() -> None:
    parser = argparse.ArgumentParser(description="Images per second with one and two workers of Ray.")
    parser.add_argument("--count", type=int, default=300, help="images of each of the 13 classes")
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument(
        "--heavy", action="store_true", help="ViT-B-32 with random weights: the model is what takes time"
    )
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ClusterEngine(2):
        folder = Path(name)
        lay_out(folder, count=args.count)
        images = folder / "images"
        encoder, rates = EncoderSettings(), {}
        if args.heavy:
            encoder = EncoderSettings(name=f"local-dir:{make_model('ViT-B-32', folder / 'model')}", precision="fp32")
        for label, engine in (
            ("local", LocalEngine()),
            ("1 worker", ClusterEngine(1)),
            ("2 workers", ClusterEngine(2)),
        ):
            rates[label], start = rate(images, engine, args.batch, encoder)
            print(f"{label}: {rates[label]:.0f} images/s, the first batch after {start:.1f} s")
    what = "ViT-B-32 with random weights" if args.heavy else "the bundled encoder"
    print(f"row: embedding with Ray, {what}: 2 workers / 1 worker | {rates['2 workers'] / rates['1 worker']:.2f} | -")
    print(f"1 worker / local: {rates['1 worker'] / rates['local']:.2f}")
    print(f"2 workers / local: {rates['2 workers'] / rates['local']:.2f}")


if __name__ == "__main__":
    main()
