"""`treegen score` with an embedding service, end to end over HTTP, and with a model of transformers."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from PIL import Image

from tests.conftest import Run, trust_all
from tests.embedding_service import COLOURS, KEY, EmbeddingService, serving
from treegen.resources import read_schema

pytestmark = pytest.mark.litellm

CLASSES = {"Rubra": "red", "Virid": "green", "Azura": "blue"}
EACH = 4
_NOTE = r"note: jina_ai/jina-clip-v2 at http://127\.0\.0\.1:\d+/v1: "


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[EmbeddingService]:
    monkeypatch.setenv("JINA_API_KEY", KEY)
    with serving() as running:
        yield running


@pytest.fixture
def tree(tmp_path: Path, service: EmbeddingService) -> Path:
    """Three classes of plain pictures, which differ in colour; a tree that asks for it."""
    for name, colour in CLASSES.items():
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(EACH):
            pixel = tuple(round(200 * share) + 5 * number for share in COLOURS[colour])
            Image.new("RGB", (8, 6), pixel).save(tmp_path / "images" / name / f"{number}.png")
    (tmp_path / "domain.toml").write_text(
        f'name = "pond"\nclasses = {json.dumps(list(CLASSES))}\n[images]\nfolder = "images"\n[split]\nby = "rank"\n'
        f'[encoder]\nname = "jina_ai/jina-clip-v2"\napi_base = "{service.address}"\nprice_in = 1.0\nbatch = 5\n',
        encoding="utf-8",
    )
    group = {"prompt": "it is {}", "options": list(CLASSES.values())}
    rules = {name: {"colour": place} for place, name in enumerate(CLASSES)}
    document = {"domain": "pond", "classification_groups": {"colour": group}, "rules": rules}
    (tmp_path / "tree.json").write_text(json.dumps(document), encoding="utf-8")
    trust_all(tmp_path)
    return tmp_path / "tree.json"


def test_a_tree_is_scored_and_the_second_score_asks_for_nothing_but_the_probes(
    run: Run, tree: Path, service: EmbeddingService
) -> None:
    done = run("score", tree, "--json")
    assert done.code == 0, done.err
    score = json.loads(done.out)
    assert (score["test"]["n"], score["test"]["accuracy"]) == (6, 1.0)
    assert (score["encoder"]["name"], score["encoder"]["logit_scale"]) == ("jina_ai/jina-clip-v2", 100.0)
    assert (score["encoder"]["device"], score["encoder"]["logit_scale_assumed"]) == ("remote", True)
    Draft202012Validator(json.loads(read_schema("score"))).validate(score)
    pictures = [item["image"] for item in service.items if isinstance(item, dict)]
    assert len(pictures) == len(set(pictures)) == 3 * EACH
    assert f"jina_ai/jina-clip-v2 at {service.address}: " in done.err
    assert "$0.000" in done.err
    assert "100 is assumed" in done.err
    service.requests.clear()
    again = run("score", tree, "--json")
    assert json.loads(again.out)["test"] == score["test"]
    assert [len(body["input"]) for body in service.requests] == [2]


def test_an_image_without_numbers_is_left_out_and_named(run: Run, tree: Path, service: EmbeddingService) -> None:
    service.faults = [None, "first not a number"]  # the first request is for the probes
    done = run("score", tree, "--json")
    assert done.code == 0, done.err
    score = json.loads(done.out)
    assert score["images"]["test"] + score["images"]["dev"] == 3 * EACH - 1
    assert len(score["images"]["skipped"]) == 1
    assert "NaN" in score["images"]["skipped"][0]["reason"]


def test_a_service_that_fails_is_an_error_with_exit_code_3(run: Run, tree: Path, service: EmbeddingService) -> None:
    service.faults = [None, 401]
    done = run("score", tree)
    assert done.code == 3
    assert "refused the key (401)" in done.err
    assert KEY not in done.err
    assert "Traceback" not in done.err


def test_a_cap_ends_the_work_and_the_next_run_goes_on_from_there(
    run: Run, tree: Path, service: EmbeddingService
) -> None:
    """3 requests for 12 pictures, one for the probes, more for texts: each run gets 2 further."""
    path = tree.parent / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8") + "max_calls = 3\n", encoding="utf-8")
    done = run("score", tree)
    assert done.code == 3
    assert "max_calls 3 is used up" in done.err
    assert "under [encoder]" in done.err
    for _ in range(9):
        done = run("score", tree)
        if done.code == 0:
            break
    assert done.code == 0, done.err
    sent = [str(item) for item in service.items if isinstance(item, dict)]
    assert len(sent) == len(set(sent)) == 3 * EACH


def test_prompts_that_are_too_long_are_told_before_any_image_is_paid_for(
    run: Run, tree: Path, service: EmbeddingService
) -> None:
    path = tree.parent / "domain.toml"
    path.write_text(path.read_text(encoding="utf-8") + "context_length = 5\n", encoding="utf-8")
    done = run("score", tree)
    assert done.code == 1
    assert "TG120 /classes/0: the name prompt " in done.err  # "a photo of a object: Rubra"
    assert len(service.requests) == 1


def test_single_images_are_labelled_and_the_cost_is_told(run: Run, tree: Path) -> None:
    done = run("classify", tree, tree.parent / "images" / "Azura" / "1.png")
    assert done.code == 0, done.err
    assert "1.png: Azura" in done.out
    assert re.search(_NOTE + "3 requests", done.err)


def test_options_are_compared_by_a_service_too(run: Run, tree: Path, service: EmbeddingService) -> None:
    done = run("check", tree, "--encoder", "jina_ai/jina-clip-v2", "--format", "json")
    assert done.code == 0, done.err
    assert "TG601" not in done.out
    assert all(name in str(service.items) for name in ("it is red", "it is blue"))
    assert re.search(_NOTE + "2 requests", done.err)


def test_what_an_export_and_an_import_cost_is_told(run: Run, tree: Path) -> None:
    done = run("export", tree, "--to", "safetensors", "-o", tree.parent / "t.safetensors")
    assert done.code == 0, done.err
    assert re.search(_NOTE + "2 requests", done.err)
