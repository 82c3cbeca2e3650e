"""The commands as a user types them: exit codes, stdout and stderr, and what is left on disk."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Run
from treegen.tree.document import digest_of
from treegen.tree.keywords import schema_problems
from treegen.tree.model import Tree
from treegen.tree.validation import check_file


def load_tree(path: Path) -> Tree:
    """The tree of a file that has the types of one."""
    document = check_file(path).document
    assert document is not None
    return document.tree


def test_help_lists_every_command(run: Run) -> None:
    """`treegen --help` names all commands and exits 0."""
    done = run("--help")
    assert done.code == 0
    for name in ("demo", "init", "draft", "check", "score", "revise", "log", "classify", "schema"):
        assert f"\n  {name} " in done.out


@pytest.mark.parametrize("name", ["demo", "init", "draft", "check", "score", "revise", "log", "classify", "schema"])
def test_each_command_has_help(run: Run, name: str) -> None:
    """Every command explains itself."""
    done = run(name, "--help")
    assert done.code == 0
    assert done.out.startswith("Usage: treegen")


def test_unknown_command_is_wrong_usage(run: Run) -> None:
    """Exit code 2, and the word that was not understood."""
    done = run("frobnicate")
    assert (done.code, done.out) == (2, "")
    assert "frobnicate" in done.err


def test_schema_prints_each_and_lists_all(run: Run) -> None:
    """`schema NAME` prints JSON on stdout, `schema` alone the names."""
    names = run("schema").out.split()
    assert names == ["domain", "score", "tree"]
    for name in names:
        assert json.loads(run("schema", name).out)["$id"] == f"urn:treegen:{name}:1"
    assert run("schema", "nonsense").code == 2


def test_check_reports_every_problem_and_exits_1(run: Run, tree_file: Path) -> None:
    """Three independent faults of one file are all named, with code and pointer."""
    data = json.loads(TREE)
    data["rules"]["Zandoor"]["size"] = 7
    del data["rules"]["Ulvar"]
    data["classification_groups"]["mark"]["prompt"] = "no place"
    tree_file.write_text(json.dumps(data), encoding="utf-8")
    done = run("check", tree_file)
    assert done.code == 1
    for expected in ("TG112 /rules/Zandoor/size", "TG201 /rules", "TG110 /classification_groups/mark/prompt"):
        assert expected in done.out


def test_check_fix_writes_the_digest_and_nothing_else(run: Run, tree_file: Path) -> None:
    """A tree without a digest is a warning (exit 0); --fix writes it and the canonical text; then nothing is left."""
    before = load_tree(tree_file)
    first = run("check", tree_file)
    assert first.code == 0
    assert "TG301" in first.out
    run("check", "--fix", tree_file)
    again = run("check", tree_file)
    assert (again.code, again.out) == (0, f"{tree_file}: 0 errors, 0 warnings\n")
    assert load_tree(tree_file) == before
    assert digest_of(before) in tree_file.read_text(encoding="utf-8")


def test_check_fix_leaves_a_file_of_which_something_would_be_lost(run: Run, tree_file: Path) -> None:
    """A key that stands twice cannot be fixed by dropping one of the two."""
    text = TREE.replace('"Zandoor": {', '"Ulvar": {')
    tree_file.write_text(text, encoding="utf-8")
    assert run("check", "--fix", tree_file).code == 1
    assert tree_file.read_text(encoding="utf-8") == text


def test_check_formats(run: Run, tree_file: Path) -> None:
    """JSON for scripts, annotations for GitHub."""
    found = json.loads(run("check", "--format", "json", tree_file).out)
    assert found[0]["problems"][0]["code"] == "TG301"
    assert f"::warning file={tree_file},title=TG301::" in run("check", "--format", "github", tree_file).out


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "not UTF-8 at byte 0"),
        (None, "no such file"),
    ],
)
def test_unreadable_tree_exits_2(run: Run, tmp_path: Path, content: bytes | None, told: str) -> None:
    """One message with the file and what is wrong; no traceback."""
    path = tmp_path / "tree.json"
    if content is not None:
        path.write_bytes(content)
    done = run("check", path)
    assert done.code == 2
    assert told in done.err
    assert str(path) in done.err
    assert "Traceback" not in done.err


def test_terminal_escapes_in_names_are_shown_not_obeyed(run: Run, tmp_path: Path) -> None:
    """A name that holds an escape sequence cannot colour or clear the terminal."""
    data = json.loads(TREE)
    data["rules"]["\x1b[2Jbad"] = {}
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    done = run("check", path)
    assert done.code == 1
    assert "\x1b[2J" not in done.out
    assert "\\x1b[2Jbad" in done.out or "\\u001b[2Jbad" in done.out


def test_init_from_a_class_list_writes_a_valid_commented_domain(run: Run, tmp_path: Path) -> None:
    """The file is valid as it stands and explains itself."""
    (tmp_path / "classes.txt").write_text("# birds\nwren\n\nrobin\n", encoding="utf-8")
    done = run("init", tmp_path / "birds", "--classes", tmp_path / "classes.txt", "--noun", "bird")
    assert done.code == 0
    text = (tmp_path / "birds" / "domain.toml").read_text(encoding="utf-8")
    assert 'noun = "bird"' in text
    assert 'classes_file = "../classes.txt"' in text
    assert run("check", tmp_path / "birds" / "domain.toml").code == 0
    again = run("init", tmp_path / "birds", "--classes", tmp_path / "classes.txt")
    assert again.code == 2
    assert "exists" in again.err


def test_init_from_images_takes_folder_names_as_classes(run: Run, drawn: Path, tmp_path: Path) -> None:
    """With images alone the folders are the classes; a class list that differs is told apart."""
    done = run("init", tmp_path / "new", "--images", drawn / "images", "--noun", "creature")
    assert done.code == 0
    assert '"Abrosk G",' in (tmp_path / "new" / "domain.toml").read_text(encoding="utf-8")
    (tmp_path / "classes.txt").write_text("Abrosk\nUnicorn\n", encoding="utf-8")
    both = run("init", tmp_path / "both", "--images", drawn / "images", "--classes", tmp_path / "classes.txt")
    assert both.code == 0
    assert "no images for 1 classes: Unicorn" in both.err


def test_init_without_anything_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    """Nothing is written."""
    done = run("init", tmp_path / "x")
    assert done.code == 2
    assert not (tmp_path / "x").exists()


def test_broken_domain_lists_all_its_problems(run: Run, tmp_path: Path) -> None:
    """Exit code 1 with every place, as for a tree."""
    path = tmp_path / "domain.toml"
    path.write_text('name = ""\nnouns = "x"\nclasses = ["a"]\n[split]\ndev = 2\n', encoding="utf-8")
    done = run("check", path)
    assert done.code == 1
    for place in ("/name", "/nouns", "/classes", "/split/dev"):
        assert place in done.out
    done = run("draft", tmp_path, "--model", "manual")
    assert done.code == 1
    assert "/split/dev" in done.err


def test_draft_needs_a_model(run: Run, tmp_path: Path) -> None:
    """The message names the three kinds of model."""
    (tmp_path / "domain.toml").write_text('name = "d"\nclasses = ["a", "b"]\n', encoding="utf-8")
    done = run("draft", tmp_path)
    assert done.code == 2
    assert "replay/FILE" in done.err
    assert "manual" in done.err


def test_score_names_the_missing_domain(run: Run, tmp_path: Path) -> None:
    """A tree without a domain beside it: the option that names one."""
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    done = run("score", tmp_path / "tree.json")
    assert done.code == 2
    assert "--domain" in done.err


def test_score_of_a_missing_encoder_is_exit_3(run: Run, tree_file: Path) -> None:
    """A model that is not there fails with what to do, and never runs on random weights."""
    done = run("score", tree_file, "--encoder", "local-dir:/nowhere")
    assert done.code == 3
    assert "/nowhere" in done.err


def test_log_of_a_tree_without_history(run: Run, tmp_path: Path) -> None:
    """Says so and makes no folder."""
    done = run("log", tmp_path / "tree.json")
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_score_json_validates_and_counts_a_broken_image(run: Run, tree_file: Path) -> None:
    """The document follows its schema; a truncated image is skipped, named and counted."""
    broken = tree_file.parent / "images" / "Wendle" / "000.png"
    broken.write_bytes(broken.read_bytes()[:400])
    done = run("score", tree_file, "--json")
    assert done.code == 0
    score = json.loads(done.out)
    assert schema_problems(score, "score") == []
    assert [s["path"] for s in score["images"]["skipped"]] == ["Wendle/000.png"]
    assert score["images"]["test"] + score["images"]["dev"] == 8 * 13 - 1
    shown = run("score", tree_file)
    assert "skipped Wendle/000.png: " in shown.out
    assert "shuffled rules" in shown.out


def test_classify_shows_the_chain_of_answers(run: Run, tree_file: Path) -> None:
    """Each image gets a label and every group's answer; an unreadable one is named and the exit code is 2."""
    images = tree_file.parent / "images"
    done = run("classify", tree_file, images / "Zandoor" / "001.png", images / "Wendle" / "001.png")
    assert done.code == 0
    assert done.out.count("  colour: ") == 2
    results = json.loads(run("classify", tree_file, images / "Zandoor" / "001.png", "--json").out)
    assert len(results[0]["ranking"]) == 5
    assert [a["group"] for a in results[0]["answers"]] == ["colour", "form", "scene", "mark", "size"]
    missing = run("classify", tree_file, images / "none.png", images / "Wendle" / "001.png")
    assert missing.code == 2
    assert "none.png" in missing.err
    assert "Wendle" in missing.out
