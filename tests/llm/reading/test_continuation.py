"""A cut reply is continued from a place that leaves no doubt, joined, and never repaired in silence."""

import json
import random

import pytest

from tests.llm.conftest import FakeChat
from tests.llm.tasks.test_draft import GOOD
from treegen.config.domain import Domain
from treegen.llm.chat.interface import Reply
from treegen.llm.reading.continuation import joined, stem_of
from treegen.llm.tasks.draft import draft, revise
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data

WHOLE = json.dumps(GOOD, indent=1)


def cut(text: str) -> Reply:
    return Reply(text=text, model="fake", finish="length", prompt_tokens=5, completion_tokens=9, cost=0.5)


@pytest.mark.parametrize(
    ("text", "stem"),
    [
        ('{"a": 1, "b": 12', '{"a": 1,'),
        ('{"a": [1, 2', '{"a": [1,'),
        ('{"a": "one, two, thr', '{"a": "one, two, thr'[:1]),
        ('Here: ```json\n{"a": {', 'Here: ```json\n{"a": {'),
        ('<think>{"no": 1,</think>{"a": 1, ', '<think>{"no": 1,</think>{"a": 1,'),
        ('<think>{"no": 1,', ""),
        ("I would say", ""),
        ('{"a": 1, // one, two\n "b": tr', '{"a": 1,'),
    ],
)
def test_a_stem_ends_behind_the_last_comma_or_open_bracket(text: str, stem: str) -> None:
    assert stem_of(text) == stem


def test_a_reply_cut_anywhere_and_continued_says_the_same() -> None:
    """Wherever it is cut: continued exactly, with white space lost, in a fence, or with some of it said again."""
    dice = random.Random(1)
    for end in range(1, len(WHOLE)):
        stem = stem_of(WHOLE[:end])
        rest = WHOLE[len(stem) :]
        again = WHOLE[len(stem) - dice.randint(30, 60) :] if len(stem) > 60 else rest
        for said in (rest, rest.strip(), f"```json\n{rest}", again):
            assert json.loads(joined(stem, said).removesuffix("```")) == GOOD


def test_a_cut_reply_is_continued_and_every_piece_is_an_attempt(domain: Domain) -> None:
    place = WHOLE.index('"eyes": 1') + 8
    stem = stem_of(WHOLE[:place])
    chat = FakeChat(cut(WHOLE[:place]), cut(WHOLE[len(stem) : len(stem) + 60]), "", "")
    second = stem_of(stem + WHOLE[len(stem) : len(stem) + 60])
    chat.queue[2] = WHOLE[len(second) :]
    conversation = draft(domain, chat, tries=1)
    assert conversation.tree is not None
    assert [a.purpose for a in conversation.attempts] == ["draft", "continue", "continue"]
    assert [[p.code for p in a.problems] for a in conversation.attempts] == [["TG503"], ["TG503"], []]
    assert [m.role for m in chat.requests[2]] == ["system", "user", "assistant", "user"]
    assert chat.requests[1][2].content == stem
    assert chat.requests[2][2].content == second
    assert "cut at the token limit" in chat.requests[2][3].content
    assert sum(a.reply.cost or 0 for a in conversation.attempts if a.reply) == 1.0


def test_a_model_that_does_not_get_on_is_not_asked_for_ever(domain: Domain) -> None:
    chat = FakeChat(cut('{"a": 1,'), *[cut("")] * 9)
    conversation = draft(domain, chat, tries=1)
    assert conversation.tree is None
    assert len(chat.requests) == 2
    assert [p.code for p in conversation.problems] == ["TG503"]


def test_a_reply_without_end_is_continued_so_many_times(domain: Domain) -> None:
    begins = '{"classification_groups": {'
    more = [f'"g{n}": {{"prompt": "x {{}}", "options": ["o"]}},' for n in range(9)]
    chat = FakeChat(cut(begins), *map(cut, more))
    assert draft(domain, chat, tries=1).tree is None
    assert len(chat.requests) == 5


def test_a_revision_that_stays_cut_is_asked_for_as_a_patch(domain: Domain) -> None:
    """Less is asked for: only what changes."""
    document = check_data({"domain": domain.name, **GOOD}).document
    assert document is not None
    tree: Tree = document.tree
    patch = json.dumps({"patch": [{"op": "replace", "path": "/rules/Abrosk/eyes", "value": 1}]})
    chat = FakeChat(cut('{"classification_groups": {'), cut(""), patch)
    conversation = revise(domain, tree, "Its eyes are long.", chat)
    assert [a.purpose for a in conversation.attempts] == ["revise", "continue", "revise"]
    assert "JSON Patch" not in chat.requests[0][1].content
    assert "JSON Patch" in chat.requests[2][1].content
    assert conversation.tree is not None
    assert dict(conversation.tree.rules[0].answers) == {"back": 0, "eyes": 1}
