"""What is kept, what is not done again, and what is told: with the engine of one process."""

import os
import shutil
import subprocess
import sys
import tarfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.batch.conftest import Embed, read_table
from treegen.batch.local_engine import LocalEngine
from treegen.batch.pipeline import open_engine
from treegen.batch.plan import make_plan
from treegen.clip.embedding.cache import EmbeddingCache, image_key, unit_rows
from treegen.clip.encoders import Encoder, open_encoder
from treegen.config.settings import EncoderSettings
from treegen.errors import InputError
from treegen.images import WHOLE, LabelledImage, open_image
from treegen.images.pictures import hash_image
from treegen.progress import Cancelled
from treegen.workflow.score import score_tree
from treegen.workflow.workspace import Workspace


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return open_encoder(EncoderSettings(), Path())


@pytest.fixture
def few(drawn: Path, tmp_path: Path) -> Path:
    """Seven pictures in two folders of no meaning, one of them a copy, one broken, and a text."""
    folder = tmp_path / "few"
    found = sorted((drawn / "images").rglob("*.png"))[::11][:5]
    for number, path in enumerate(found):
        (folder / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, folder / "ab"[number % 2] / f"{number}.png")
    shutil.copy(found[0], folder / "b" / "copy.png")
    (folder / "a" / "broken.png").write_bytes(found[0].read_bytes()[:200])
    (folder / "a" / "notes.txt").write_text("no picture")
    return folder


def slow_vectors(encoder: Encoder, paths: list[Path]) -> np.ndarray:
    """Each picture for itself: (B, D) float16, as the cache keeps them."""
    rows = [unit_rows(encoder.encode_images([open_image(p)]).numpy().astype(np.float16)) for p in paths]
    return np.concatenate(rows).astype(np.float16)


@pytest.mark.slow
def test_the_table_holds_for_every_picture_what_the_encoder_says_of_it_alone(
    few: Path, tmp_path: Path, embed: Embed, encoder: Encoder
) -> None:
    summary = embed(few, output=tmp_path / "out", batch=4)
    table = read_table(tmp_path / "out")
    paths = sorted(p for p in few.rglob("*.png") if p.name != "broken.png")
    assert table.columns["path"] == [str(p.relative_to(few)) for p in paths]
    assert table.columns["digest"] == [hash_image(LabelledImage(path=p, label=0)) for p in paths]
    assert table.columns["label"] == [None] * len(paths)
    assert np.allclose(table.vectors.astype(float), slow_vectors(encoder, paths).astype(float), atol=1e-3)
    assert (summary.counts.embedded, summary.counts.skipped, summary.counts.images) == (6, 1, 7)
    assert [str(s.path) for s in summary.skipped] == ["a/broken.png"]
    assert summary.accuracy is None


@pytest.mark.slow
def test_what_is_in_the_cache_is_not_embedded_again_under_any_name(
    few: Path, tmp_path: Path, embed: Embed, encoder: Encoder
) -> None:
    cache = tmp_path / "cache.sqlite"
    assert embed(few, cache=cache, batch=2).counts.embedded == 6
    assert embed(few, cache=cache).counts.cached == 6
    moved = tmp_path / "moved"
    shutil.copytree(few, moved)
    again = embed(moved, cache=cache)
    assert (again.counts.embedded, again.counts.cached) == (0, 6)
    with_table = embed(moved, cache=cache, output=tmp_path / "out")
    assert (with_table.counts.embedded, with_table.counts.cached) == (0, 6)
    opened = EmbeddingCache(cache)
    table = read_table(tmp_path / "out")
    keys = [image_key(digest, WHOLE) for digest in table.columns["digest"]]
    kept = opened.get(encoder.fingerprint, keys)
    opened.close()
    assert (table.vectors == np.stack([kept[k] for k in keys]).astype(np.float16)).all()


@pytest.mark.slow
def test_a_table_from_the_cache_and_one_without_are_equal_to_the_bit(few: Path, tmp_path: Path, embed: Embed) -> None:
    embed(few, output=tmp_path / "plain")
    embed(few, cache=tmp_path / "cache.sqlite")
    embed(few, cache=tmp_path / "cache.sqlite", output=tmp_path / "cached")
    assert (read_table(tmp_path / "plain").vectors == read_table(tmp_path / "cached").vectors).all()


