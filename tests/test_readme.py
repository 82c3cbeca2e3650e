"""The README tells the truth: every command in it exists with the options it is shown with."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from treegen.cli.main import COMMANDS, treegen
from treegen.tree.validation.problems import CODES
from treegen.tree.validation.schema import schema_problems

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^\$ (treegen [^\n]+)$", TEXT, re.MULTILINE)
TABLE = re.findall(r"^\| `(treegen [^`]+)` \|", TEXT, re.MULTILINE)


def _options(command: click.Command) -> set[str]:
    return {name for p in command.params if isinstance(p, click.Option) for name in (*p.opts, *p.secondary_opts)}


@pytest.mark.parametrize("line", [*SHOWN, *TABLE])
def test_commands_and_options_exist(line: str) -> None:
    """Each command line of the README names a command and options that it has."""
    words = shlex.split(line.replace("[", " ").replace("]", " "))
    command = treegen.get_command(click.Context(treegen), words[1])
    assert command is not None
    assert {w for w in words if w.startswith("-")} <= _options(command)


def test_the_table_lists_every_command() -> None:
    """No command is missing from the table, none is invented."""
    assert sorted(line.split()[1] for line in TABLE) == sorted(COMMANDS)


def test_problem_codes_that_it_names_exist_and_every_lint_is_named() -> None:
    """Of the other codes the README names examples."""
    named = set(re.findall(r"TG\d{3}", TEXT))
    assert named <= set(CODES)
    assert {code for code in CODES if code[2] in "67"} <= named


def test_domain_tables_that_it_shows_are_valid() -> None:
    """As they stand, below the two keys that every domain needs."""
    blocks = re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert blocks
    for block in blocks:
        data = {"name": "birds", "classes": ["Wren", "Robin"], **tomllib.loads(block)}
        assert schema_problems(data, "domain") == []


def test_it_opens_with_the_two_set_up_commands() -> None:
    """`make demo` and `make test` stand first, and the Makefile has both."""
    assert re.findall(r"^\$ (\S+ \S+)", TEXT, re.MULTILINE)[:2] == ["make demo", "make test"]
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert {"demo", "test", "check", "bench"} <= set(targets)
