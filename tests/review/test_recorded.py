"""The whole round in a real terminal: an edit, recorded feedback, one change taken and one left, and the file."""

import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from tests.review.terminal import NEEDS_TMUX, Terminal
from treegen.config.settings import LlmSettings
from treegen.errors import ModelError
from treegen.files import read_text
from treegen.llm.chat import Message, Reply, ResponseSchema, open_chat
from treegen.tree.changes import Change, apply
from treegen.tree.changes.edits import change_prompt, point_rule, rename_option
from treegen.tree.document import content_text, dump
from treegen.tree.feedback_target import Feedback
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of
from treegen.workflow.draft import draft_tree
from treegen.workflow.revise import propose_revision
from treegen.workflow.workspace import Workspace

pytestmark = NEEDS_TMUX
FEEDBACK = "ask for the size in other words, and look at Abrosk again"


class Listening:
    """A chat that only remembers what it was asked."""

    name = "listening"
    heard: tuple[Message, ...] = ()

    def complete(
        self, messages: Sequence[Message], on_text: object = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        self.heard = tuple(messages)
        raise ModelError("it answers nothing")


def demo_tree(folder: Path) -> Tree:
    """The first draft of the demo, from its recorded conversation."""
    chat = open_chat(LlmSettings(model="replay/conversation.jsonl"), folder)
    with Workspace(folder / "tree.json") as workspace:
        return draft_tree(workspace, chat, tries=4).tree


def record(folder: Path, tree: Tree, reply: str) -> Path:
    """A recording of the feedback on that tree and of the reply to it."""
    chat = Listening()
    with Workspace(folder / "tree.json") as workspace, pytest.raises(ModelError):
        propose_revision(workspace, chat, Feedback(text=FEEDBACK), tries=1, tree=tree)
    line = {"messages": [m.as_dict() for m in chat.heard], "reply": reply, "model": "recorded", "finish": "stop"}
    path = folder / "feedback.jsonl"
    path.write_text(json.dumps(line) + "\n", encoding="utf-8")
    return path


def test_an_option_fixed_one_change_taken_and_one_left_is_what_the_file_holds(
    terminal: Terminal, sketchbook: Path
) -> None:
    """The demo's tree: the file holds the edit of the person and the one change that was taken, and nothing else."""
    path = sketchbook / "tree.json"
    drafted = demo_tree(sketchbook)
    first, size = drafted.groups[0], next(g for g in drafted.groups if g.name == "size")
    fixed = apply(drafted, rename_option(drafted, first.name, first.options[0], "snow white"))
    prompt: tuple[Change, ...] = change_prompt(fixed, "size", "The creature in this drawing is {}.")
    abrosk = next(rule for rule in fixed.rules if rule.name == "Abrosk")
    another = next(option for option in size.options if option != fixed.word(abrosk, "size"))
    proposed = apply(fixed, (*prompt, *point_rule(fixed, "Abrosk", "size", another)))
    recording = record(sketchbook, fixed, content_text(proposed))

    terminal.start(sys.executable, "-m", "treegen", "review", str(path), "--model", f"replay/{recording.name}")
    terminal.shows("? keys")
    terminal.press("Enter")
    terminal.shows("m merge")
    terminal.press("r")
    terminal.shows("Name of the option")
    terminal.press("C-u")
    terminal.press("-l", "snow white")
    terminal.press("Enter")
    terminal.until(lambda screen: "snow white" in screen and "unsaved" in screen and "dev " in screen)
    terminal.until(lambda screen: "(stale)" not in screen)
    terminal.press("F")
    terminal.shows("escape leave the text")
    terminal.press("-l", FEEDBACK)
    terminal.shows("look at Abrosk again")
    terminal.press("C-g")
    terminal.shows("2 changes proposed")
    terminal.until(lambda screen: "..." not in screen)
    terminal.press("Enter")
    terminal.shows("taken")
    terminal.press("Down", "x")
    terminal.shows("Why not")
    terminal.press("-l", "it is large")
    terminal.press("Enter")
    terminal.shows("left")
    terminal.press("C-s")
    terminal.until(lambda screen: screen.splitlines()[0].rstrip().endswith(" saved"))
    terminal.press("q")
    terminal.shows("ended with 0")

    wanted = replace(apply(fixed, prompt), review=None)
    assert read_text(path) == dump(wanted)
    assert tree_of(read_text(path), "tree") == wanted