@pytest.mark.slow
def test_rows_that_are_written_stay_and_a_changed_file_gets_a_new_one(few: Path, tmp_path: Path, embed: Embed) -> None:
    out = tmp_path / "out"
    embed(few, output=out, batch=2, rows=2)
    assert len(list(out.glob("*.parquet"))) == 3
    before = read_table(out)
    shutil.copy(few / "a" / "0.png", few / "a" / "2.png")
    os.utime(few / "a" / "2.png", ns=(1, 1))
    summary = embed(few, output=out)
    assert (summary.counts.embedded, summary.counts.finished) == (1, 5)
    after = read_table(out)
    assert after.columns["path"] == before.columns["path"]
    changed = [
        p for p, a, b in zip(after.columns["path"], after.vectors, before.vectors, strict=True) if (a != b).any()
    ]
    assert changed == ["a/2.png"]
    assert embed(few, output=out).counts.finished == 6


@pytest.mark.slow
def test_what_was_done_before_a_cancellation_is_kept(few: Path, tmp_path: Path, embed: Embed) -> None:
    def stop(task: str, done: int, total: int) -> None:
        if task == "embedding images" and done >= 4:
            raise Cancelled

    for out in ({"output": tmp_path / "out"}, {"cache": tmp_path / "cache.sqlite"}):
        with pytest.raises(Cancelled):
            embed(few, batch=2, progress=stop, **out)
        rest = embed(few, **out).counts
        assert 0 < rest.embedded < 6
        assert rest.embedded + rest.cached + rest.finished == 6


KILLED = """
import sys
from pathlib import Path
from treegen.config.settings import EncoderSettings
from treegen.batch.local_engine import LocalEngine
from treegen.batch.plan import make_plan
from treegen.batch.pipeline import embed_images
plan = make_plan(Path(sys.argv[1]), output=Path(sys.argv[2]))
embed_images(plan, LocalEngine(), EncoderSettings(), batch=4, rows=8, progress=lambda *step: print(*step, flush=True))
"""


@pytest.mark.slow
def test_after_a_kill_only_the_rest_is_embedded(drawn: Path, tmp_path: Path, embed: Embed) -> None:
    out, images = tmp_path / "out", drawn / "images"
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(images), str(out)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process, process.stdout as told:
        next(line for line in told if line.startswith("embedding images 20 "))
        process.kill()
    there = len(read_table(out).vectors)
    assert 16 <= there < 104
    counts = embed(images, output=out).counts
    assert (counts.finished, counts.embedded) == (there, 104 - there)
    assert len(set(read_table(out).columns["path"])) == 104


def test_leftovers_of_a_killed_run_are_no_rows(few: Path, tmp_path: Path, embed: Embed) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / ".writing-0123").write_bytes(b"half a file")
    assert embed(few, output=out).counts.embedded == 6
    assert [p.suffix for p in out.iterdir()] == [".parquet"]


@pytest.mark.slow
def test_rows_of_another_crop_or_tree_are_refused(
    sketchbook: Path, tree_file: Path, tmp_path: Path, embed: Embed
) -> None:
    embed(sketchbook / "images" / "Wendle", output=tmp_path / "out")
    with pytest.raises(InputError, match="a different tree"):
        embed(sketchbook, output=tmp_path / "out", tree=tree_file)
    file = next((tmp_path / "out").glob("*.parquet"))
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(InputError, match="cannot be read"):
        embed(sketchbook / "images" / "Wendle", output=tmp_path / "out")


@pytest.mark.slow
def test_the_answers_and_the_accuracy_are_those_of_treegen_score(
    sketchbook: Path, tree_file: Path, tmp_path: Path, embed: Embed
) -> None:
    summary = embed(sketchbook, output=tmp_path / "out")
    workspace = Workspace(tree_file)
    score = score_tree(workspace).score["test"]
    assert summary.accuracy is not None
    assert {key: summary.accuracy[key] for key in ("n", "correct", "interval")} == {
        key: score[key] for key in ("n", "correct", "interval")
    }
    assert (summary.accuracy["part"], summary.accuracy["left_out"]) == ("test", 52)
    tree, evaluator = workspace.load()[0], workspace.evaluator
    table = read_table(tmp_path / "out").columns
    rows = {path: number for number, path in enumerate(table["path"])}
    dev = evaluator.splits["dev"]
    answers = evaluator.answer(tree, dev.features)
    for image, predicted, scores, row in zip(
        dev.images, answers.predictions, answers.scores, answers.probabilities, strict=True
    ):
        number = rows[image.below(sketchbook / "images")]
        assert table["label"][number] == workspace.domain.classes[image.label]
        assert table["predicted"][number] == workspace.domain.classes[predicted]
        assert table["score"][number] == pytest.approx(float(scores.max()), abs=1e-5)
        form = row[9:16]
        said = table["answers"][number]["form"]
        assert said["option"] == tree.groups[1].options[int(form.argmax())]
        assert said["probability"] == pytest.approx(float(form.max()), abs=1e-5)
    workspace.close()


