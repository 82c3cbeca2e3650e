"""The name baseline against clip_benchmark 1.6.2: same drawings, same model, the same answer for every image."""

import gc
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

from treegen.config.settings import ImageSettings
from treegen.resources import sketchbook_dir
from treegen.workflow.workspace import Workspace

# Not imported here: scikit-learn, which it imports, takes more than a second when tests are collected.
pytestmark = pytest.mark.skipif(find_spec("clip_benchmark") is None, reason="clip_benchmark is not installed")


@pytest.fixture(scope="module")
def shards(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The drawings in the layout that clip_benchmark exports and reads."""
    import webdataset

    folder = tmp_path_factory.mktemp("shards")
    domain = Workspace(drawn / "tree.json").domain
    template = domain.name_template.replace("{noun}", domain.noun).replace("{name}", "{c}")
    (folder / "classnames.txt").write_text("\n".join(domain.classes), encoding="utf-8")
    (folder / "zeroshot_classification_templates.txt").write_text(template, encoding="utf-8")
    (folder / "test").mkdir()
    (folder / "test" / "nshards.txt").write_text("2", encoding="utf-8")
    paths = [
        (p, label) for label, name in enumerate(domain.classes) for p in sorted((drawn / "images" / name).iterdir())
    ]
    for shard in range(2):
        with webdataset.TarWriter(str(folder / "test" / f"{shard}.tar")) as writer:
            for number, (path, label) in enumerate(paths[shard::2]):
                writer.write({"__key__": f"s{shard}{number:06d}", "png": path.read_bytes(), "cls": label})
    return folder


def theirs(folder: Path) -> tuple[torch.Tensor, torch.Tensor]:
    """Predictions and labels (B) of clip_benchmark, in the order of the shards."""
    import open_clip
    from clip_benchmark.datasets.builder import build_wds_dataset
    from clip_benchmark.metrics import zeroshot_classification as zeroshot

    source = f"local-dir:{sketchbook_dir() / 'clip'}"
    model, _, transform = open_clip.create_model_and_transforms(source)
    dataset = build_wds_dataset("sketchbook", transform, split="test", data_dir=str(folder))
    loader = torch.utils.data.DataLoader(dataset.batched(64), batch_size=None, num_workers=0)
    tokenizer = open_clip.get_tokenizer(source)
    classifier = zeroshot.zero_shot_classifier(
        model.eval(), tokenizer, dataset.classes, dataset.templates, "cpu", amp=False
    )
    logits, labels = zeroshot.run_classification(model, classifier, loader, "cpu", amp=False)
    del loader, dataset
    gc.collect()  # it leaves its files to the collector
    return logits.argmax(axis=1), labels


@pytest.fixture
def workspace(drawn: Path, shards: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workspace]:
    """The sketchbook, with the shards as its images."""
    monkeypatch.setenv("TREEGEN_TRUST", str(tmp_path))
    text = (drawn / "domain.toml").read_text(encoding="utf-8")
    text = text.replace('folder = "images"', f'shards = "{shards}/test/*.tar"')
    (tmp_path / "domain.toml").write_text(text, encoding="utf-8")
    (tmp_path / "classes.txt").write_bytes((drawn / "classes.txt").read_bytes())
    with Workspace(tmp_path / "tree.json") as opened:
        yield opened


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:WebDataset.shardshuffle", "ignore:unclosed file:ResourceWarning")
def test_the_name_baseline_agrees_image_by_image(workspace: Workspace, shards: Path) -> None:
    predicted, labels = theirs(shards)
    evaluator = workspace.evaluator
    own = {
        (image.path.name, image.member): (prediction, label)
        for part in evaluator.splits.values()
        for image, prediction, label in zip(part.images, evaluator.baseline(part), part.labels, strict=True)
    }
    in_their_order = [own[key] for key in sorted(own)]
    assert workspace.domain.images == ImageSettings(shards=shards / "test" / "*.tar")
    assert len(in_their_order) == len(labels) == 104
    assert [label for _, label in in_their_order] == labels.tolist()
    assert [prediction for prediction, _ in in_their_order] == predicted.tolist()
    assert sum(p == t for p, t in in_their_order) == int((predicted == labels).sum()) > 0
    assert len(set(predicted.tolist())) > 2  # or agreeing would be easy
