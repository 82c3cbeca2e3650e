"""`treegen import`: a tree, a report, an exit code."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Run, revisions_of
from tests.exchange.conftest import ARTICLE
from treegen.tree.validation.checks import check_file

PHRASES = {"Siamese": ["short, fine coat", "blue eyes"], "Persian": ["long, silky coat", "round eyes"]}


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "answer.md"
    path.write_text(ARTICLE, encoding="utf-8")
    return path


def test_a_file_becomes_a_tree(run: Run, source: Path, tmp_path: Path) -> None:
    """The report on stdout, the file written, the revision kept; the whole report in a file."""
    out, report = tmp_path / "t.json", tmp_path / "report.md"
    done = run("import", source, "-o", out, "--report", report)
    assert done.code == 0, done.err
    assert "a tree in Python or fenced JSON" in done.out
    assert f"wrote {out}" in done.out
    assert not [p for p in check_file(out).problems if p.severity == "error"]
    assert [r.author for r in revisions_of(out)] == ["import"]
    assert "## Contradictions" in report.read_text(encoding="utf-8")


def test_json_is_one_object(run: Run, source: Path, tmp_path: Path) -> None:
    told = json.loads(run("import", source, "-o", tmp_path / "t.json", "--json").out)
    assert (told["written"], told["revision"], told["groups"]) == (str(tmp_path / "t.json"), 1, 2)


def test_the_domain_decides_name_place_and_exit_code(run: Run, source: Path, tmp_path: Path) -> None:
    """With --domain the tree goes beside it; a class that the file does not have is an error to repair: exit 1."""
    folder = tmp_path / "pond"
    folder.mkdir()
    (folder / "domain.toml").write_text('name = "pond"\nclasses = ["Newt", "Swan", "Eel", "Frog"]\n', encoding="utf-8")
    done = run("import", source, "--domain", folder)
    assert done.code == 1
    assert "Classes of the domain that the file does not have (1)\n  Frog" in done.out
    assert "error TG201" in done.out
    assert "1 error to repair" in done.err
    assert check_file(folder / "tree.json").document is not None


@pytest.mark.parametrize(("name", "content"), [("p.json", json.dumps(PHRASES)), ("p.csv", "class,coat\nPug,short\n")])
def test_what_is_not_a_tree_names_notes(run: Run, tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text(content, encoding="utf-8")
    done = run("import", path, "-o", tmp_path / "t.json")
    assert (done.code, done.out) == (2, "")
    assert f"{path}: not a tree" in done.err
    assert f"treegen draft DOMAIN --notes {path}" in done.err
    assert not (tmp_path / "t.json").exists()


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
    assert source.read_text(encoding="utf-8") == ARTICLE
    assert not (source.parent / "x.json").exists()
    assert run("import", source, "-o", tree_file, "--force").code == 1  # its classes are not the domain's
    kept = revisions_of(tree_file)
    assert [r.author for r in kept] == ["human", "import"]
    assert json.loads(kept[0].tree)["rules"] == json.loads(TREE)["rules"]


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        (b"", 2, "is empty"),
        (b"\x89PNG1234", 2, "a PNG image"),
        (b'{"a": ["b"', 2, "not a tree"),
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