@pytest.mark.slow
@pytest.mark.parametrize("lines", ['rule = "vote"', 'rule = "temperature"\n[decision.parameters]\ntemperature = 3.0'])
def test_a_decision_rule_of_the_domain_decides_and_its_accuracy_is_a_look_at_the_test_part(
    sketchbook: Path, tree_file: Path, tmp_path: Path, embed: Embed, lines: str
) -> None:
    """The same rule as in a score, so that the two are one look."""
    domain = sketchbook / "domain.toml"
    domain.write_text(f"{domain.read_text(encoding='utf-8')}\n[decision]\n{lines}\n", encoding="utf-8")
    found = embed(sketchbook, output=tmp_path / "out").accuracy
    with Workspace(tree_file) as workspace:
        score = score_tree(workspace).score
    assert found is not None
    assert found["correct"] == score["test"]["correct"]
    assert score["test_looks"] == 1


@pytest.mark.slow
def test_a_decision_rule_that_has_learnt_nothing_and_a_sealed_test_part_are_respected(
    sketchbook: Path, tree_file: Path, tmp_path: Path, embed: Embed
) -> None:
    domain = sketchbook / "domain.toml"
    before = domain.read_text(encoding="utf-8")
    domain.write_text(f'{before}\n[decision]\nrule = "temperature"\n', encoding="utf-8")
    with pytest.raises(InputError, match="has not learned its parameters"):
        embed(sketchbook, output=tmp_path / "out")
    domain.write_text(before.replace("[split]\n", "[split]\nsealed = true\n"), encoding="utf-8")
    assert embed(sketchbook, output=tmp_path / "out").accuracy is None


@pytest.mark.slow
def test_pictures_that_are_not_the_domains_own_count_but_for_those_that_it_has_itself(
    sketchbook: Path, tree_file: Path, tmp_path: Path, embed: Embed
) -> None:
    workspace = Workspace(tree_file)
    evaluator = workspace.evaluator
    mixed = [*evaluator.splits["dev"].images[:3], *evaluator.splits["test"].images[:2]]
    lines = [f"{i.path},{workspace.domain.classes[i.label]}," for i in mixed]
    for number, part in enumerate(("", "test", "", "train")):
        Image.new("RGB", (9, 8), (60 * number, 9, 7)).save(tmp_path / f"{number}.png")
        lines.append(f"{number}.png,Wendle,{part}")
    manifest = tmp_path / "mixed.csv"
    manifest.write_text("\n".join(["path,label,split", *lines]) + "\n", encoding="utf-8")
    found = embed(manifest, output=tmp_path / "out", tree=tree_file).accuracy
    assert found is not None
    assert (found["part"], found["n"], found["left_out"]) == ("all", 3, 6)
    workspace.close()


@pytest.mark.slow
def test_rows_of_pictures_that_are_gone_do_not_count_and_a_mended_label_does(
    sketchbook: Path, tree_file: Path, tmp_path: Path, embed: Embed
) -> None:
    for number in range(3):
        Image.new("RGB", (9, 8), (60 * number, 9, 7)).save(tmp_path / f"{number}.png")
    manifest, out = tmp_path / "some.csv", tmp_path / "out"

    def found(*labels: str) -> tuple[int, int, int]:
        """Embedded, n and correct."""
        lines = [f"{number}.png,{label}" for number, label in enumerate(labels)]
        manifest.write_text("\n".join(["path,label", *lines]) + "\n", encoding="utf-8")
        summary = embed(manifest, output=out, tree=tree_file, cache=tmp_path / "cache.sqlite")
        assert summary.accuracy is not None
        return summary.counts.embedded, summary.accuracy["n"], summary.accuracy["correct"]

    wrong = ["Wendle"] * 3
    assert found(*wrong)[:2] == (3, 3)
    said = read_table(out).columns["predicted"]
    assert found(*said) == (0, 3, 3)
    assert found(*said[:2]) == (0, 2, 2)
    assert len(read_table(out).columns["path"]) == 3


@pytest.mark.slow
def test_a_set_of_one_split_is_divided_as_for_a_score(
    sketchbook: Path, tree_file: Path, tmp_path: Path, embed: Embed
) -> None:
    """Called `train` as a whole, it has a test split all the same."""
    shutil.move(sketchbook / "images", sketchbook / "set")
    (sketchbook / "images").mkdir()
    shutil.move(sketchbook / "set", sketchbook / "images" / "train")
    domain = sketchbook / "domain.toml"
    domain.write_text(domain.read_text(encoding="utf-8").replace("folder =", "hf ="), encoding="utf-8")
    found = embed(sketchbook, output=tmp_path / "out").accuracy
    with Workspace(tree_file) as workspace:
        score = score_tree(workspace).score
    assert found is not None
    assert (found["n"], found["correct"]) == (score["test"]["n"], score["test"]["correct"])


