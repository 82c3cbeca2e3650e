"""Options that several commands share."""

from pathlib import Path

import click
import pytest

from tests.conftest import TREE, Run
from treegen.cli.conversation import LlmChoice
from treegen.cli.options import EncoderChoice, open_workspace
from treegen.config.domain import Domain


def test_a_folder_of_weights_is_relative_to_where_one_stands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the command line; in a domain file it is relative to the file."""
    (tmp_path / "pond").mkdir()
    text = 'name = "pond"\nclasses = ["Newt", "Swan"]\n[encoder]\nname = "local-dir:clip"\n'
    (tmp_path / "pond" / "domain.toml").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    tree = Path("pond/tree.json")
    with click.Context(click.Command("any")):
        named = open_workspace(tree, None, EncoderChoice(name="local-dir:clip", device="cpu"))
        unnamed = open_workspace(tree, None, EncoderChoice())
    assert named.encoder_settings.name == f"local-dir:{tmp_path / 'clip'}"
    assert (named.encoder_settings.device, named.encoder_settings.precision) == ("cpu", "auto")
    assert unnamed.encoder_settings.name == "local-dir:clip"


def test_the_model_may_come_from_the_environment(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TREEGEN_MODEL counts where --model is not given."""
    classes = ", ".join(f'"{name}"' for name in ("Newt", "Swan"))
    (tmp_path / "domain.toml").write_text(f'name = "pond"\nclasses = [{classes}]\n', encoding="utf-8")
    monkeypatch.setenv("TREEGEN_MODEL", "replay/none.jsonl")
    done = run("draft", tmp_path)
    assert done.code != 0
    assert "none.jsonl" in done.err


def test_a_recording_is_looked_for_where_one_stands_and_then_beside_the_domain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What `--record said.jsonl` wrote, `--model replay/said.jsonl` plays in the same place."""
    domain = Domain(folder=tmp_path / "pond", name="pond", classes=("Newt", "Swan"))
    monkeypatch.chdir(tmp_path)
    assert LlmChoice(model="replay/said.jsonl").settings(domain).model == "replay/said.jsonl"
    (tmp_path / "said.jsonl").write_text("", encoding="utf-8")
    assert LlmChoice(model="replay/said.jsonl").settings(domain).model == f"replay/{tmp_path / 'said.jsonl'}"


@pytest.mark.parametrize("tries", ["0", "21", "many"])
def test_the_number_of_tries_is_bounded(run: Run, tmp_path: Path, tries: str) -> None:
    """Wrong usage, before anything is read."""
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    done = run("revise", tmp_path / "tree.json", "-m", "x", "--tries", tries)
    assert done.code == 2
    assert "--tries" in done.err
