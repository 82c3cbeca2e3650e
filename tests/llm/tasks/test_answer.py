"""A vision model's answers about a picture are held to the tree's options."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from treegen.config.domain import Domain
from treegen.llm.chat.interface import Message, Reply
from treegen.llm.prompting.response_schemas import answers_to
from treegen.llm.tasks.answer import PictureAnswers, answer_pictures, answer_request
from treegen.tree.model import ClassRule, Group, Tree

TREE = Tree(
    domain="birds",
    groups=(
        Group(name="colour", prompt="The bird is {}.", options=("light grey", "red")),
        Group(name="bill", prompt="Its bill is {}.", options=("long", "short")),
    ),
    rules=(ClassRule(name="Secret Name", answers=(("colour", 0), ("bill", 1))),),
)
PICTURE = "data:image/png;base64,AAAA"


class Scripted:
    """A chat with given replies."""

    name = "eye"

    def __init__(self, *replies: str) -> None:
        self.replies, self.requests = list(replies), list[Sequence[Message]]()

    def complete(self, messages: Sequence[Message], on_text: Any = None, *, wire: Any = None) -> Reply:
        self.requests.append(messages)
        return Reply(text=self.replies.pop(0), model=self.name)


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return Domain(folder=tmp_path, name="birds", noun="bird", classes=("Secret Name", "Other"))


def ask(domain: Domain, *replies: str, tries: int = 2) -> tuple[PictureAnswers, Scripted]:
    chat = Scripted(*replies)
    return answer_pictures(domain, TREE, chat, {"one": PICTURE}, tries=tries)["one"], chat


def reply(**answers: Any) -> str:
    return json.dumps({"seen": "A grey bird\n in reeds.", "answers": answers})


def test_the_request_has_the_picture_and_the_questions_and_no_class(domain: Domain) -> None:
    (message,) = answer_request(domain, TREE, PICTURE)
    assert message.images == (PICTURE,)
    assert '"colour": "The bird is {}." ["light grey", "red"]' in message.content
    assert "Secret Name" not in message.content


def test_the_schema_has_the_rationale_first_and_allows_options_and_null_alone() -> None:
    schema = answers_to(TREE.groups).schema
    assert list(schema["properties"]) == ["seen", "answers"]
    good = {"seen": "x", "answers": {"colour": "red", "bill": None}}
    jsonschema.validate(good, schema)
    for bad in ({"colour": "blue", "bill": None}, {"colour": "red"}, {"colour": 1, "bill": None}):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate({"seen": "x", "answers": bad}, schema)


@pytest.mark.parametrize("colour", ["light grey", "Light  Grey"])
def test_an_answer_is_an_option_or_nothing(domain: Domain, colour: str) -> None:
    said, chat = ask(domain, reply(colour=colour, bill=None, more="x"))
    assert said == PictureAnswers(seen="A grey bird in reeds.", answers={"colour": "light grey", "bill": None})
    assert len(chat.requests) == 1


@pytest.mark.parametrize(
    ("answers", "problem"),
    [
        ({"colour": "blue", "bill": None}, 'TG106 at /answers/colour: "blue" is no option of "colour"'),
        ({"colour": 0, "bill": None}, "TG106 at /answers/colour"),
        ({"colour": "red"}, 'TG104 at /answers/bill: "bill" has no answer'),
    ],
)
def test_what_is_no_option_is_asked_for_again(domain: Domain, answers: dict[str, Any], problem: str) -> None:
    said, chat = ask(domain, reply(**answers), reply(colour="red", bill="long"))
    assert said.answers == {"colour": "red", "bill": "long"}
    assert problem in chat.requests[1][-1].content


def test_a_picture_without_usable_answers_says_so_and_the_others_go_on(domain: Domain) -> None:
    chat = Scripted("I cannot tell.", "Sorry!", reply(colour="red", bill="long"))
    found = answer_pictures(domain, TREE, chat, {"one": PICTURE, "two": f"{PICTURE}BB"}, tries=2)
    assert found["one"].failure
    assert not found["two"].failure
    assert len(chat.requests) == 3


@pytest.mark.parametrize("hostile", ["[]", "{}", '{"answers": 3}', '{"answers": {"colour": {"a": []}, "bill": [1]}}'])
def test_no_reply_ends_the_run(domain: Domain, hostile: str) -> None:
    assert ask(domain, hostile, tries=1)[0].failure
