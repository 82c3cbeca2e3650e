"""`treegen export`: text on stdout, files whole or not at all."""

from pathlib import Path

import click
import pytest

from tests.conftest import Run
from treegen.cli.export import command
from treegen.exchange.exporting import FORMATS
from treegen.exchange.writers import TEXTS
from treegen.report import predictions
from treegen.tree.validation.checks import check_file


@pytest.mark.parametrize("form", TEXTS)
def test_text_goes_to_stdout_or_to_a_file(run: Run, tree_file: Path, tmp_path: Path, form: str) -> None:
    done = run("export", tree_file, "--to", form)
    document = check_file(tree_file).document
    assert document is not None
    assert done.code == 0
    assert done.out.replace("\r\n", "\n") == TEXTS[form](document.tree).replace("\r\n", "\n")
    out = tmp_path / "out"
    assert run("export", tree_file, "--to", form, "-o", out).out == ""
    assert out.read_bytes() == TEXTS[form](document.tree).encode()
    again = run("export", tree_file, "--to", form, "-o", out)
    assert (again.code, "--force" in again.err) == (2, True)


def test_the_command_offers_every_format() -> None:
    """The list of the command is a copy: importing the originals would slow `--help`."""
    (choice,) = (p.type for p in command.params if p.name == "form")
    assert isinstance(choice, click.Choice)
    assert tuple(choice.choices) == (*FORMATS, *predictions.FORMATS)


def test_clip_benchmark_and_safetensors_need_a_place(run: Run, tree_file: Path, tmp_path: Path) -> None:
    for form in ("clip-benchmark", "safetensors"):
        done = run("export", tree_file, "--to", form)
        assert (done.code, "-o" in done.err) == (2, True)
    assert run("export", tree_file, "--to", "clip-benchmark", "-o", tmp_path / "cb").code == 0
    assert sorted(p.name for p in (tmp_path / "cb").iterdir()) == ["classnames.json", "templates.json"]
    done = run("export", tree_file, "--to", "safetensors", "-o", tmp_path / "t.safetensors")
    assert done.code == 0, done.err
    assert (tmp_path / "t.safetensors").stat().st_size > 10_000


@pytest.mark.parametrize(("form", "decides"), [("python", True), ("safetensors", True), ("csv", False)])
def test_a_format_that_decides_by_the_mean_says_so_if_the_domain_does_not(
    run: Run, tree_file: Path, tmp_path: Path, form: str, decides: bool
) -> None:
    domain = tree_file.parent / "domain.toml"
    assert "by the mean" not in run("export", tree_file, "--to", form, "-o", tmp_path / "plain").err
    domain.write_text(f'{domain.read_text(encoding="utf-8")}\n[decision]\nrule = "vote"\n', encoding="utf-8")
    done = run("export", tree_file, "--to", form, "-o", tmp_path / "out")
    assert done.code == 0
    assert (f"uses the decision rule vote, but {form} always uses the mean" in done.err) == decides


def test_a_tree_with_errors_and_a_missing_encoder_are_refused(run: Run, tree_file: Path, tmp_path: Path) -> None:
    alone = tmp_path / "alone.json"
    alone.write_bytes(tree_file.read_bytes())
    done = run("export", alone, "--to", "safetensors", "-o", tmp_path / "t.safetensors")
    assert (done.code, "--encoder" in done.err) == (2, True)
    alone.write_text(tree_file.read_text(encoding="utf-8").replace('"size": 1}', '"size": 9}'), encoding="utf-8")
    done = run("export", alone, "--to", "csv")
    assert (done.code, done.out) == (1, "")
    assert "treegen check" in done.err
