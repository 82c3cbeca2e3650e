"""What readers who played the model complained of: each is answered in the request, or in what is read of the reply."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.llm.conftest import FakeChat
from treegen.config.domain import Domain
from treegen.llm.tasks.attempts import Conversation
from treegen.llm.tasks.batched_draft import draft_in_parts, separate
from treegen.llm.tasks.describe import describe
from treegen.llm.tasks.draft import draft, revise, wanted_groups
from treegen.llm.tasks.likeness import batches_of, clusters_of
from treegen.tree.model import Tree

BIRDS = ("House Wren", "Robin", "Marsh Wren", "Rook")
GROUPS = {
    "wings": {"prompt": "The wings of this bird are {}.", "options": ["brown", "black"]},
    "size": {"prompt": "This bird is {}.", "options": ["tiny", "large"]},
}
RULES: dict[str, dict[str, Any]] = {
    "House Wren": {"wings": 0, "size": 0},
    "Robin": {"wings": 0, "size": 1},
    "Marsh Wren": {"wings": 0, "size": 0},
    "Rook": {"wings": 1, "size": 1},
}
PICTURES = {name: [f"data:image/png;base64,{name[0]}{n}" for n in range(3)] for name in BIRDS}


@pytest.fixture
def birds(tmp_path: Path) -> Domain:
    return Domain(folder=tmp_path, name="birds", noun="bird", classes=BIRDS)


def in_parts(domain: Domain, *replies: dict[str, Any], **more: Any) -> tuple[Conversation, FakeChat]:
    chat = FakeChat(*map(json.dumps, replies))
    return draft_in_parts(domain, chat, tries=1, **more), chat


def answers(tree: Tree | None) -> dict[str, dict[str, int | None]]:
    assert tree
    return {rule.name: dict(rule.answers) for rule in tree.rules}


@pytest.mark.parametrize(("classes", "least", "most"), [(2, 2, 4), (13, 3, 6), (16, 3, 6), (80, 6, 12), (1000, 9, 18)])
def test_the_number_of_groups_follows_a_rule(classes: int, least: int, most: int) -> None:
    assert wanted_groups(classes) == (least, most)


def test_draft_and_parts_say_how_many_groups_what_contains_and_which_words_are_forbidden(tmp_path: Path) -> None:
    """28 groups came for 80 birds; "blue" and "pale blue" were both options; "wren" stood in a prompt."""
    for count, number in ((16, "three to six"), (80, "six to twelve")):
        domain = Domain(folder=tmp_path, name="d", classes=tuple(f"C{n}" for n in range(count)))
        whole, parts = FakeChat("{}"), FakeChat("{}")
        draft(domain, whole, tries=1)
        draft_in_parts(domain, parts, tries=1)
        for chat in (whole, parts):
            text = chat.requests[0][-1].content
            assert number in text.lower()
            assert 'no option contains the words of another (not "blue" and "pale blue")' in text
            assert "the name of a class, or the noun of one (for a Willow Warbler: warbler)" in text


def test_classes_that_cannot_be_told_apart_are_a_problem_for_a_person_and_not_for_the_model(birds: Domain) -> None:
    """Equal rules are sent back unless the reply says that they are alike; then nobody is asked to invent."""
    reply = {"classification_groups": GROUPS, "rules": RULES, "alike": [["House Wren", "marsh wren"]]}
    chat = FakeChat(json.dumps(reply))
    conversation = draft(birds, chat)
    assert "invent no difference" in chat.requests[0][1].content
    assert answers(conversation.tree)["Marsh Wren"] == answers(conversation.tree)["House Wren"]
    (problem,) = [p for p in conversation.problems if p.code.startswith("TG5")]
    assert (problem.code, problem.severity, problem.pointer) == ("TG506", "warning", "/rules/Marsh Wren")
    del reply["alike"]
    assert draft(birds, FakeChat(json.dumps(reply)), tries=1).problems[0].code == "TG204"


@pytest.mark.parametrize(
    "alike", ["House Wren", [], [[]], [["Robin"]], [["Robin", "Dodo"]], {"Robin": "Rook"}, [1, [2]], 5]
)
def test_a_list_of_alike_classes_that_is_none_hides_nothing(alike: Any, birds: Domain) -> None:
    reply = {"classification_groups": GROUPS, "rules": RULES, "alike": alike}
    conversation = draft(birds, FakeChat(json.dumps(reply)), tries=1)
    assert [p.code for p in conversation.problems if p.severity == "error"] == ["TG204"]


def test_a_word_that_a_group_lacks_becomes_an_option_marked_for_the_reviewer(birds: Domain) -> None:
    """White backs and olive wings: the reader had to give an index that was wrong."""
    rules = {**RULES, "Robin": {"wings": "olive", "size": 1}, "Marsh Wren": {"wings": "Olive", "size": 0}}
    conversation, chat = in_parts(birds, {"classification_groups": GROUPS}, {"rules": rules})
    assert "in a few words in place of an index" in chat.requests[1][1].content
    assert conversation.tree
    assert conversation.tree.groups[0].options == ("brown", "black", "olive")
    assert {name: rule["wings"] for name, rule in answers(conversation.tree).items()} == {
        "House Wren": 0,
        "Robin": 2,
        "Marsh Wren": 2,
        "Rook": 1,
    }
    (problem,) = [p for p in conversation.problems if p.code == "TG507"]
    assert problem.pointer == "/classification_groups/wings/options/2"
    assert '"olive" for "Robin"' in problem.message
    assert conversation.attempts[1].notes == ('added options that the rules give: "olive (wings of Robin)"',)


def test_words_of_several_batches_are_one_option_each(birds: Domain) -> None:
    """Batches do not see each other's words; the tree has them in the order of the classes."""
    first = {"House Wren": {"wings": "olive", "size": 0}, "Marsh Wren": {"wings": "red", "size": 0}}
    second = {"Robin": {"wings": "Red", "size": 1}, "Rook": {"wings": "olive", "size": 1}}
    conversation, _ = in_parts(birds, {"classification_groups": GROUPS}, {"rules": first}, {"rules": second}, size=2)
    assert conversation.tree
    assert conversation.tree.classes == BIRDS
    assert conversation.tree.groups[0].options == ("brown", "black", "olive", "Red")
    assert [p.code for p in conversation.problems].count("TG507") == 2


