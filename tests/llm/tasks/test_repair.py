"""Long trees are mended by their failing places, and a JSON Patch is taken for an answer."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.llm.conftest import FakeChat
from tests.llm.tasks.test_draft import GOOD
from treegen.config.domain import Domain
from treegen.llm.tasks.conversation import WHOLE
from treegen.llm.tasks.draft import draft, revise
from treegen.llm.tasks.repair import repair_request, tree_reader
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.problems import Problem

NAMES = tuple(f"Thing {n}" for n in range(400))


def patch_of(*steps: dict[str, Any]) -> str:
    return json.dumps({"patch": steps})


def replaced(path: str, value: Any) -> dict[str, Any]:
    return {"op": "replace", "path": path, "value": value}


@pytest.fixture
def large(tmp_path: Path) -> Domain:
    return Domain(folder=tmp_path, name="things", noun="thing", classes=NAMES, notes=(("Thing 7", "it is old"),))


def tree_of_things(**rules: Any) -> dict[str, Any]:
    options = [f"number {n}" for n in range(20)]
    groups = {name: {"prompt": f"The thing's {name} is {{}}.", "options": options} for name in ("face", "back")}
    made = {name: {"face": n // 20, "back": n % 20} for n, name in enumerate(NAMES)}
    return {"classification_groups": groups, "rules": {**made, **rules}}


def read(domain: Domain, base: dict[str, Any], reply: str) -> Any:
    return tree_reader(domain, base)(reply, "stop")


@pytest.mark.parametrize(
    "reply",
    [
        patch_of(replaced("/rules/Yaffin/back", 1)),
        json.dumps([replaced("/rules/Yaffin/back", 1)]),
        json.dumps(replaced("/rules/Yaffin/back", 1)),
        f"<think>hm {{}}</think>Here:\n```json\n{patch_of(replaced('/rules/Yaffin/back', 1))}\n```",
        json.dumps({**GOOD, "rules": {**GOOD["rules"], "Yaffin": {"back": 1, "eyes": 1}}}),
    ],
)
def test_a_patch_and_the_whole_are_told_by_their_shape(domain: Domain, reply: str) -> None:
    found = read(domain, GOOD, reply)
    assert found.data["rules"]["Yaffin"] == {"back": 1, "eyes": 1}
    assert [p.code for p in found.problems] == ["TG204", "TG205"]


@pytest.mark.parametrize(
    ("step", "told"),
    [
        (replaced("/rules/Nobody/back", 1), "Nobody"),
        (replaced("/rules/Abrosk/back/0", 1), ""),
        ({"op": "test", "path": "/rules/Abrosk/back", "value": 2}, "2"),
        ({"op": "destroy", "path": "/rules"}, "destroy"),
        ({"op": "replace", "path": "/rules/Abrosk/back"}, "value"),
        ({"op": "add", "path": "/digest", "value": "sha256:0"}, "/classification_groups or /rules"),
        ({"op": "add", "path": "", "value": {}}, "/classification_groups or /rules"),
        ({"op": "move", "from": "/domain", "path": "/rules/x"}, "from must be"),
        ({"op": "replace", "path": 7, "value": 1}, "path must be"),
        ({"op": "remove", "path": "/classification_groups/back/options/9"}, ""),
    ],
)
def test_a_patch_that_cannot_be_made_changes_nothing_and_says_which_step(
    domain: Domain, step: dict[str, Any], told: str
) -> None:
    found = read(domain, GOOD, patch_of(replaced("/rules/Yaffin/back", 1), step))
    problem = found.problems[0]
    assert (problem.code, problem.severity) == ("TG505", "error")
    assert problem.pointer == (step["path"] if isinstance(step["path"], str) else "")
    assert "step 2 of the patch" in problem.message
    assert told in problem.message
    assert found.data == GOOD
    assert found.tree is not None


def test_a_patch_may_add_the_rule_of_a_class_answer_by_answer(domain: Domain) -> None:
    base = {**GOOD, "rules": {name: rule for name, rule in GOOD["rules"].items() if name != "Wendle"}}
    steps = [{"op": "add", "path": f"/rules/Wendle/{g}", "value": v} for g, v in GOOD["rules"]["Wendle"].items()]
    assert read(domain, base, patch_of(*steps)).problems == ()
    (missing,) = [p for p in read(domain, base, patch_of()).problems if p.severity == "error"]
    assert missing.code == "TG201"


def test_a_reply_that_is_neither_leaves_what_there_was(domain: Domain) -> None:
    found = read(domain, GOOD, "I would rather not.")
    assert [p.code for p in found.problems] == ["TG501"]
    assert found.data == GOOD


def test_a_small_tree_is_repaired_in_the_conversation_and_may_be_patched(domain: Domain) -> None:
    wrong = json.dumps({**GOOD, "rules": {**GOOD["rules"], "Yaffin": {"back": 7, "eyes": 1}}})
    chat = FakeChat(wrong, patch_of(replaced("/rules/Yaffin/back", 2)))
    conversation = draft(domain, chat)
    assert conversation.tree is not None
    assert [m.role for m in chat.requests[1]] == ["system", "user", "assistant", "user"]
    assert dict(conversation.tree.rules[2].answers) == GOOD["rules"]["Yaffin"]


def test_of_a_long_tree_only_the_failing_places_are_sent(large: Domain) -> None:
    wrong = tree_of_things(**{"Thing 7": {"face": 99, "back": 7}})
    assert len(json.dumps(wrong)) > WHOLE
    chat = FakeChat(json.dumps(wrong), patch_of(replaced("/rules/Thing 7/face", 0)))
    conversation = draft(large, chat)
    assert conversation.tree is not None
    assert [a.purpose for a in conversation.attempts] == ["draft", "repair"]
    system, user = chat.requests[1]
    assert (system.role, user.role) == ("system", "user")
    assert "TG112 at /rules/Thing 7/face" in user.content
    assert '/rules/Thing 7: {"face": 99, "back": 7}' in user.content
    assert '- "Thing 7": "it is old"' in user.content
    assert '  19: "number 19"' in user.content
    assert '"back"' not in user.content.replace('"back": 7', "")
    assert "Thing 8" not in user.content
    assert len(user.content) < 3000


def test_repairs_of_a_long_tree_do_not_grow(large: Domain) -> None:
    """Each request is about what is still wrong; the attempts before it are not told again."""
    wrong = tree_of_things(**{f"Thing {n}": {"face": 99, "back": n} for n in range(3)})
    steps = [patch_of(replaced(f"/rules/Thing {n}/face", 0)) for n in range(3)]
    chat = FakeChat(json.dumps(wrong), *steps)
    assert draft(large, chat).tree is not None
    lengths = [sum(len(m.content) for m in request) for request in chat.requests[1:]]
    assert lengths == sorted(lengths, reverse=True)
    assert [request[1].content.count("TG112") for request in chat.requests[1:]] == [3, 2, 1]


def test_the_same_patch_that_fails_twice_stops(large: Domain) -> None:
    wrong = json.dumps(tree_of_things(**{"Thing 7": {"face": 99, "back": 7}}))
    bad = patch_of(replaced("/rules/Nobody/face", 0))
    conversation = draft(large, FakeChat(wrong, bad, bad, bad), tries=9)
    assert conversation.stopped == "the same problems came back"
    assert len(conversation.attempts) == 3
    assert [p.code for p in conversation.problems] == ["TG505", "TG112"]


def test_a_long_reply_that_cannot_be_read_is_asked_for_anew_and_not_sent_back(large: Domain) -> None:
    whole = json.dumps(tree_of_things())
    chat = FakeChat(whole.replace("{", "[", 1), whole)
    assert draft(large, chat).tree is not None
    assert [m.role for m in chat.requests[1]] == ["system", "user"]
    assert chat.requests[1][1].content.startswith(chat.requests[0][1].content)
    assert "1 problem found" in chat.requests[1][1].content


def test_a_long_tree_is_revised_by_a_patch(large: Domain) -> None:
    document = check_data({"domain": "things", **tree_of_things()}).document
    assert document is not None
    chat = FakeChat(patch_of(replaced("/classification_groups/face/prompt", "The thing has the face {}.")))
    tree = revise(large, document.tree, "Another prompt.", chat).tree
    assert tree is not None
    assert tree.groups[0].prompt == "The thing has the face {}."
    assert tree.rules == document.tree.rules
    assert "answer with a JSON Patch" in chat.requests[0][1].content


def test_equal_rules_are_shown_both_with_all_groups(large: Domain) -> None:
    data = tree_of_things(**{"Thing 9": {"face": 0, "back": 8}})
    problem = Problem(code="TG204", pointer="/rules/Thing 9", message='"Thing 9" has the same answers as "Thing 8"')
    told = repair_request(large, data, [problem])[1].content
    assert '/rules/Thing 9: {"face": 0, "back": 8}' in told
    assert '/rules/Thing 8: {"face": 0, "back": 8}' in told
    assert '- "back": ' in told
    assert '- "face": ' in told


def test_a_revision_whose_patch_cannot_be_made_still_knows_the_feedback(large: Domain) -> None:
    document = check_data({"domain": "things", **tree_of_things()}).document
    assert document is not None
    good = patch_of(replaced("/classification_groups/face/prompt", "The thing has the face {}."))
    chat = FakeChat(patch_of(replaced("/classification_groups/nose/prompt", "x {}")), good)
    tree = revise(large, document.tree, "Another prompt.", chat).tree
    assert tree is not None
    assert tree.groups[0].prompt == "The thing has the face {}."
    assert [m.role for m in chat.requests[1]] == ["system", "user", "assistant", "user"]
    assert "Another prompt." in chat.requests[1][1].content
    assert "TG505 at /classification_groups/nose/prompt" in chat.requests[1][3].content
