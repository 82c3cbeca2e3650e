"""`treegen start`: from pictures to a scored tree in one command, with questions on a terminal and without."""

import json
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import TREE, Run
from tests.review.terminal import NEEDS_TMUX, Terminal

pytestmark = pytest.mark.slow


@pytest.fixture
def place(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but pictures, which is the current one; nothing on this machine offers a model."""
    shutil.copytree(drawn / "images", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLLAMA_API_BASE", "http://127.0.0.1:9")
    for variable in ("TREEGEN_MODEL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


def test_without_a_terminal_it_takes_the_defaults_and_stops_where_an_answer_is_missing(run: Run, place: Path) -> None:
    """The chat window is the default without a key; the second run continues, scores, and asks nothing again."""
    first = run(
        "start",
        "--images",
        "photos",
        "--noun",
        "creature",
        "--hint",
        "body colour",
        "--encoder",
        "bundled",
        "--messages",
        "ask.txt",
        "--answer",
        "reply.txt",
    )
    assert first.code == 0, first.err
    assert 'photos: 13 classes: "Abrosk"' in first.out
    assert "run the command again" in first.err
    domain = tomllib.loads((place / f"{place.name}-tree" / "domain.toml").read_text(encoding="utf-8"))
    assert (domain["noun"], domain["hints"]) == ("creature", ["body colour"])
    assert (domain["llm"]["model"], domain["encoder"]["name"]) == ("manual", "bundled")
    assert "body colour" in (place / "ask.txt").read_text(encoding="utf-8")
    tree = {**json.loads(TREE), "domain": domain["name"]}
    (place / "reply.txt").write_text(json.dumps(tree), encoding="utf-8")
    folder = f"{place.name}-tree"
    second = run("start", folder, "--messages", "ask.txt", "--answer", "reply.txt")
    assert second.code == 0, second.err
    assert f"continuing with {folder}/domain.toml" in second.out
    assert "test images" in second.out  # the verdict
    third = run("start", folder)
    assert third.code == 0
    assert "$ treegen score" in third.out
    assert "$ treegen draft" not in third.out


def test_another_encoder_in_the_second_run_is_kept_and_notes_reach_the_model(run: Run, place: Path) -> None:
    """The first run stops at an encoder that cannot be loaded; what comes after the second needs no --encoder."""
    (place / "notes.json").write_text('{"Abrosk": "mainly white, one horn"}', encoding="utf-8")
    common = ("--messages", "ask.txt", "--answer", "reply.txt", "--notes", "notes.json")
    first = run("start", "birds", "--images", "photos", "--encoder", "local-dir:nosuch", *common)
    assert first.code != 0
    second = run("start", "birds", "--encoder", "bundled", *common)
    assert second.code == 0, second.err
    assert 'the encoder is "bundled" now' in second.out
    assert tomllib.loads((place / "birds" / "domain.toml").read_text(encoding="utf-8"))["encoder"]["name"] == "bundled"
    assert "mainly white, one horn" in (place / "ask.txt").read_text(encoding="utf-8")


def test_without_pictures_it_says_which_option_names_them(run: Run, place: Path) -> None:
    done = run("start")
    assert done.code == 2
    assert "--images" in done.err
    assert not list(place.glob("*-tree"))


@pytest.mark.parametrize("images", ["nosuch", "photos/Abrosk"])
def test_pictures_without_classes_are_refused_before_anything_is_written(run: Run, place: Path, images: str) -> None:
    done = run("start", "--images", images)
    assert done.code == 2
    assert images in done.err
    assert not list(place.rglob("domain.toml"))


def treegen(*arguments: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "treegen", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, stdin=subprocess.DEVNULL, timeout=300
    )


@pytest.mark.parametrize("kind", ["absolute", "relative", "dot", "table", "inside"])
def test_a_named_folder_or_table_of_pictures_is_the_pictures_and_its_tree_lies_beside_it(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Also where another folder of pictures is beside it, and from any current directory."""
    (place / "photos").rename(place / "my pictures")
    for name in ("Abrosk", "Grelm"):
        shutil.copytree(place / "my pictures" / name, place / "my pics" / name)
    (elsewhere := place / "else where").mkdir()
    where, named, tree = {
        "absolute": (elsewhere, str(place / "my pictures"), place / "my-pictures-tree"),
        "relative": (elsewhere, "../my pictures", place / "my-pictures-tree"),
        "dot": (place / "my pictures", ".", place / "my-pictures-tree"),
        "table": (place, "set.csv", place / "set-tree"),
        "inside": (place, "begun", place / "begun"),
    }[kind]
    rows = [
        f"my pictures/{name}/{file.name},{name}"
        for name in ("Abrosk", "Grelm")
        for file in (place / "my pictures" / name).iterdir()
    ]
    (place / "set.csv").write_text("\n".join(["path,label", *rows, ""]), encoding="utf-8")
    if kind == "inside":
        (place / "my pictures").rename(place / "pictures")
        (place / "begun").mkdir()
        (place / "pictures").rename(place / "begun" / "pictures")
    monkeypatch.chdir(where)
    done = run("start", named, "--yes", "--encoder", "bundled", "--messages", "ask.txt", "--answer", "reply.txt")
    assert done.code == 0, done.err
    assert list(place.rglob("domain.toml")) == [tree / "domain.toml"]
    images = tomllib.loads((tree / "domain.toml").read_text(encoding="utf-8"))["images"]
    pictures = {"table": "set.csv", "inside": "begun/pictures"}.get(kind, "my pictures")
    assert (tree / next(iter(images.values()))).resolve() == place / pictures


def test_without_a_terminal_the_last_line_says_that_nothing_is_scored_and_what_goes_on(place: Path) -> None:
    """The pictures and the folder have lines of their own; the exit code is that of `draft`."""
    (place / "photos").rename(place / "my pictures")
    done = treegen("start", "my pictures", "--yes", "--encoder", "bundled", cwd=place)
    lines = done.stderr.splitlines()
    assert {"pictures: my pictures", "folder for the tree: my-pictures-tree"} <= {*lines}
    assert lines[-1].strip() == (
        "nothing is scored yet; with the reply, `treegen start my-pictures-tree --answer FILE` goes on"
    )
    drafted = treegen("draft", "my-pictures-tree", "--messages", "my-pictures-tree/request.txt", cwd=place)
    assert done.returncode == drafted.returncode == 0
    command = lines[-1].split("`")[1].replace("FILE", "'my reply.txt'")
    (place / "my reply.txt").write_text(json.dumps({**json.loads(TREE), "domain": "my-pictures-tree"}), "utf-8")
    went_on = treegen(*shlex.split(command)[1:], cwd=place)
    assert went_on.returncode == 0, went_on.stderr
    assert "Right on" in went_on.stdout


def test_commands_to_be_typed_are_quoted_for_the_shell(place: Path) -> None:
    """Those that a command prints between backticks and that name a file, in a folder whose name has a space."""
    folder = place / "my trees"
    made = treegen("init", "my trees", "--images", "photos", "--encoder", "bundled", "--model", "manual", cwd=place)
    (folder / "reply.txt").write_text(json.dumps({**json.loads(TREE), "domain": "my trees"}), encoding="utf-8")
    scored = treegen("start", "my trees", "--answer", "my trees/reply.txt", cwd=place)
    unknown = treegen("restore", "my trees/tree.json", cwd=place)
    (folder / "tree.json").unlink()
    absent = treegen("score", "my trees", cwd=place)
    printed = [done.stdout + done.stderr for done in (made, scored, unknown, absent)]
    for text in printed:
        commands = [each for each in re.findall("`(treegen [^`]*)`", text) if "my" in each]
        assert commands, text
        for command in commands:
            words = shlex.split(command)
            assert {"my trees", "my trees/tree.json"} & {*words}, command


@pytest.mark.parametrize("flat", [True, False])
def test_no_other_folder_is_taken_for_a_named_one_whose_pictures_are_not_clear(
    run: Run, place: Path, flat: bool
) -> None:
    named = place / "named"
    if flat:
        shutil.copytree(place / "photos" / "Abrosk", named)
    else:
        for name in ("images", "data"):
            shutil.copytree(place / "photos", named / name)
    done = run("start", "named", "--yes")
    assert done.code == 2
    assert "named: which pictures" in done.err
    assert "--images" in done.err
    assert not list(place.rglob("domain.toml"))


@pytest.mark.litellm
def test_a_key_in_the_environment_makes_its_provider_the_default(
    run: Run, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written into domain.toml; that the draft then fails without a network is not the point."""
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    monkeypatch.setenv("ANTHROPIC_API_BASE", "http://127.0.0.1:9")
    run("start", "birds", "--images", "photos", "--encoder", "bundled", "--max-cost", "0")
    model = tomllib.loads((place / "birds" / "domain.toml").read_text(encoding="utf-8"))["llm"]["model"]
    assert model.startswith("anthropic/")


class TestOnATerminal:
    pytestmark = NEEDS_TMUX

    @pytest.fixture
    def terminal(self, place: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Terminal]:
        """In the folder of pictures, with no network."""
        monkeypatch.setenv("HF_HUB_OFFLINE", "1")
        monkeypatch.setenv("HF_HOME", str(place / "no-models"))
        terminal = Terminal(place)
        try:
            yield terminal
        finally:
            terminal.stop()

    def test_a_letter_changes_what_was_found_out(self, place: Path, terminal: Terminal) -> None:
        """Hints are typed, the notes are asked for again where there is no file, folder, noun and CLIP are changed."""
        (place / "notes.json").write_text('{"Abrosk": "mainly white, one horn"}', encoding="utf-8")
        terminal.start(sys.executable, "-m", "treegen", "start", "--messages", "ask.txt", "--answer", "reply.txt")
        terminal.shows("Hints: visual features")  # the pictures are found
        terminal.press("colour, form", "Enter")
        terminal.shows("Notes: a file that")
        terminal.press("nosuch.json", "Enter")
        terminal.shows("nosuch.json: no such file")
        terminal.press("notes.json", "Enter")
        terminal.shows("HF_HUB_OFFLINE is set")
        terminal.shows("Enter goes on, a letter changes one")
        terminal.press("f", "Enter")
        terminal.shows("Folder for the tree")
        terminal.press("birds", "Enter")
        terminal.shows("f  folder   birds")
        terminal.press("n", "Enter")
        terminal.shows("One thing of it is called")
        terminal.press("creature", "Enter")
        terminal.shows("n  noun     creature")
        terminal.press("c", "Enter")
        terminal.shows("605 MB")
        terminal.press("1", "Enter")
        terminal.shows("c  CLIP     bundled")
        terminal.press("x", "Enter")
        terminal.shows("type f, n, c or m")
        terminal.press("Enter")
        terminal.shows("ended with 0")
        domain = tomllib.loads((place / "birds" / "domain.toml").read_text(encoding="utf-8"))
        assert (domain["noun"], domain["hints"]) == ("creature", ["colour", "form"])
        assert (domain["encoder"]["name"], domain["llm"]["model"]) == ("bundled", "manual")
        assert "mainly white, one horn" in (place / "ask.txt").read_text(encoding="utf-8")

    @pytest.mark.slow
    def test_return_alone_leads_to_a_score_with_a_reply_that_was_saved(self, place: Path, terminal: Terminal) -> None:
        """The request lies in the new folder, Enter reads the reply beside it; what comes next is said at the end."""
        folder = place / f"{place.name}-tree"
        terminal.start(sys.executable, "-m", "treegen", "start", "--no-review")
        terminal.shows("Hints: visual features")
        terminal.press("Enter")
        terminal.shows("Notes: a file that")
        terminal.press("Enter")
        terminal.shows("Enter goes on, a letter changes one")
        terminal.press("Enter")
        terminal.shows("and press Enter.")
        (folder / "reply.txt").write_text(json.dumps({**json.loads(TREE), "domain": folder.name}), encoding="utf-8")
        terminal.press("Enter")
        screen = terminal.shows("ended with 0")
        assert "test split" in screen
        assert screen.count("next:") == 1
        assert screen.index("next:") > screen.index("test split")

    def test_an_empty_answer_and_a_wrong_one_say_what_is_needed(self, place: Path, terminal: Terminal) -> None:
        """Nothing is offered in place of a named folder whose pictures are not sorted."""
        shutil.copytree(place / "photos" / "Abrosk", place / "flat")
        terminal.start(sys.executable, "-m", "treegen", "start", "flat")
        screen = terminal.shows("Your pictures (one folder for each class, or a table):")
        assert "flat: which pictures in it are meant is not clear" in screen
        terminal.press("Enter")
        terminal.shows("type the path of a folder that holds one folder of pictures for each class")
        terminal.press("nosuch", "Enter")
        terminal.shows("nosuch: no such folder")
        terminal.press("photos", "Enter")
        terminal.shows("Hints: visual features")
        terminal.press("Enter")
        terminal.shows("Notes: a file that")
        terminal.press("Enter")
        screen = terminal.shows("Enter goes on, a letter changes one")
        assert "     pictures photos\n  f  folder   " in screen