def test_null_says_whether_no_option_fits_or_the_class_varies(birds: Domain) -> None:
    rules = {**RULES, "Robin": {"wings": "varies", "size": 1}, "Marsh Wren": {"wings": "none fits", "size": None}}
    rules["Rook"] = {"wings": None, "size": 1}
    rules["Robin"]["size"] = 0
    conversation, _ = in_parts(birds, {"classification_groups": GROUPS}, {"rules": rules}, {"rules": {}})
    assert conversation.attempts[1].notes == (
        'varies within the class, so null: "Robin in wings"',
        'no option fits, so null: "Marsh Wren in wings"',
    )


def test_an_option_that_is_called_varies_is_an_option(birds: Domain) -> None:
    groups = {**GROUPS, "wings": {**GROUPS["wings"], "options": ["brown", "black", "varies"]}}
    rules = {**RULES, "Marsh Wren": {"wings": "varies", "size": 0}}
    conversation, _ = in_parts(birds, {"classification_groups": groups}, {"rules": rules})
    assert answers(conversation.tree)["Marsh Wren"]["wings"] == 2


def test_descriptions_of_pictures_are_asked_in_absolute_terms(birds: Domain) -> None:
    """ "The only insect here" is true of one request and false of the whole."""
    chat = FakeChat(json.dumps({"descriptions": dict.fromkeys(BIRDS, "brown")}))
    describe(birds, chat, PICTURES, tries=1)
    text = chat.requests[0][0].content
    assert "in absolute terms, which are true without the other pictures" in text
    assert "the only one" in text


