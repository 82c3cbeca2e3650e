"""`treegen ask`: a scripted person in a terminal, and a program that speaks lines of JSON."""

import codecs
import fcntl
import io
import json
import os
import pty
import random
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Run
from tests.waiting import PATIENCE
from treegen import load_tree
from treegen.tree.model import ClassRule, Tree
from treegen.workflow.ask import open_questions
from treegen.workflow.workspace import Workspace

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}


def in_a_terminal(tree: Path, tree_read: Tree, rule: ClassRule, errors: random.Random, **variables: str) -> str:
    """What a person sees who knows the rule, and is wrong about every tenth answer."""
    ours, theirs = pty.openpty()
    columns = int(variables.pop("COLUMNS", 0))  # a terminal has no size unless somebody gives it one
    fcntl.ioctl(ours, termios.TIOCSWINSZ, struct.pack("HHHH", columns and 24, columns, 0, 0))
    process = subprocess.Popen(
        [sys.executable, "-m", "treegen", "ask", str(tree), "--answer-error", "0.1"],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        env={**ENVIRONMENT, **variables},
    )
    os.close(theirs)
    screen, answered = "", 0
    text_of = codecs.getincrementaldecoder("utf-8")().decode  # what is read may end within a character
    try:
        while chunk := os.read(ours, 65536):
            screen += text_of(chunk)
            asked = re.findall(r"^\d+\. (.+?): ", screen, re.MULTILINE)
            if screen.endswith("> ") and len(asked) > answered:
                group, answered = tree_read.group(asked[-1]), len(asked)
                assert group is not None
                expected = rule.get(group.name)
                wrong = [n for n in range(len(group.options)) if n != expected]
                choice = errors.choice(wrong) if expected is None or errors.random() < 0.1 else expected
                os.write(ours, f"{choice + 1}\n".encode())
    except OSError:  # the program has ended
        pass
    finally:
        os.close(ours)
        status = process.wait(PATIENCE)
    assert status == 0
    return screen


@pytest.mark.slow
@pytest.mark.terminal
def test_a_person_who_is_wrong_about_every_tenth_answer_finds_nearly_every_class(tree_file: Path) -> None:
    tree, errors = load_tree(tree_file), random.Random(4)
    right = 0
    for rule in tree.rules:
        screen = in_a_terminal(tree_file, tree, rule, errors, NO_COLOR="1")
        ended = re.search(r"^(.+), [\d.]+ %: .* \((\d+) asked\)\.", screen, re.MULTILINE)
        assert ended is not None, screen
        assert 1 <= int(ended[2]) <= len(tree.groups)
        assert "\x1b" not in screen
        right += ended[1] == rule.name
        group, named = tree.groups[0].name, next(r for r in tree.rules if r.name == ended[1])
        assert f"{group}: {tree.word(named, group) or 'no answer'}" in screen
    assert right >= len(tree.rules) - 1


@pytest.mark.slow
@pytest.mark.terminal
def test_examples_are_drawn_below_the_class(tree_file: Path) -> None:
    tree = load_tree(tree_file)
    for columns, least in (("100", 300), ("30", 50), ("0", 0)):
        variables = {"TERM": "xterm-256color", "NO_COLOR": "", "COLUMNS": columns}
        screen = in_a_terminal(tree_file, tree, tree.rules[0], random.Random(4), **variables)
        drawn = screen.rpartition("picture: ")[2].count("\u2580")  # half cells: this terminal answers no question
        assert (drawn > least) if least else drawn == 0


