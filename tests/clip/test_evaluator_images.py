"""What the evaluator embeds and keeps, and what it does with pictures and folders that are not as they should be."""

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from treegen.clip.embedding import embed
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images import LabelledImage, divide, hash_image
from treegen.tree.model import Tree
from treegen.tree.validation.schema import schema_problems

Evaluate = Callable[..., Evaluator]
Draw = Callable[[Path, object], None]


def with_option(tree: Tree, word: str) -> Tree:
    """The tree with the second option of its first group renamed."""
    first, *others = tree.groups
    return replace(tree, groups=(replace(first, options=(first.options[0], word, *first.options[2:])), *others))


def folder_of(domain: Domain) -> Path:
    assert domain.images is not None
    return domain.images.root


def test_every_picture_and_every_text_is_embedded_once(
    domain: Domain, tree: Tree, evaluate: Evaluate, encoder: Any
) -> None:
    evaluator = evaluate(domain)
    evaluator.score(tree)
    evaluator.score(tree, parent=tree)
    assert Counter(encoder.images).most_common(1)[0][1] == 1
    assert len(encoder.images) == 26
    assert Counter(encoder.texts).most_common(1)[0][1] == 1
    assert {*tree.prompts(), *domain.name_prompts()} <= set(encoder.texts)


def test_after_one_option_changed_exactly_one_prompt_is_embedded(
    domain: Domain, tree: Tree, evaluate: Evaluate, encoder: Any
) -> None:
    evaluator = evaluate(domain)
    evaluator.score(tree)
    before = len(encoder.texts)
    evaluator.score(with_option(tree, "violet"), parent=tree)
    assert encoder.texts[before:] == ["This creature is mainly violet."]
    assert len(encoder.images) == 26


def test_a_later_evaluator_embeds_nothing_and_gives_the_same_document(
    domain: Domain, tree: Tree, evaluate: Evaluate, make_encoder: Callable[[int], Any]
) -> None:
    first, second = make_encoder(0), make_encoder(0)
    earlier = evaluate(domain, encoder=first)
    document = earlier.score(tree)
    again = evaluate(domain, encoder=second)
    assert again.score(tree) == document
    for part in ("dev", "test"):
        assert np.array_equal(again.splits[part].features, earlier.splits[part].features)
    assert np.array_equal(again.text_features(tree.prompts()), earlier.text_features(tree.prompts()))
    assert (second.images, second.texts) == ([], [])
    again.score(with_option(tree, "violet"))
    assert second.texts == ["This creature is mainly violet."]


def test_another_encoder_and_another_crop_embed_anew(
    make_domain: Callable[..., Domain], evaluate: Evaluate, make_encoder: Callable[[int], Any]
) -> None:
    counts = {"Abrosk": 4, "Wendle": 4}
    whole, upper = make_domain(counts), make_domain(counts, crop=(0.0, 0.0, 1.0, 0.5))
    first, other, later = make_encoder(0), make_encoder(1), make_encoder(0)
    evaluate(whole, encoder=first)
    evaluate(whole, encoder=other)
    evaluate(upper, encoder=later)
    assert [len(e.images) for e in (first, other, later)] == [8, 8, 8]
    assert all(content.startswith(b"RGB (6, 2) ") for content in later.images)
    assert not set(first.images) & set(later.images)


def test_more_pictures_than_a_batch_keep_their_own_vectors(
    make_domain: Callable[..., Domain], evaluate: Evaluate, make_encoder: Callable[[int], Any]
) -> None:
    domain, encoder = make_domain({"Abrosk": 90, "Wendle": 61}), make_encoder(0)
    told: list[tuple[str, int, int]] = []
    evaluator = evaluate(domain, encoder=encoder, progress=lambda *now: told.append(now))
    read = [("reading images", done, 0) for done in (64, 128)]  # their number is not known before
    assert told == read + [("embedding images", done, 151) for done in (64, 128, 151)]
    assert len(set(encoder.images)) == len(encoder.images) == 151
    expected = {}
    for image in evaluator.images.images:
        with Image.open(image.path) as picture:
            expected[image.path] = make_encoder(0).encode_images([picture])[0]
    divided = Counter(len(part.labels) for part in evaluator.splits.values())
    assert divided == Counter({75: 1, 76: 1})
    rows = {tuple(round(x, 2) for x in row.tolist()) for part in evaluator.splits.values() for row in part.features}
    assert len(rows) == 151
    for vector in expected.values():
        assert any(max(abs(a - b) for a, b in zip(row, vector.tolist(), strict=True)) < 0.01 for row in rows)


def test_features_and_labels_of_a_part_belong_together(
    domain: Domain, evaluate: Evaluate, make_encoder: Callable[[int], Any]
) -> None:
    found = {
        tuple(round(x, 2) for x in row.tolist()): label
        for part in evaluate(domain).splits.values()
        for row, label in zip(part.features, part.labels, strict=True)
    }
    for label, name in enumerate(domain.classes):
        for path in (folder_of(domain) / name).glob("*.png"):
            with Image.open(path) as picture:
                vector = make_encoder(0).encode_images([picture])[0].half().float()
            vector = vector / vector.norm()
            assert found[tuple(round(x, 2) for x in vector.tolist())] == label


