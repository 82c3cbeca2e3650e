"""The first score against clip_benchmark 1.6.2 and against the article's loop: same model, same drawings, one run.

All start from a loaded model, files on disk and an empty cache, with one thread for the model, and decode as each
does. clip_benchmark is measured as it computes the same numbers (no mixed precision) without workers and with one
for each core, and as its command does by default (mixed precision, 4 workers). The name baseline must agree image by
image. The article's loop embeds one image, and one group's texts, at a time. Best of several repeats.

The drawings are small, and the model is most of the work; with `--photos` they are JPEG files of 640x480, and decoding
is. What both have to compute bounds the ratio: on as many cores as there are workers, decoding and the model cannot
take less together than the other's two after one another, divided by the cores.
"""

import argparse
import contextlib
import io
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import torch
from rescore import example_tree

from treegen.clip.encoders import open_encoder
from treegen.images import open_picture
from treegen.resources import sketchbook_dir
from treegen.workflow.demo import lay_out
from treegen.workflow.workspace import Workspace

T = TypeVar("T")
SOURCE = f"local-dir:{sketchbook_dir() / 'clip'}"


def timed(run: Callable[[], T]) -> tuple[float, T]:
    """Seconds of a quiet run, and what it gave."""
    began = time.perf_counter()
    with contextlib.redirect_stderr(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = run()
    return time.perf_counter() - began, result


def ours(workspace: Workspace, encoder: Any) -> dict[Path, int]:
    """Predictions of the name baseline from an empty cache."""
    for path in (workspace.path.parent / ".treegen").glob("embeddings*"):
        path.unlink()
    fresh = Workspace(workspace.path)
    fresh.__dict__["encoder"] = encoder  # a cached_property
    parts = fresh.evaluator.splits.values()
    return {i.path: p for part in parts for i, p in zip(part.images, fresh.evaluator.baseline(part), strict=True)}


def root_of(workspace: Workspace) -> Path:
    """The folder of the images."""
    assert workspace.domain.images is not None
    return workspace.domain.images.root


class Drawings(torch.utils.data.Dataset[tuple[Any, int]]):
    """The input of clip_benchmark: prepared pictures with their labels."""

    def __init__(self, workspace: Workspace, transform: Any) -> None:
        self.transform, self.classes = transform, list(workspace.domain.classes)
        root = root_of(workspace)
        self.samples = [(p, k) for k, name in enumerate(self.classes) for p in sorted((root / name).iterdir())]

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        from PIL import Image

        path, label = self.samples[index]
        with Image.open(path) as file:
            return self.transform(file.convert("RGB")), label


def theirs(workspace: Workspace, model: Any, data: Drawings, tokenizer: Any, workers: int, amp: bool) -> list[int]:
    """Predictions of clip_benchmark."""
    from clip_benchmark.metrics import zeroshot_classification as zeroshot

    template = workspace.domain.name_template.replace("{noun}", workspace.domain.noun).replace("{name}", "{c}")
    loader = torch.utils.data.DataLoader(data, batch_size=64, num_workers=workers)
    classifier = zeroshot.zero_shot_classifier(model, tokenizer, data.classes, [template], "cpu", amp=amp)
    logits, _ = zeroshot.run_classification(model, classifier, loader, "cpu", amp=amp)
    predictions: list[int] = logits.argmax(1).tolist()
    return predictions


def article(workspace: Workspace, encoder: Any, tree: Any, count: int) -> None:
    """One image, one group, one class at a time."""
    for path in sorted(root_of(workspace).rglob("*.*g"))[:count]:
        from treegen.images import LabelledImage

        feature = encoder.encode_images([open_picture(LabelledImage(path=path, label=0))])
        scores = dict.fromkeys(tree.classes, 0.0)
        for group in tree.groups:
            texts = encoder.encode_texts([group.prompt.format(option) for option in group.options])
            shares = (encoder.logit_scale * feature @ texts.T).softmax(1)[0].tolist()
            for rule in tree.rules:
                index = dict(rule.answers)[group.name]
                scores[rule.name] += shares[index]
        max(scores, key=scores.__getitem__)


def as_photos(folder: Path) -> None:
    """Makes every drawing a JPEG file of 640x480."""
    from PIL import Image

    for path in folder.rglob("*.png"):
        with Image.open(path) as file:
            file.convert("RGB").resize((640, 480), Image.Resampling.BICUBIC).save(path.with_suffix(".jpg"), quality=90)
        path.unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description="The first score as a share of the time of others.")
    parser.add_argument("--count", type=int, default=60, help="images of each of the 13 classes")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--photos", action="store_true", help="large JPEG files in place of small PNG files")
    args = parser.parse_args()
    import open_clip

    torch.set_num_threads(1)
    model, _, transform = open_clip.create_model_and_transforms(SOURCE)
    model.eval()
    tokenizer = open_clip.get_tokenizer(SOURCE)
    with tempfile.TemporaryDirectory() as name:
        lay_out(Path(name), count=args.count)
        if args.photos:
            as_photos(Path(name) / "images")
        workspace = Workspace(Path(name) / "tree.json")
        encoder = open_encoder(workspace.encoder_settings, workspace.domain.folder)  # one that caches no texts
        data = Drawings(workspace, transform)
        encoder.encode_texts(["warm"])
        cores = os.cpu_count() or 1
        rivals = {
            "0 workers, float32": (0, False),
            f"{cores} workers, float32": (cores, False),
            "4 workers, mixed precision (its default)": (4, True),
        }
        times, predictions = dict.fromkeys(["", *rivals], float("inf")), dict[str, list[int]]()
        for _ in range(args.repeats):  # in turn, so that other load on the machine affects all
            seconds, predicted = timed(lambda: ours(workspace, encoder))
            times[""] = min(times[""], seconds)
            for how, (workers, amp) in rivals.items():
                seconds, predictions[how] = timed(partial(theirs, workspace, model, data, tokenizer, workers, amp))
                times[how] = min(times[how], seconds)
        first, kind = times.pop(""), "JPEG files of 640x480" if args.photos else "drawings of 96x96"
        print(f"first score of {len(data)} {kind} by name: {first:.2f} s = {len(data) / first:.0f} images a second")
        for how, seconds in times.items():
            agreed = sum(
                guess == predicted[path] for guess, (path, _) in zip(predictions[how], data.samples, strict=True)
            )
            print(f"  clip_benchmark, {how}: {seconds:.2f} s; {agreed} of {len(data)} predictions equal")
            print(
                f"row: first score / clip_benchmark 1.6.2, {len(data)} {kind}, {how} | {first / seconds:.2f} | "
                "at most 0.50"
            )
        some = min(60, len(data))
        tree = example_tree(workspace.domain.classes)
        loop, _ = timed(lambda: article(workspace, encoder, tree, some))
        share = (first / len(data)) / (loop / some)
        print(f"  the article's loop over {some} images: {loop:.2f} s")
        print(f"row: first score / the article's loop, an image | {share:.3f} | less than 1")


if __name__ == "__main__":
    main()
