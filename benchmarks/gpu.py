"""How well the evaluator uses a GPU: images end to end against the bare forward pass, and that against the card.

Models are open_clip's ViT-B-32 and ViT-L-14 with random weights, which are as fast as trained ones. Measured for each:

- bare: images a second of the forward pass alone, of a batch that is on the device already, and its share of the rate
  that the same card reaches in one large matrix product in bf16;
- end to end: files are decoded by threads, prepared, moved, embedded and written to an empty cache; the rate
  from the time when a tenth is done, so that the start of the workers does not count. Goal: at least 90 % of bare;
- the workers alone: decoding and preparing without a model. Below the bare rate it is what limits the end-to-end rate;
- torch.compile and the other layout (the encoder runs channels last, but on mps), as ratios to bare;
- a re-score: one changed option of 200 for 10,000 embedded images, with its text.

Where there is no GPU it says so and ends. `--device cpu --small` runs all of it with a tiny model and few images: that
shows that the script works, and nothing about speed.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import torch

from treegen.clip import scoring
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.embedding.embed import embed_images
from treegen.clip.embedding.prefetch import available_cores
from treegen.clip.embedding.preprocess import prepare_stream
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.images import LabelledImage, hash_image

WHOLE = (0.0, 0.0, 1.0, 1.0)
TINY: dict[str, Any] = {
    "embed_dim": 24,
    "vision_cfg": {"image_size": 64, "layers": 2, "width": 64, "head_width": 16, "patch_size": 16},
    "text_cfg": {"context_length": 16, "vocab_size": 49408, "width": 16, "heads": 2, "layers": 1},
}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is measured."""

    models: tuple[str, ...]
    images: int
    batch: int
    product: int  # side of the matrices
    repeats: int
    workers: int
    compile: bool


def make_model(name: str, folder: Path) -> Path:
    """An open_clip folder with random weights."""
    import open_clip
    from safetensors.torch import save_file

    config = TINY if name == "tiny" else open_clip.get_model_config(name)
    size = config["vision_cfg"]["image_size"]
    torch.manual_seed(0)
    model = open_clip.CLIP(**config)
    folder.mkdir()
    settings = {"model_cfg": config, "preprocess_cfg": {"size": [size, size]}}
    (folder / "open_clip_config.json").write_text(json.dumps(settings), encoding="utf-8")
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, folder / "open_clip_model.safetensors")
    return folder


