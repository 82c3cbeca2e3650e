"""Cost of views and of training on them: embedding time with 4 and 16 views as multiples of 1 within one run.

Freshly drawn images and the bundled encoder, decoding and cache included; the runs alternate and each starts with an
empty cache. Time of the clock and of the processor: on a machine with other work only the second is worth something.
Goals: 4 views take at most 4.2 times as long as 1, and no view is embedded twice. On a GPU (`--device cuda`) also
ViT-B-32 and ViT-L-14 with random weights, for which only the time means something; `--model ViT-B-32 --few 4` does
that on a CPU. `--peft` measures instead how long models of transformers take to train by peft, and by copies of the
weights as those of open_clip are, on the same images by turns: random weights in the size of ViT-B-32.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from gpu import draw_all, make_model

from treegen.clip.compute.adapting import Questions, adapted_texts
from treegen.clip.compute.pictures import embed_pictures
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.embedding.embed import embed_images
from treegen.clip.encoders import open_encoder
from treegen.clip.encoders.base import LocalEncoder
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.clip.encoders.transformers import TransformersEncoder
from treegen.config.settings import EncoderSettings
from treegen.images import LabelledImage, open_picture
from treegen.images.interface import WHOLE

GROUPS, OPTIONS, CLASSES = 10, 5, 20


@dataclass
class Counting:
    """Counts the pictures that reach the model of an encoder."""

    encoder: OpenClipEncoder
    count: int = 0

    def __post_init__(self) -> None:
        encode = self.encoder.encode_prepared

        def counted(batch: object) -> torch.Tensor:
            self.count += len(batch)  # type: ignore[arg-type]
            return encode(batch)

        self.encoder.encode_prepared = counted  # type: ignore[method-assign]


def embedding_seconds(
    encoder: OpenClipEncoder, images: list[LabelledImage], views: int, folder: Path
) -> tuple[float, float]:
    """Seconds to embed all images with an empty cache: of the clock, and of the processor."""
    path = folder / f"{time.monotonic_ns()}.sqlite"
    with EmbeddingCache(path) as cache:
        began = time.perf_counter(), time.process_time()
        embed_images(images, encoder, cache, WHOLE, views=views)
        took = time.perf_counter() - began[0], time.process_time() - began[1]
    path.unlink()
    return took


def embedded_in_turn(encoder: OpenClipEncoder, images: list[LabelledImage], folder: Path) -> int:
    """Pictures that the model sees if 1, 4, 16 and again 16 views are asked for with one cache."""
    counting = Counting(encoder)
    with EmbeddingCache(folder / "one.sqlite") as cache:
        for views in (1, 4, 16, 16):
            embed_images(images, encoder, cache, WHOLE, views=views)
    del encoder.encode_prepared
    return counting.count


def questions_of(encoder: LocalEncoder, views: int) -> Questions:
    """Random texts and rules: what they ask changes no time."""
    random = np.random.default_rng(0)
    width = encoder.encode_texts(["a"]).shape[1]
    texts = random.normal(size=(GROUPS * OPTIONS, width)).astype(np.float32)
    rules = np.eye(OPTIONS, dtype=np.float32)[random.integers(OPTIONS, size=(CLASSES, GROUPS))].reshape(CLASSES, -1)
    return Questions.of(
        texts / np.linalg.norm(texts, axis=1, keepdims=True),
        (OPTIONS,) * GROUPS,
        rules,
        shown=[range(views)] * GROUPS,
        scale=encoder.logit_scale,
        views=views,
    )


def image_seconds(encoder: OpenClipEncoder, images: list[LabelledImage], views: int, adapt: str) -> float:
    """Seconds for each image from its file to its features, with what is trained on its views."""
    questions, digests = questions_of(encoder, views), [image.digest for image in images]
    began = time.perf_counter()
    pictures = [open_picture(image) for image in images]
    features = embed_pictures(encoder, pictures, digests, views, questions if adapt == "lora" else None)
    if adapt == "prompt":
        for _ in adapted_texts(questions, features):
            pass
    if encoder.device == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - began) / len(images)


def table(encoder: OpenClipEncoder, images: list[LabelledImage]) -> None:
    """Print the milliseconds for each image with each setting."""
    print(f"{encoder.name} on {encoder.device}, {encoder.precision}, {len(images)} images")
    image_seconds(encoder, images[:4], 1, "none")
    plain = image_seconds(encoder, images, 1, "none")
    for views, adapt in (
        (1, "none"),
        (4, "none"),
        (16, "none"),
        (4, "prompt"),
        (16, "prompt"),
        (4, "lora"),
        (16, "lora"),
    ):
        image_seconds(encoder, images[:4], views, adapt)
        took = image_seconds(encoder, images, views, adapt)
        name = f"{views} views" + (f", {adapt}" if adapt != "none" else "")
        print(f"  {name:18} {1000 * took:8.2f} ms an image = {took / plain:6.1f} x one view")


def make_transformers_model(kind: str, folder: Path) -> Path:
    """A folder of transformers with a model of random weights, and a tokenizer of one word."""
    import transformers
    from tokenizers import Tokenizer, models

    transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    vision = {"patch_size": 32, "image_size": 224}
    if kind == "clip":
        model = transformers.CLIPModel(transformers.CLIPConfig(vision_config=vision))
        processor = transformers.CLIPImageProcessor()
    else:
        model = transformers.SiglipModel(transformers.SiglipConfig(vision_config=vision))
        processor = transformers.SiglipImageProcessor()
    words = Tokenizer(models.WordLevel({"<pad>": 0, "<unk>": 1, "a": 2}, unk_token="<unk>"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="<pad>", unk_token="<unk>")
    for part in (model, processor, tokenizer):
        part.save_pretrained(folder)
    return folder


def peft_against_copies(kind: str, folder: Path, images: list[LabelledImage], rounds: int, device: str) -> None:
    """Print both as multiples of a plain pass over the same views: time of the clock, and of the processor."""
    encoder = TransformersEncoder(str(make_transformers_model(kind, folder / kind)), shown=kind, device=device)
    questions, pictures = questions_of(encoder, 4), [open_picture(image) for image in images]
    digests = [image.digest for image in images]

    def took(asked: Questions | None) -> tuple[float, float]:
        began = time.perf_counter(), time.process_time()
        embed_pictures(encoder, pictures, digests, 4, asked)  # returns arrays of NumPy, so a GPU is done
        return time.perf_counter() - began[0], time.process_time() - began[1]

    ratios: dict[tuple[str, str], list[float]] = {}
    for number in range(rounds + 1):  # the first warms up
        plain = took(None)
        for method in ("peft", "copies"):
            encoder.uses_peft = method == "peft"
            for clock, trained, untrained in zip(("time", "processor"), took(questions), plain, strict=True):
                if number:
                    ratios.setdefault((method, clock), []).append(trained / untrained)
    for (method, clock), found in ratios.items():
        each = ", ".join(f"{ratio:.2f}" for ratio in sorted(found))
        print(f"{kind} on {encoder.device}, {method}, {clock}: {statistics.median(found):.2f} x a plain pass ({each})")


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of more computation for each image.")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cpu")
    parser.add_argument("--count", type=int, default=256, help="images")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--few", type=int, default=16, help="images of the table of settings on a CPU")
    parser.add_argument("--model", action="append", help="with random weights; on cuda ViT-B-32 and ViT-L-14")
    parser.add_argument("--peft", action="store_true", help="peft against copies of the weights")
    args = parser.parse_args()
    if args.device == "cuda" and not torch.cuda.is_available():
        print("no cuda device here, so nothing is measured")
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        images = draw_all(folder / "images", args.few if args.peft else args.count)
        if args.peft:
            for kind in ("clip", "siglip"):
                peft_against_copies(kind, folder, images, args.rounds, args.device)
            return
        encoder = open_encoder(EncoderSettings(device=args.device), folder)
        assert isinstance(encoder, OpenClipEncoder)
        embedding_seconds(encoder, images[:64], 4, folder)
        clocks = ("time", "seconds of the processor")
        ratios: dict[tuple[int, str], list[float]] = {(views, clock): [] for views in (4, 16) for clock in clocks}
        for _ in range(args.rounds):
            one = embedding_seconds(encoder, images, 1, folder)
            for views in (4, 16):
                took = embedding_seconds(encoder, images, views, folder)
                for clock, here, there in zip(clocks, took, one, strict=True):
                    ratios[views, clock].append(here / there)
        for (views, clock), found in ratios.items():
            print(f"{views} views against 1, {clock}: {', '.join(f'{ratio:.2f}' for ratio in sorted(found))}")
        some = images[:64]
        seen = embedded_in_turn(encoder, some, folder)
        each = f"{seen / len(some) / 16:.2f}"
        print(f"{len(some)} images with 1, 4, 16 and again 16 views: the model sees {seen} pictures, {each} a view")
        for clock in clocks:
            print(f"row: embedding with 4 views / 1, {clock} | {statistics.median(ratios[4, clock]):.2f} | at most 4.2")
        print(f"row: pictures embedded for each view, over four runs | {each} | 1.00")
        few = images if args.device == "cuda" else images[: args.few]
        table(encoder, few)
        for model in args.model or (("ViT-B-32", "ViT-L-14") if args.device == "cuda" else ()):
            made = make_model(model, folder / model)
            table(OpenClipEncoder(f"local-dir:{made}", shown=f"{model} (random)", device=args.device), few)


if __name__ == "__main__":
    main()
