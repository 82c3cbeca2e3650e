"""How commands print: nothing that a name holds reaches the terminal as a command, and columns stay straight."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE
from treegen.cli import output
from treegen.cli.output import (
    ProgressLine,
    complain,
    interval,
    percent,
    plain,
    print_document,
    print_json,
    say,
    table,
    tell,
    wrapped,
)


class Clock:
    """A clock that goes only when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Replaces the clock of the output module."""
    made = Clock()
    monkeypatch.setattr(output, "time", made)
    return made


@pytest.mark.parametrize(
    ("text", "shown"),
    [("é 名前 🦎", "é 名前 🦎"), ("a\nb", "a\nb"), ("\x1b[2J", "\\u001b[2J"), ("\r\x9b", "\\u000d\\u009b"), (5, "5")],
)
def test_control_characters_are_shown_and_not_obeyed(text: object, shown: str) -> None:
    assert plain(text) == shown


def test_results_go_to_stdout_and_everything_else_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    say("result \x1b")
    tell("told \x1b")
    complain("wrong \x1b", "do this \x1b")
    complain("wrong", "")
    out, err = capsys.readouterr()
    assert out == "result \\u001b\n"
    assert err.splitlines() == ["told \\u001b", "error: wrong \\u001b", "  do this \\u001b", "error: wrong"]


def test_json_is_readable_and_reads_back(capsys: pytest.CaptureFixture[str]) -> None:
    """Letters stay letters; control characters are JSON's own escapes."""
    data = {"name": "é 名前", "bad": "\x1b"}
    print_json(data)
    out = capsys.readouterr().out
    assert json.loads(out) == data
    assert "é 名前" in out
    assert "\x1b" not in out


def test_columns_are_as_wide_as_their_widest_cell_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    """A Chinese character takes two places; a line feed in a cell would break the line."""
    table(("name", "n"), [("名前", 5), ("two\nlines", 100)], right=(1,))
    assert capsys.readouterr().out.splitlines() == ["name         n", "名前         5", "two lines  100"]


def test_shares_are_percentages_and_what_is_undefined_is_no_zero() -> None:
    assert [percent(0.1234), percent(1), percent(0), percent(None)] == ["12.3 %", "100.0 %", "0.0 %", "-"]
    assert [interval((0.05, 1.0)), interval(None)] == ["[5.0, 100.0]", ""]


def test_a_quick_task_is_not_told(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    line = ProgressLine()
    for done in range(11):
        clock.now += 0.05
        line("embedding images", done, 10)
    assert capsys.readouterr() == ("", "")


def test_a_slow_task_is_told_once_with_its_rate_where_there_is_no_terminal(
    clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    """A log file gets a line and no bar; the same task can begin again."""
    line = ProgressLine()
    for _ in range(2):
        for done in range(11):
            line("embedding images", done, 10)
            clock.now += 0.5
    out, err = capsys.readouterr()
    assert (out, err.splitlines()) == ("", ["embedding images: 10 in 5.0 s (2/s)"] * 2)


def test_on_a_terminal_a_slow_task_has_a_bar_that_goes_away(tmp_path: Path) -> None:
    """In a real terminal; nothing of it reaches stdout."""
    program = """
import sys
from tests.waiting import PATIENCE
from treegen.cli import output
class Clock:
    now = 0.0
    def monotonic(self):
        Clock.now += 0.6
        return Clock.now
output.time = Clock()
line = output.ProgressLine()
for done in range(5):
    line("embedding images", done, 4)
print("done")
"""
    ours, theirs = pty.openpty()
    with (tmp_path / "out").open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-c", program],
            stdout=out,
            stderr=theirs,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
        )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the program has ended
        pass
    finally:
        os.close(ours)
    assert process.wait(PATIENCE) == 0
    assert (tmp_path / "out").read_text() == "done\n"
    assert b"embedding images" in shown
    assert b"/s" in shown


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("one two three", 80, ["one two three"]),
        ("one two three", 8, ["one two", "  three"]),
        ("  one two", 6, ["  one", "    two"]),
        ("a\nb c", 3, ["a", "b c"]),
        ("see /a/very/long/path here", 10, ["see", "  /a/very/long/path", "  here"]),
        ("名前 名前", 5, ["名前", "  名前"]),
        ("\x1b[31mred\x1b[0m two", 7, ["\x1b[31mred\x1b[0m two"]),
        ("", 5, [""]),
    ],
)
def test_lines_are_broken_between_words_that_stay_whole(text: str, width: int, lines: list[str]) -> None:
    """What continues is indented; styles and wide characters count as they are seen."""
    assert wrapped(text, width).split("\n") == lines


def test_nothing_is_wrapped_in_a_pipe(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where COLUMNS is set: a line for grep stays a line."""
    monkeypatch.setenv("COLUMNS", "20")
    say("word " * 20)
    assert capsys.readouterr().out.count("\n") == 1


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_file_on_stdout_is_unchanged_in_a_pipe_and_plain_on_a_terminal(
    is_terminal: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """JSON may hold C1 controls and marks that reverse the text as they are."""
    text = '{"a": "\x9b2J\u202e"}\r\n'
    monkeypatch.setattr(sys.stdout, "isatty", lambda: is_terminal)
    print_document(text)
    out = capsys.readouterr().out
    assert (out == text, "\x9b" in out, "\u202e" in out) == (not is_terminal,) * 3
