"""Groups and classes of a reply while it comes, in every shape that replies have; half texts are not shown."""

import json
import random
from typing import Any

import pytest

from tests.conftest import TREE
from treegen.llm.reading.partial import Arriving, PartialGroup, PartialReply, arrived

DATA: dict[str, Any] = json.loads(TREE)
LISTED = {
    "classification_groups": [{"name": n, **g} for n, g in DATA["classification_groups"].items()],
    "rules": [
        {"class": n, "answers": [{"group": g, "option": o} for g, o in r.items()]} for n, r in DATA["rules"].items()
    ],
}
WHOLE = PartialReply(
    groups=tuple(
        PartialGroup(name=n, prompt=g["prompt"], options=tuple(g["options"]))
        for n, g in DATA["classification_groups"].items()
    ),
    classes=tuple(DATA["rules"]),
)
SHAPES = {
    "json": json.dumps(DATA),
    "indented": json.dumps(DATA, indent=2),
    "fenced": f"Here it is, {{as}} you asked:\n```json\n{TREE}```\nDon't hesitate to ask.",
    "thought": f"<think>Perhaps {{'classification_groups': {{'wrong': {{}} }} }}? It's hard.</think>{TREE}",
    "end of a thought alone": f'so {{"classification_groups": {{"wrong": {{"prompt": 1</think>{TREE}',
    "python": repr(DATA),
    "comments": TREE.replace('"rules"', '// it\'s "now": {the rules}\n/* {"a": */ # and "more\n"rules"'),
    "named": TREE.replace('"rules"', '"sketchbook_rules"').replace("classification_groups", "classification_cot"),
    "lists": json.dumps(LISTED),
    "rules first": json.dumps({"rules": DATA["rules"], "classification_groups": DATA["classification_groups"]}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_whole_reply_is_read(shape: str) -> None:
    assert arrived(SHAPES[shape]) == WHOLE


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("longest", [1, 7, 300])
def test_pieces_of_any_length_say_the_same_as_the_whole(shape: str, longest: int) -> None:
    """At every step as well: what is heard in pieces is what the text so far says at once."""
    text, dice, heard, end = SHAPES[shape], random.Random(longest), Arriving(), 0
    while end < len(text):
        end = min(len(text), end + dice.randint(1, longest))
        heard.hear(text[:end])
        if dice.random() < 0.02:
            assert heard.now == arrived(text[:end])
    assert heard.now == WHOLE


def test_half_a_text_is_not_shown() -> None:
    begin = TREE[: TREE.index('"a four-legged') + 8]
    assert arrived(begin).groups[-1] == PartialGroup(name="form", prompt="This creature looks like {}.")


def test_what_has_come_only_grows() -> None:
    """Each prefix says the beginning of what a longer one says."""
    before = PartialReply()
    for end in range(0, len(TREE), 3):
        now = arrived(TREE[:end])
        assert [g.name for g in now.groups][: len(before.groups)] == [g.name for g in before.groups]
        assert now.classes[: len(before.classes)] == before.classes
        before = now


def test_a_reply_that_begins_anew_is_read_anew() -> None:
    heard = Arriving()
    heard.hear(TREE[:600])
    for text, said in (("", PartialReply()), (TREE, WHOLE), ("x" * len(TREE), PartialReply())):
        heard.hear(text)
        assert heard.now == said


def test_escapes_are_read_across_pieces() -> None:
    text = '{"classification_groups": {"a\\"\\u00e9\\\\": {"prompt": "x\\n{}", "options": ["\\ud83d\\ude00"]}}}'
    heard = Arriving()
    for character in text:
        heard.feed(character)
    (group,) = heard.now.groups
    assert (group.name, group.prompt) == ('a"é\\', "x\n{}")


@pytest.mark.parametrize(
    "text",
    ["{" * 50_000, '{"a":' * 50_000, "</think>" * 10_000, "<" * 100_000, '{"' + "\\" * 100_001, "\x00\ud83d", "}]" * 9],
)
def test_anything_else_says_nothing_and_breaks_nothing(text: str) -> None:
    assert arrived(text) == PartialReply()


def test_each_character_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is heard again and again is not read again: the characters fed add up to the length of the reply."""
    fed: list[int] = []
    feed = Arriving.feed

    def counted(self: Arriving, piece: str) -> None:
        fed.append(len(piece))
        feed(self, piece)

    monkeypatch.setattr(Arriving, "feed", counted)
    heard = Arriving()
    for end in range(0, len(TREE) + 1, 2):
        heard.hear(TREE[:end])
    heard.hear(TREE)
    assert sum(fed) == len(TREE)