def test_labels_of_a_manifest_go_into_the_table_also_without_a_domain(few: Path, tmp_path: Path, embed: Embed) -> None:
    manifest = few / "list.csv"
    manifest.write_text("path,label,split\na/0.png,Wren,test\nb/1.png,Robin,train\n", encoding="utf-8")
    embed(manifest, output=tmp_path / "out")
    table = read_table(tmp_path / "out").columns
    assert (table["path"], table["label"], table["part"]) == (
        ["a/0.png", "b/1.png"],
        ["Wren", "Robin"],
        ["test", "dev"],
    )


def test_a_manifest_needs_no_labels_and_may_leave_some_out(few: Path, tmp_path: Path, embed: Embed) -> None:
    for name, lines, labels in (
        ("bare", ["path", "a/0.png", "b/1.png"], [None, None]),
        ("some", ["path,label", "a/0.png,Wren", "b/1.png,"], ["Wren", None]),
    ):
        manifest = few / f"{name}.csv"
        manifest.write_text("\n".join(lines) + "\n", encoding="utf-8")
        embed(manifest, output=tmp_path / name)
        assert read_table(tmp_path / name).columns["label"] == labels


@pytest.mark.slow
def test_pictures_in_shards_are_embedded_once_under_any_name(few: Path, tmp_path: Path, embed: Embed) -> None:
    shard, cache = tmp_path / "part-0.tar", tmp_path / "cache.sqlite"
    with tarfile.open(shard, "w") as tar:
        for number, path in enumerate(sorted((few / "a").glob("[0-9].png"))):
            for suffix, data in ((".png", path.read_bytes()), (".cls", b"7")):
                member = tarfile.TarInfo(f"{number:04}{suffix}")
                member.size = len(data)
                tar.addfile(member, BytesIO(data))
    embed(few, cache=cache)
    counts = embed(shard, cache=cache, output=tmp_path / "out").counts
    assert (counts.cached, counts.embedded) == (3, 0)
    table = read_table(tmp_path / "out").columns
    assert (table["path"], table["label"]) == ([f"part-0.tar/000{n}.png" for n in range(3)], ["7"] * 3)
    assert embed(shard, cache=cache, output=tmp_path / "out").counts.finished == 3


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({}, "no destination"),
        ({"output": "few/a/0.png"}, "is a file"),
        ({"output": "out", "tree": "nowhere/tree.json"}, "domain.toml"),
        ({"tree": "tree.json"}, "a folder for the answers"),
    ],
)
def test_requests_that_cannot_be_followed_say_why(
    few: Path, tmp_path: Path, embed: Embed, arguments: dict[str, str], told: str
) -> None:
    with pytest.raises(InputError, match=told):
        embed(few, **{key: tmp_path / value for key, value in arguments.items()})


@pytest.mark.slow
def test_a_folder_without_a_picture_that_can_be_read_is_an_error(few: Path, tmp_path: Path, embed: Embed) -> None:
    for path in few.rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"no image can be embedded; 7 skipped, first a/0\.png"):
        embed(few, LocalEngine(2), output=tmp_path / "out")
    with pytest.raises(InputError, match="no such folder or file"):
        embed(tmp_path / "nowhere", output=tmp_path / "out")


@pytest.mark.parametrize(("workers", "own", "many"), [(None, None, None), (None, 3, 3), (2, 3, 2), (0, 3, 0)])
def test_the_local_engine_has_as_many_processes_as_are_asked_for_or_as_the_domain_says(
    few: Path, tmp_path: Path, workers: int | None, own: int | None, many: int | None
) -> None:
    domain = tmp_path / "domain.toml"
    text = f'name = "pond"\nclasses = ["a", "b"]\n[images]\nfolder = "few"\nworkers = {own}\n'
    domain.write_text(text, encoding="utf-8")
    plan = make_plan(few, output=tmp_path / "out", domain=None if own is None else domain)
    engine = open_engine("local", plan, workers)
    assert isinstance(engine, LocalEngine)
    assert engine._workers == many


def test_ray_needs_a_worker(few: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ray needs at least one"):
        open_engine("ray", make_plan(few, output=tmp_path / "out"), 0)