def break_pictures(folder: Path) -> dict[Path, str]:
    """Puts in files that cannot be decoded: path -> part of the reason that must be told."""
    whole = (folder / "000.png").read_bytes()
    bomb = Image.new("1", (12_000, 8_000))
    contents = {"a.png": b"no picture", "b.png": whole[: len(whole) // 2], "c.png": b"", "d.JPG": b"\xff\xd8\xff"}
    reasons = {"a.png": "not an image", "b.png": "cannot be decoded", "c.png": "not an image", "d.JPG": "image"}
    for name, data in contents.items():
        (folder / name).write_bytes(data)
    bomb.save(folder / "e.png")
    (folder / "f.png").symlink_to(folder / "missing.png")
    reasons |= {"e.png": "more pixels than is safe", "f.png": "cannot be read"}
    return {folder / name: reason for name, reason in reasons.items()}


def test_broken_pictures_are_skipped_named_and_counted_and_change_no_number(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    before: Any = evaluate(domain).score(tree)
    broken = break_pictures(folder_of(domain) / "Abrosk")
    after: Any = evaluate(domain).score(tree)
    skipped = {folder_of(domain) / entry["path"]: entry["reason"] for entry in after["images"].pop("skipped")}
    assert set(skipped) == set(broken)
    assert [path.name for path, part in broken.items() if part not in skipped[path]] == []
    assert before["images"].pop("skipped") == []
    there, now = before["images"].pop("files"), after["images"].pop("files")
    assert (now["read"], now["found"]) == (there["read"], there["found"] + sum(path.is_file() for path in broken))
    assert after == before
    assert schema_problems(evaluate(domain).score(tree), "score") == []


def test_copies_of_a_broken_picture_are_each_named(domain: Domain, evaluate: Evaluate) -> None:
    paths = [folder_of(domain) / name for name in ("Abrosk/x.png", "Abrosk/y.png", "Quill/z.png")]
    for path in paths:
        path.write_bytes(b"the same text")
    evaluator = evaluate(domain)
    assert [skip.path for skip in evaluator.images.skipped] == paths
    assert len(evaluator.images.images) == 26


def test_pictures_that_are_all_broken_are_an_input_error(domain: Domain, evaluate: Evaluate) -> None:
    for path in folder_of(domain).rglob("*.png"):
        path.write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"the dev split has no images \(images in all: 0, skipped: 26\)") as caught:
        evaluate(domain)
    assert "Abrosk/000.png: not an image" in caught.value.message


def test_copies_of_one_content_are_embedded_once_and_share_a_part(
    make_domain: Callable[..., Domain], evaluate: Evaluate, encoder: Any
) -> None:
    domain = make_domain({"Abrosk": 4, "Wendle": 4})
    for number in range(5):
        shutil.copy(folder_of(domain) / "Abrosk/000.png", folder_of(domain) / f"Abrosk/copy{number}.png")
    evaluator = evaluate(domain)
    assert len(encoder.images) == 8
    assert sorted(len(part.labels) for part in evaluator.splits.values()) == [4, 9]
    larger = max(evaluator.splits.values(), key=lambda part: len(part.labels))
    assert Counter(tuple(row.tolist()) for row in larger.features).most_common(1)[0][1] == 6


def test_the_digest_of_the_images_is_that_of_labels_and_contents_not_of_names(
    domain: Domain, evaluate: Evaluate, draw: Draw
) -> None:
    before = evaluate(domain).images.digest
    (folder_of(domain) / "Abrosk/000.png").rename(folder_of(domain) / "Abrosk/renamed.png")
    assert evaluate(domain).images.digest == before
    (folder_of(domain) / "Abrosk/renamed.png").rename(folder_of(domain) / "Wendle/renamed.png")
    moved = evaluate(domain).images.digest
    draw(folder_of(domain) / "Wendle/renamed.png", "another")
    assert len({before, moved, evaluate(domain).images.digest}) == 3


def test_changed_test_pictures_change_no_number_of_the_dev_part(
    domain: Domain, tree: Tree, evaluate: Evaluate, draw: Draw
) -> None:
    """Whoever sees the dev split (the language model, tuning) learns nothing of the test split."""
    evaluator = evaluate(domain)
    before = evaluator.score(tree, parent=tree)
    parts = divide(evaluator.images.images, domain.classes, domain.split, {})
    for image in evaluator.images.images:
        if parts[image.digest] == "test":
            draw(image.path, f"changed {image.path}")
    after = evaluate(domain, recorded=parts).score(tree, parent=with_option(tree, "violet"))
    assert after["dev"] == before["dev"]
    assert after["images"]["digest"] != before["images"]["digest"]
    assert after["test"]["n"] == 13
    assert (after["test"], after["baseline"]) != (before["test"], before["baseline"])


@pytest.mark.parametrize(("dev", "empty"), [(0.1, "dev"), (0.9, "test")])
def test_an_empty_part_is_an_input_error_that_names_it(
    make_domain: Callable[..., Domain], evaluate: Evaluate, dev: float, empty: str
) -> None:
    told = f"the {empty} split has no images \\(images in all: 4, skipped: 0\\)"
    with pytest.raises(InputError, match=told) as caught:
        evaluate(make_domain({"Abrosk": 2, "Wendle": 2}, dev=dev))
    assert "below [split]" in caught.value.tip


def test_a_domain_without_images_or_with_a_missing_folder_is_an_input_error(
    domain: Domain, evaluate: Evaluate, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match="has no images"):
        evaluate(replace(domain, images=None))
    for folder in (tmp_path / "nowhere", folder_of(domain) / "Abrosk/000.png"):
        with pytest.raises(InputError, match=r"no such image folder|a file, not a folder"):
            evaluate(replace(domain, images=ImageSettings(folder=folder)))
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no image of any of the 5 classes"):
        evaluate(replace(domain, images=ImageSettings(folder=tmp_path / "empty")))


def forbid(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lets listing the folder fail as for a user without the right; root could list it whatever its mode."""

    def guarded(real: Callable[..., Any]) -> Callable[..., Any]:
        def listing(path: Any = ".") -> Any:
            if Path(path) == folder:
                raise PermissionError(errno.EACCES, "Permission denied", str(folder))
            return real(path)

        return listing

    for name in ("scandir", "listdir"):
        monkeypatch.setattr(os, name, guarded(getattr(os, name)))


def test_a_class_folder_that_cannot_be_listed_is_skipped_and_named(
    domain: Domain, tree: Tree, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(folder_of(domain) / "Quill", monkeypatch)
    found = evaluate(domain).score(tree)["images"]
    assert found["skipped"] == [{"path": "Quill", "reason": "the folder cannot be read: Permission denied"}]
    assert found["classes_without_images"] == ["Ilmet", "Quill"]
    assert found["test"] + found["dev"] == 18


def test_an_image_folder_that_cannot_be_listed_is_an_input_error(
    domain: Domain, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    forbid(folder_of(domain), monkeypatch)
    with pytest.raises(InputError, match=r"images: cannot be read: Permission denied"):
        evaluate(domain)


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that were read to hash them."""
    read: list[str] = []

    def noted(image: LabelledImage) -> str:
        read.append(image.name)
        return hash_image(image)

    monkeypatch.setattr(embed, "hash_image", noted)
    return read


def test_an_unchanged_file_is_not_read_again_and_a_changed_one_is(
    domain: Domain, evaluate: Evaluate, hashed: list[str], draw: Draw
) -> None:
    first = evaluate(domain).images
    assert len(hashed) == 26
    assert evaluate(domain).images == first
    assert len(hashed) == 26
    path = folder_of(domain) / "Corvane/002.png"
    size, time = path.stat().st_size, path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    os.utime(path, ns=(time + 1, time + 1))
    assert path.stat().st_size == size
    assert evaluate(domain).images.digest != first.digest
    assert hashed[26:] == ["002.png"]


def test_a_file_of_another_size_is_read_again_even_at_the_same_time(
    domain: Domain, evaluate: Evaluate, hashed: list[str]
) -> None:
    evaluate(domain)
    path = folder_of(domain) / "Quill/003.png"
    time = path.stat().st_mtime_ns
    path.write_bytes(path.read_bytes() + b"more")
    os.utime(path, ns=(time, time))
    evaluate(domain)
    assert hashed[26:] == ["003.png"]


def test_a_file_name_that_is_no_utf8_is_scored_and_can_be_named(
    domain: Domain, tree: Tree, evaluate: Evaluate, hashed: list[str]
) -> None:
    folder = os.fsencode(folder_of(domain) / "Wendle")
    try:
        shutil.copy(folder + b"/000.png", folder + b"/caf\xe9.png")
    except OSError:
        pytest.skip("this file system takes no such names")
    Path(os.fsdecode(folder + b"/br\xf6ken.png")).write_bytes(b"no picture")
    found = evaluate(domain).score(tree)["images"]
    assert found["test"] + found["dev"] == 27
    assert [Path(entry["path"]).name for entry in found["skipped"]] == ["br\\xf6ken.png"]
    assert len(hashed) == 28
    evaluate(domain)
    assert len(hashed) == 28


def test_folders_that_are_no_class_are_told_and_not_scored(domain: Domain, evaluate: Evaluate, draw: Draw) -> None:
    draw(folder_of(domain) / "Stranger/000.png", 1)
    draw(folder_of(domain) / "Abrosk/.hidden.png", 2)
    (folder_of(domain) / "Abrosk/notes.txt").write_text("no picture", encoding="utf-8")
    images = evaluate(domain).images
    assert images.unknown_labels == (("Stranger", 1),)
    assert (len(images.images), images.skipped) == (26, ())