def draw(folder: Path, numbers: range) -> None:
    """JPEG files of 320x240 with the detail of a photograph: smooth colours and some noise."""
    import numpy as np
    from PIL import Image

    for number in numbers:
        random = np.random.default_rng(number)
        coarse = Image.fromarray(random.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((320, 240))
        noisy = np.asarray(coarse, dtype=np.int16) + random.integers(-12, 13, (240, 320, 3), dtype=np.int16)
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(folder / f"{number:06}.jpg", quality=85)


def draw_all(folder: Path, count: int) -> list[LabelledImage]:
    folder.mkdir()
    step = 250
    with ProcessPoolExecutor(available_cores()) as pool:
        list(pool.map(partial(draw, folder), [range(at, min(at + step, count)) for at in range(0, count, step)]))
        images = [LabelledImage(path=path, label=0) for path in sorted(folder.iterdir())]
        digests = list(pool.map(hash_image, images, chunksize=step))
    return [replace(image, digest=digest) for image, digest in zip(images, digests, strict=True)]


def seconds(work: Callable[[], object], device: str, repeats: int) -> float:
    """Median seconds of a piece of work, when the device has done it."""

    def settle() -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    for _ in range(3):
        work()
    settle()
    times = []
    for _ in range(repeats):
        began = time.perf_counter()
        work()
        settle()
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def matrix_rate(side: int, dtype: torch.dtype, device: str, repeats: int) -> float:
    """Floating point operations a second of one square matrix product."""
    a, b = (torch.randn(side, side, device=device, dtype=dtype) for _ in range(2))
    return 2 * side**3 / seconds(lambda: a @ b, device, repeats)


def operations(model: Any, pixels: torch.Tensor) -> float:
    """Floating point operations of the forward pass for one image."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.inference_mode(), FlopCounterMode(display=False) as counter:
        model.encode_image(pixels[:2])
    return float(counter.get_total_flops()) / 2


def bare_rates(encoder: OpenClipEncoder, pixels: torch.Tensor, plan: Plan) -> dict[str, float]:
    """Images a second of the forward pass alone: as the encoder runs it, in the other layout, compiled."""
    model: Any = encoder._model

    def rate(forward: Callable[[torch.Tensor], object], batch: torch.Tensor) -> float:
        with torch.inference_mode():
            return len(batch) / seconds(lambda: forward(batch), encoder.device, plan.repeats)

    layouts = {torch.channels_last: "channels last", torch.contiguous_format: "channels first"}
    own_layout = encoder._layout
    other_layout, name = next(item for item in layouts.items() if item[0] != own_layout)
    model.to(memory_format=other_layout)
    other_rate = rate(model.encode_image, pixels.contiguous(memory_format=other_layout))
    model.to(memory_format=own_layout)
    pixels = pixels.contiguous(memory_format=own_layout)
    rates = {"bare": rate(model.encode_image, pixels), name: other_rate}
    if plan.compile:
        try:
            rates["torch.compile"] = rate(torch.compile(model.encode_image), pixels)
        except Exception as error:  # no compiler on this machine, most often
            print(f"  torch.compile does not work here: {str(error).strip().splitlines()[0][:100]}")
    return rates


def end_to_end(encoder: OpenClipEncoder, images: list[LabelledImage], plan: Plan, folder: Path) -> tuple[float, float]:
    """Images a second from a tenth on, and seconds until then."""
    marks: list[tuple[float, int]] = []
    cache = EmbeddingCache(folder / f"{encoder.fingerprint[7:20]}.sqlite")
    began = time.perf_counter()
    embed_images(
        images,
        encoder,
        cache,
        WHOLE,
        workers=plan.workers,
        progress=lambda _, done, __: marks.append((time.perf_counter() - began, done)),
    )
    took = time.perf_counter() - began
    cache.close()
    start, done = next((at, done) for at, done in marks if done >= len(images) / 10)
    return (len(images) - done) / (took - start), start


def workers_alone(encoder: OpenClipEncoder, images: list[LabelledImage], plan: Plan) -> float:
    """Images a second that are decoded and prepared, from a tenth on."""
    done, start, at = 0, 0.0, 0
    for batch in prepare_stream(images, WHOLE, encoder.preprocessor, workers=plan.workers, batch=plan.batch):
        done += len(batch.good)
        if not start and done >= len(images) / 10:
            start, at = time.perf_counter(), done
    return (done - at) / (time.perf_counter() - start)


def rescore(encoder: OpenClipEncoder, plan: Plan, device: str) -> float:
    """Seconds for one changed option: its text, 10,000 images x 200 options in 25 groups, 100 classes."""
    width = encoder.encode_texts(["a"]).shape[1]
    random = torch.Generator().manual_seed(0)
    features, texts = (
        torch.nn.functional.normalize(torch.randn(count, width, generator=random), dim=1).to(device)
        for count in (10_000, 200)
    )
    rules = torch.zeros(100, 200, device=device)
    chooser = Random(0)
    for row in rules:
        for group in range(25):
            row[8 * group + chooser.randrange(8)] = 1
    edits = iter(range(10**6))

    def once() -> None:
        texts[17] = encoder.encode_texts([f"a photo of edit {next(edits)}"])[0].to(device)
        logits = scoring.similarity_logits(features, texts, encoder.logit_scale)
        scoring.class_scores(scoring.group_probabilities(logits, (8,) * 25), rules).argmax(1)

    return seconds(once, encoder.device, plan.repeats)


def measure(name: str, device: str, images: list[LabelledImage], plan: Plan, folder: Path, peak: float) -> None:
    """Measure one model."""
    encoder = OpenClipEncoder(f"local-dir:{make_model(name, folder / name)}", shown=name, device=device)
    model: Any = encoder._model
    size = encoder.preprocessing["size"]
    side = size if isinstance(size, int) else size[0]
    dtype = next(model.parameters()).dtype
    pixels = torch.randn(plan.batch, 3, side, side, device=device, dtype=dtype)
    rates, work = bare_rates(encoder, pixels, plan), operations(model, pixels)
    bare = rates.pop("bare")
    print(f"{name}, {encoder.precision}, batches of {plan.batch}")
    print(
        f"  bare forward pass: {bare:.0f} images/s, {work / 1e9:.2f} GFLOP each, "
        f"{bare * work / 1e12:.2f} TFLOP/s = {bare * work / peak:.0%} of the matrix product"
    )
    for kind, rate in rates.items():
        print(f"  {kind}: {rate / bare:.2f} of bare")
    rate, start = end_to_end(encoder, images, plan, folder)
    alone = workers_alone(encoder, images, plan)
    print(
        f"  end to end: {rate:.0f} images/s = {rate / bare:.1%} of bare; goal: at least 90 % "
        f"({start:.1f} s until a tenth was done)"
    )
    print(
        f"  {plan.workers} workers alone: {alone:.0f} images/s = {alone / bare:.1%} of bare"
        + ("; they limit the end-to-end rate" if alone < bare else "")
    )
    for where in dict.fromkeys(("cpu", device)):
        print(
            f"  re-score of 10,000 images x 200 options, products on {where}: "
            f"{1000 * rescore(encoder, plan, where):.1f} ms"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="How well the evaluator uses a GPU.")
    parser.add_argument("--device", choices=("cuda", "mps", "cpu"), default="cuda")
    parser.add_argument("--small", action="store_true", help="a tiny model and few images: only shows that it works")
    parser.add_argument("--images", type=int, help="files to embed")
    parser.add_argument("--batch", type=int, default=256, help="images in a forward pass")
    parser.add_argument("--workers", type=int, default=available_cores(), help="threads that decode")
    parser.add_argument("--no-compile", action="store_true", help="leave torch.compile out")
    args = parser.parse_args()
    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if not available[args.device]:
        print(f"no {args.device} device here, so nothing is measured; --device cpu --small shows that the script works")
        sys.exit(0)
    plan = Plan(
        models=("tiny",) if args.small else ("ViT-B-32", "ViT-L-14"),
        batch=16 if args.small else args.batch,
        images=args.images or (300 if args.small else 20_000),
        product=256 if args.small else 8192,
        repeats=3 if args.small else 20,
        workers=args.workers,
        compile=not args.no_compile,
    )
    card = torch.cuda.get_device_name() if args.device == "cuda" else platform.processor() or platform.machine()
    print(
        f"{datetime.now(UTC):%Y-%m-%d}: {card}, {available_cores()} cores, torch {torch.__version__}, "
        f"Python {platform.python_version()}"
    )
    peak = matrix_rate(plan.product, torch.bfloat16, args.device, plan.repeats)
    print(f"bf16 matrix product of side {plan.product}: {peak / 1e12:.2f} TFLOP/s")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = draw_all(folder / "images", plan.images)
        print(f"{len(images)} JPEG files of 320x240")
        for model in plan.models:
            measure(model, args.device, images, plan, folder, peak)


if __name__ == "__main__":
    main()