def test_classes_that_look_alike_are_in_one_request(birds: Domain) -> None:
    """By their names, or because one was taken for the other; the tree keeps the order of the domain."""
    conversation, chat = in_parts(
        birds,
        {"classification_groups": GROUPS},
        {"rules": {name: RULES[name] for name in BIRDS[::2]}, "alike": [["House Wren", "Marsh Wren"]]},
        {"rules": {name: RULES[name] for name in BIRDS[1::2]}},
        size=2,
    )
    assert '- "House Wren"\n- "Marsh Wren"\n' in chat.requests[1][1].content
    assert conversation.tree
    assert conversation.tree.classes == BIRDS
    assert batches_of(BIRDS, 2, [("Rook", "Marsh Wren")]) == [["House Wren", "Marsh Wren"], ["Robin", "Rook"]]
    assert batches_of([f"Thing {n}" for n in range(7)], 3)[1] == ["Thing 3", "Thing 4", "Thing 5"]
    many = [f"{colour} {bird}" for colour in ("Red", "Blue", "Grey") for bird in ("Jay", "Tit", "Owl", "Kite")]
    assert sorted(name for cluster in clusters_of(many) for name in cluster) == sorted(many)
    assert all(len(batch) <= 4 for batch in batches_of(many, 4))


def test_pairs_that_remain_alike_are_shown_side_by_side_once_more(birds: Domain) -> None:
    """With all their pictures in one request, whether the draft is made in parts or as a whole."""
    alike: dict[str, Any] = {"rules": RULES, "alike": [["House Wren", "Marsh Wren"]]}
    told: dict[str, Any] = {"rules": {"Marsh Wren": {"brow": "white"}, "House Wren": {"brow": "none at all"}}}
    told["classification_groups"] = {"brow": {"prompt": "The brow is {}.", "options": ["white", "none at all"]}}
    conversation, chat = in_parts(birds, {"classification_groups": GROUPS}, alike, told, pictures=PICTURES)
    request = chat.requests[2][1]
    assert request.images == (*PICTURES["House Wren"], *PICTURES["Marsh Wren"])
    assert (
        'side by side, in their order:\n- pictures 1 to 3: "House Wren"\n- pictures 4 to 6: "Marsh Wren"'
        in request.content
    )
    assert [p.code for p in conversation.problems if p.code == "TG506"] == []
    assert answers(conversation.tree)["Marsh Wren"]["brow"] == 0
    whole = draft(birds, FakeChat(json.dumps({"classification_groups": GROUPS, **alike})))
    again = FakeChat(json.dumps(told))
    separated = separate(birds, again, whole, PICTURES, tries=1)
    assert answers(separated.tree) == answers(conversation.tree)
    assert [a.number for a in separated.attempts] == [1, 2]


def test_pairs_that_are_alike_even_side_by_side_stay_a_problem_for_a_person(birds: Domain) -> None:
    alike = {"rules": RULES, "alike": [["House Wren", "Marsh Wren"]]}
    still = {"rules": {}, "alike": [["Marsh Wren", "House Wren"]]}
    conversation, chat = in_parts(birds, {"classification_groups": GROUPS}, alike, still, pictures=PICTURES)
    assert len(chat.requests) == 3
    assert conversation.tree
    assert [p.code for p in conversation.problems if p.code.startswith("TG5")] == ["TG506"]
    whole = draft(birds, FakeChat(json.dumps({"classification_groups": GROUPS, **alike})))
    assert separate(birds, FakeChat("Sorry"), whole, PICTURES, tries=1).tree == whole.tree


def test_a_revision_makes_no_equal_rules(birds: Domain) -> None:
    """A tree that has them is no proposal, whatever the reply lists."""
    sound = {"classification_groups": GROUPS, "rules": {**RULES, "Marsh Wren": {"wings": 1, "size": 0}}}
    tree = draft(birds, FakeChat(json.dumps(sound))).tree
    assert tree
    reply = {"classification_groups": GROUPS, "rules": RULES, "alike": [["House Wren", "Marsh Wren"]]}
    revised = revise(birds, tree, "look again", FakeChat(json.dumps(reply)), tries=1)
    assert revised.tree is None
    assert [p.code for p in revised.problems if p.severity == "error"] == ["TG204"]
