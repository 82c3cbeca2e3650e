"""`treegen start`: from pictures to a scored tree in one command, with questions on a terminal and without."""

import json
import shutil
import sys
import tomllib
from pathlib import Path

import pytest

from tests.conftest import TREE, Run
from tests.review.terminal import NEEDS_TMUX, Terminal


@pytest.fixture
def place(drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with nothing but pictures, which is the current one; nothing on this machine offers a model."""
    shutil.copytree(drawn / "images", tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OLLAMA_API_BASE", "http://127.0.0.1:9")
    for variable in ("TREEGEN_MODEL", "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "MISTRAL_API_KEY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path


@pytest.mark.slow
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


@pytest.mark.slow
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

    def test_each_question_has_a_default_and_a_choice_is_made_by_number(self, place: Path, tmp_path: Path) -> None:
        """Return five times, `bundled` by its name; the request for the chat window is waiting then."""
        terminal = Terminal(tmp_path)
        try:
            terminal.start(sys.executable, "-m", "treegen", "start", "--messages", "ask.txt", "--answer", "reply.txt")
            terminal.shows("Your pictures")
            terminal.press("Enter")  # photos, which is there
            terminal.shows("Folder for the tree")
            terminal.press("birds", "Enter")
            terminal.shows("One thing of it is called")
            terminal.press("creature", "Enter")
            terminal.shows("Features that tell the classes apart")
            terminal.press("colour, form", "Enter")
            terminal.shows("605 MB")
            terminal.press("4", "Enter")
            terminal.shows("copy the request to a chat window")
            terminal.press("Enter")
            terminal.shows("ended with 0")
        finally:
            terminal.stop()
        domain = tomllib.loads((place / "birds" / "domain.toml").read_text(encoding="utf-8"))
        assert (domain["noun"], domain["hints"]) == ("creature", ["colour", "form"])
        assert (domain["encoder"]["name"], domain["llm"]["model"]) == ("bundled", "manual")
        assert (place / "ask.txt").is_file()