class Program:
    """The other end of `ask --json`."""

    def __init__(self, tree: Path, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "treegen", "ask", str(tree), *arguments, "--json"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=ENVIRONMENT,
        )

    def read(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line: dict[str, Any] = json.loads(self.process.stdout.readline())
        return line

    def send(self, line: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self) -> None:
        """It has ended by itself, without an error."""
        assert self.process.wait(PATIENCE) == 0
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()


@pytest.mark.slow
def test_a_program_answers_by_word_index_and_guess_goes_back_and_is_told_its_faults(tree_file: Path) -> None:
    tree = load_tree(tree_file)
    target = tree.rules[1]
    program = Program(tree_file, "--target-error", "0.01")
    first = program.read()
    assert (first["event"], first["number"]) == ("question", 1)
    assert first["plausible"] == len(tree.rules)
    assert program.send("nonsense") == {"event": "error", "message": "not a JSON object: nonsense"}
    assert program.send('{"answer": "nothing of that kind"}')["event"] == "error"
    assert program.read() == first
    assert program.send('{"answer": true}')["event"] == "error"
    assert program.read() == first
    assert program.send('{"back": true}') == {"event": "error", "message": "there is no answer to take back"}
    assert program.read() == first
    index = target.get(first["group"])
    second = program.send(json.dumps({"answer": index, "guess": True}))
    assert (second["event"], second["number"]) == ("question", 2)
    assert second["plausible"] < first["plausible"]
    assert program.send('{"back": true}') == first
    event = first
    while event["event"] == "question":
        group = tree.group(event["group"])
        assert group is not None
        event = program.send(json.dumps({"answer": tree.word(target, group.name)}))
    assert event["event"] == "result"
    assert event["class"] == target.name
    assert event["reason"] in ("threshold", "no question helps", "all asked")
    assert event["rule"] == {g.name: tree.word(target, g.name) for g in tree.groups}
    assert event["pictures"]
    assert all(target.name in path for path in event["pictures"])
    program.close()


@pytest.mark.slow
def test_the_classes_that_the_image_leaves_come_first_and_words_can_say_that_there_is_no_answer(
    run: Run, tree_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("not sure\nCannot see\nq\n"))
    done = run("ask", tree_file, tree_file.parent / "images" / "Draquen" / "001.png", "--target-error", "0.0001")
    assert done.out.index("By the image: ") < done.out.index("1. ")
    assert "It ends when no question helps" in done.out
    assert "has no option" not in done.out
    assert " 0.0 %" not in done.out


@pytest.mark.slow
def test_an_image_needs_fewer_questions_and_one_that_cannot_be_read_is_one_sentence(
    run: Run, tree_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CLIP knows the drawing: what it is not sure of is asked first, or nothing is."""
    asked = {True: 0, False: 0}
    with Workspace(tree_file) as workspace:
        tree, _ = workspace.load()
        for rule in tree.rules:
            for seen in (True, False):
                image = tree_file.parent / "images" / rule.name / "001.png" if seen else None
                questions = open_questions(workspace, image, error=0.05, target=0.05)
                while question := questions.question():
                    asked[seen] += 1
                    questions.answer(question, tree.word(rule, question.group.name))
                assert questions.result().class_name == rule.name
    assert asked[True] < asked[False]
    for path, reason in ((tmp_path / "none.png", "no such file"), (tree_file, "not an image")):
        done = run("ask", tree_file, path)
        assert done.code == 2
        assert reason in done.err


def replies(monkeypatch: pytest.MonkeyPatch, *lines: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("".join(line + "\n" for line in lines)))


def test_not_sure_back_and_unknown_words_keep_the_interview_going(
    run: Run, tree_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies(monkeypatch, "-", "b", "b", "99", "wite", "q")
    done = run("ask", tree_file)
    assert done.code == 0
    assert "the last answer was taken back" in done.out
    assert "there is no answer to take back" in done.out
    assert "has no option '99'" in done.out
    assert "has no option 'wite'" in done.out
    assert "ended before all questions were asked (0 asked)" in done.out


def test_the_end_of_the_input_ends_it(run: Run, tree_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    replies(monkeypatch)
    done = run("ask", tree_file, "--json")
    assert done.code == 0
    assert [json.loads(line)["event"] for line in done.out.splitlines()] == ["question", "result"]


@pytest.mark.parametrize("option", ["--answer-error", "--target-error"])
@pytest.mark.parametrize("value", ["0", "1", "-1", "x"])
def test_a_rate_out_of_range_is_wrong_usage(run: Run, tree_file: Path, option: str, value: str) -> None:
    done = run("ask", tree_file, option, value)
    assert done.code == 2
    assert option in done.err
