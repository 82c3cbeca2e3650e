"""`treegen import`: a tree, a report, an exit code."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Run, revisions_of
from tests.exchange.conftest import ARTICLE, PETS
from treegen.tree.validation.checks import check_file

PHRASES = {name: phrases for name, phrases in PETS.items() if name != "Boxer"}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "pets.json"
    path.write_text(json.dumps(PHRASES), encoding="utf-8")
    return path


def test_a_descriptor_file_becomes_a_tree(run: Run, source: Path, tmp_path: Path) -> None:
    """Groups and counts on stdout, the file written, the revision kept; a whole report in a file."""
    out, report = tmp_path / "t.json", tmp_path / "report.md"
    done = run("import", source, "-o", out, "--report", report)
    assert done.code == 0, done.err
    assert "a list of phrases for each class" in done.out
    assert "Group eyes: A photo of an object with {}." in done.out
    assert f"wrote {out}" in done.out
    assert not [p for p in check_file(out).problems if p.severity == "error"]
    assert [r.author for r in revisions_of(out)] == ["import"]
    assert "## Dropped" in report.read_text(encoding="utf-8")


def test_json_is_one_object(run: Run, source: Path, tmp_path: Path) -> None:
    told = json.loads(run("import", source, "-o", tmp_path / "t.json", "--json", "--groups", 2).out)
    assert (told["written"], told["revision"], len(told["groups"])) == (str(tmp_path / "t.json"), 1, 2)
    n = told["phrases"]
    assert n["placed"] + n["dropped"] + n["unplaced"] == n["read"]


def test_the_domain_decides_name_place_and_exit_code(run: Run, source: Path, tmp_path: Path) -> None:
    """With --domain the tree goes beside it; a class that the domain does not have is an error to repair: exit 1."""
    folder = tmp_path / "pets"
    folder.mkdir()
    names = json.dumps([*PHRASES, "Tabby"])
    (folder / "domain.toml").write_text(f'name = "pets"\nnoun = "pet"\nclasses = {names}\n', encoding="utf-8")
    done = run("import", source, "--domain", folder)
    assert done.code == 1
    assert "Classes of the domain that the file does not have (1)\n  Tabby" in done.out
    assert "error TG201" in done.out
    assert "1 error to repair" in done.err
    assert check_file(folder / "tree.json").document is not None


def test_an_encoder_groups_by_its_texts(run: Run, source: Path, tmp_path: Path) -> None:
    done = run("import", source, "-o", tmp_path / "t.json", "--encoder", "bundled")
    assert done.code in (0, 1), done.err
    assert "the text side of bundled" in done.out
    assert "sketchbook" in done.err


def test_the_articles_format(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "answer.md"
    source.write_text(ARTICLE, encoding="utf-8")
    done = run("import", source, "-o", tmp_path / "t.json")
    assert done.code == 0
    assert "Contradictions (2)" in done.out
    assert "domain pond (from the file's key pond_rules)" in done.out


def test_nothing_is_replaced_unasked(run: Run, source: Path, tree_file: Path) -> None:
    before = tree_file.read_bytes()
    done = run("import", source, "-o", tree_file)
    assert (done.code, "--force" in done.err, tree_file.read_bytes()) == (2, True, before)
    assert run("import", source, "-o", source).code == 2
    assert run("import", source, "-o", source.parent / "x.json", "--report", source, "--force").code == 2
    assert json.loads(source.read_text(encoding="utf-8")) == PHRASES
    assert not (source.parent / "x.json").exists()
    assert run("import", source, "-o", tree_file, "--force").code == 1
    kept = revisions_of(tree_file)
    assert [r.author for r in kept] == ["human", "import"]
    assert json.loads(kept[0].tree)["rules"] == json.loads(TREE)["rules"]


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"", 2, "is empty"),
        (b"\x89PNG1234", 2, "a PNG image"),
        (b'{"a": ["b"', 2, "line 1, column 11"),
        (b'{"a": ["red"], "b": ["red"]}', 1, "no group"),
        (b'{"classification_groups": {"a": {"prompt": "x", "options": 5}}, "rules": {}}', 1, "TG110"),
    ],
)
def test_bad_input_is_one_message(run: Run, tmp_path: Path, content: bytes, code: int, told: str) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    done = run("import", path, "-o", tmp_path / "t.json")
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert str(path) in done.err
    assert not (tmp_path / "t.json").exists()
