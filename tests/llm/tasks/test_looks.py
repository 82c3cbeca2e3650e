"""Looks of classes in conversations with a language model: what is asked, and what is made of replies."""

import json
from typing import Any

import jsonschema

from tests.llm.conftest import FakeChat
from tests.llm.tasks.test_draft import GOOD, codes
from treegen.config.domain import Domain
from treegen.llm.prompting.response_schemas import REVISED_TREE, WHOLE_TREE, rules_of
from treegen.llm.reading.parser import parse_reply
from treegen.llm.tasks.batched_draft import draft_in_parts, separate
from treegen.llm.tasks.draft import draft, revise
from treegen.tree.model import Group, Tree
from treegen.tree.validation.checks import check_data

RULES: dict[str, Any] = GOOD["rules"]
MALE, FEMALE = "Yaffin (male)", "Yaffin (female)"
BOTH = {
    "classification_groups": GOOD["classification_groups"],
    "looks": {"Yaffin": [MALE, FEMALE]},
    "rules": {
        **{name: RULES[name] for name in ("Abrosk", "Wendle")},
        MALE: RULES["Yaffin"],
        FEMALE: {"back": 1, "eyes": 0},
    },
}


def tree_of(domain: Domain, data: dict[str, Any]) -> Tree:
    document = check_data({"domain": domain.name, **data}).document
    assert document is not None
    return document.tree


def test_a_draft_asks_for_looks_that_share_few_answers(domain: Domain) -> None:
    chat = FakeChat(json.dumps(GOOD))
    draft(domain, chat)
    asked = chat.requests[0][1].content
    assert "several looks that share few answers, such as male and female" in asked
    assert '"looks": {"CLASS": ["CLASS (male)", "CLASS (female)"]}' in asked


def test_looks_of_a_reply_become_those_of_the_tree(domain: Domain) -> None:
    conversation = draft(domain, FakeChat(json.dumps(BOTH)))
    assert conversation.tree == tree_of(domain, BOTH)
    assert conversation.tree.looks == {"Yaffin": (MALE, FEMALE)}
    assert conversation.problems == ()


def test_a_reply_without_looks_or_with_none_is_a_tree_without(domain: Domain) -> None:
    nothing: tuple[Any, ...] = ({}, [], None)
    for empty in nothing:
        assert draft(domain, FakeChat(json.dumps({**GOOD, "looks": empty}))).tree == tree_of(domain, GOOD)


def test_looks_of_a_class_in_another_spelling_and_of_no_class_are_settled_without_a_request(domain: Domain) -> None:
    odd = {**BOTH, "looks": {"yaffin": [MALE, FEMALE], "Nubbet": ["Nubbet (male)"]}}
    conversation = draft(domain, FakeChat(json.dumps(odd)))
    assert conversation.tree == tree_of(domain, BOTH)
    assert any("Nubbet" in note for note in conversation.attempts[0].notes)


def test_a_look_without_a_rule_is_sent_back_and_a_rule_beside_looks_left_out(domain: Domain) -> None:
    lost = {**BOTH, "looks": {"Yaffin": [MALE, FEMALE, "Yaffin (young)"]}}
    beside = {**BOTH, "rules": {**BOTH["rules"], "Yaffin": {"back": 2, "eyes": 0}}}
    chat = FakeChat(json.dumps(lost), json.dumps(beside))
    conversation = draft(domain, chat)
    assert [codes(attempt) for attempt in conversation.attempts] == [["TG207"], []]
    assert "TG207" in chat.requests[1][-1].content
    assert conversation.attempts[1].notes == ('ignored rules of classes that were not asked for: "Yaffin"',)
    assert conversation.tree == tree_of(domain, BOTH)


def test_the_form_of_structured_replies_has_looks() -> None:
    listed = {
        "classification_groups": [{"name": name, **group} for name, group in GOOD["classification_groups"].items()],
        "rules": [
            {"class": name, "answers": [{"group": g, "option": o} for g, o in rule.items()]}
            for name, rule in BOTH["rules"].items()
        ],
        "looks": [{"class": "Yaffin", "looks": [MALE, FEMALE]}],
    }
    read = parse_reply(json.dumps(listed)).data
    assert read is not None
    assert {**read, "looks": read["looks"]} == {key: BOTH[key] for key in ("classification_groups", "rules", "looks")}
    assert all("looks" in schema.schema["properties"] for schema in (WHOLE_TREE, REVISED_TREE))


