"""The README and the pages of docs/ tell the truth: every command in them exists with the options it is shown with."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import click
import pytest

from treegen.cli.main import COMMANDS, treegen
from treegen.tree.validation.problems import CODES
from treegen.tree.validation.schema import schema_problems

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
TEXTS = {path.name: path.read_text(encoding="utf-8") for path in [README, *sorted((ROOT / "docs").glob("*.md"))]}
EVERYTHING = "\n".join(TEXTS.values())
SHOWN = sorted(set(re.findall(r"^\$ (treegen [^\n]+)$", EVERYTHING, re.MULTILINE)))
TABLE = re.findall(r"^\| `(treegen [^`]+)` \|", TEXTS["commands.md"], re.MULTILINE)


def _options(command: click.Command) -> set[str]:
    return {name for p in command.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}


@pytest.mark.parametrize("line", [*SHOWN, *TABLE])
def test_commands_and_options_exist(line: str) -> None:
    """Each command line of the README and the pages names a command and options that it has."""
    words = re.split(r" [>|] ", line.replace("[", " ").replace("]", " "))[0]
    words = shlex.split(words, comments=True)
    command = treegen.get_command(click.Context(treegen), words[1])
    assert command is not None
    assert {w for w in words if w.startswith("-")} <= _options(command)


def test_the_table_lists_every_command() -> None:
    """No command is missing from the table, none is invented."""
    assert sorted(line.split()[1] for line in TABLE) == sorted(COMMANDS)


def test_problem_codes_that_are_named_exist_and_every_lint_is_explained() -> None:
    """Of the other codes the page on `treegen check` names examples."""
    assert set(re.findall(r"TG\d{3}", EVERYTHING)) <= set(CODES)
    assert {code for code in CODES if code[2] in "67"} <= set(re.findall(r"TG\d{3}", TEXTS["check.md"]))


def test_domain_tables_that_are_shown_are_valid() -> None:
    """As they stand, below the two keys that every domain needs."""
    blocks = re.findall(r"```toml\n(.*?)```", EVERYTHING, re.DOTALL)
    assert blocks
    for block in blocks:
        data = {"name": "birds", "classes": ["Wren", "Robin"], **tomllib.loads(block)}
        assert schema_problems(data, "domain") == []


def test_it_opens_with_the_two_set_up_commands() -> None:
    """`make demo` and `make test` stand first, and the Makefile has both."""
    assert re.findall(r"^\$ (\S+ \S+)", TEXTS["README.md"], re.MULTILINE)[:2] == ["make demo", "make test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "test", "check", "bench"} <= set(targets)


def test_it_is_short_and_its_table_of_detectable_differences_is_that_of_the_program() -> None:
    assert 6000 <= len(README.read_bytes()) <= 8000
    done = subprocess.run([sys.executable, "docs/detectable.py"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 6
    assert done.stdout in TEXTS["README.md"]


def test_links_to_files_lead_somewhere() -> None:
    """In the README and the pages as they are read in the repository."""
    for path in [README, *sorted((ROOT / "docs").glob("*.md")), ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text(encoding="utf-8")):
            assert ":" in target or (path.parent / target).exists(), f"{path.name}: {target}"