def test_a_revision_shows_looks_and_is_told_what_they_are_only_where_there_are_some(domain: Domain) -> None:
    chat = FakeChat(json.dumps(GOOD), json.dumps(BOTH))
    revise(domain, tree_of(domain, GOOD), "shorter", chat)
    revise(domain, tree_of(domain, BOTH), "shorter", chat)
    plain, looks = (request[1].content for request in chat.requests)
    assert "looks" not in plain
    assert '"Yaffin": ["Yaffin (male)", "Yaffin (female)"]' in looks
    assert "each look has a rule of its own" in looks


def test_a_patch_may_add_a_look(domain: Domain) -> None:
    patch = [
        {"op": "add", "path": "/looks/Wendle", "value": ["Wendle", "Wendle (young)"]},
        {"op": "add", "path": "/rules/Wendle (young)", "value": {"back": 0, "eyes": 1}},
    ]
    tree = revise(domain, tree_of(domain, BOTH), "split it", FakeChat(json.dumps(patch))).tree
    assert tree is not None
    assert tree.looks["Wendle"] == ("Wendle", "Wendle (young)")
    none_yet = [{"op": "add", "path": "/looks", "value": {"Wendle": ["Wendle", "Wendle (young)"]}}, patch[1]]
    split = revise(domain, tree_of(domain, GOOD), "split it", FakeChat(json.dumps({"patch": none_yet}))).tree
    assert split is not None
    assert split.looks == {"Wendle": ("Wendle", "Wendle (young)")}


def test_looks_stay_where_other_classes_are_shown_side_by_side(domain: Domain) -> None:
    equal = {**BOTH["rules"], "Wendle": RULES["Abrosk"]}
    whole = draft(domain, FakeChat(json.dumps({**BOTH, "rules": equal, "alike": [["Abrosk", "Wendle"]]})))
    told = {
        "classification_groups": {"legs": {"prompt": "The frogling's legs are {}.", "options": ["thin", "thick"]}},
        "rules": {"Abrosk": {"legs": "thin"}, "Wendle": {"legs": "thick"}},
    }
    pictures = {name: [f"data:image/png;base64,{name[0]}"] for name in domain.classes}
    tree = separate(domain, FakeChat(json.dumps(told)), whole, pictures, tries=1).tree
    assert tree is not None
    assert tree.looks == {"Yaffin": (MALE, FEMALE)}
    assert [rule.get("legs") for rule in tree.rules] == [0, 1, None, None]


def test_a_draft_in_parts_takes_further_looks_with_the_rules_of_a_batch(domain: Domain) -> None:
    groups = GOOD["classification_groups"]
    young = {"class": "yaffin", "answers": {"back": "green", "eyes": "long"}}
    listed = {"name": "Yaffin (young)", **young, "class": "Yaffin"}
    odd = {
        "Nubbet (male)": {"class": "Nubbet", "answers": {"back": 0, "eyes": 0}},
        "Wendle (male)": "unlike the female",
    }
    for looks in ({"Yaffin (young)": young, **odd}, [listed]):
        replies = ({"classification_groups": groups}, {"rules": RULES, "looks": looks, "alike": []})
        chat = FakeChat(*map(json.dumps, replies))
        conversation = draft_in_parts(domain, chat, tries=1)
        assert conversation.tree is not None
        assert conversation.tree.looks == {"Yaffin": ("Yaffin", "Yaffin (young)")}
        assert dict(conversation.tree.rules[-1].answers) == {"back": 0, "eyes": 1}
        assert '"looks": {"CLASS (female)": {"class": "CLASS", "answers": {"GROUP": 0}}}' in chat.requests[1][1].content
    asked = [Group(name=name, prompt=g["prompt"], options=tuple(g["options"])) for name, g in groups.items()]
    strict = {"rules": RULES, "alike": [], "looks": [{**listed, "answers": {"back": 0, "eyes": 1}}]}
    jsonschema.validate(strict, rules_of(asked, list(RULES)).schema)
