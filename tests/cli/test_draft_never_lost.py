"""What a model wrote and somebody paid for is not lost: repaired for nothing, folded, written with its errors."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DOMAIN, TREE, Run, calls_of, is_tree, revisions_of
from tests.llm.chat.asked import sketchbook as asked_sketchbook
from tests.llm.chat.asked import waits, write_domain
from tests.llm.chat.cases import GOOD, USAGE, WRONG
from tests.llm.chat.server import OpenAIServer
from tests.llm.conftest import openai_server
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_file

pytestmark = pytest.mark.slow

__all__ = ["asked_sketchbook", "openai_server", "waits"]  # fixtures


def tree_in(path: Path) -> Tree:
    """The tree of a file, with errors or without."""
    document = check_file(path).document
    assert document
    return document.tree


PLAIN: dict[str, Any] = json.loads(TREE)


@pytest.fixture
def pond(tmp_path: Path) -> Path:
    """The folder of a domain without images."""
    folder = tmp_path / "pond"
    folder.mkdir()
    (folder / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    return folder


def changed(change: Callable[[dict[str, Any]], object]) -> str:
    """The tree after a change, as JSON."""
    tree = json.loads(TREE)
    change(tree)
    return json.dumps(tree)


def words(tree: dict[str, Any]) -> None:
    """Options in words in place of indices, in capitals."""
    for rule in tree["rules"].values():
        for group, answer in rule.items():
            if answer is not None:
                rule[group] = tree["classification_groups"][group]["options"][answer].upper()


def wide(tree: dict[str, Any]) -> None:
    """A class in capitals, one with a no-break space, a group with a space behind it."""
    rules = tree["rules"]
    rules["ABROSK"], rules["Abrosk\u00a0G"] = rules.pop("Abrosk"), rules.pop("Abrosk G")
    rules["Wendle"] = {f"{group} ": answer for group, answer in rules["Wendle"].items()}


def floats(tree: dict[str, Any]) -> None:
    for rule in tree["rules"].values():
        rule["colour"] = float(rule["colour"])


def numbered(tree: dict[str, Any]) -> None:
    options = tree["classification_groups"]["colour"]["options"]
    options[:] = [f"{number}. {option}" for number, option in enumerate(options, 1)]


def marked(tree: dict[str, Any]) -> None:
    options = tree["classification_groups"]["colour"]["options"]
    options[:4] = ["**white**", "<b>green</b>", "oran\u200bge", "&#112;urple"]
    options[4:] = [f"- {option}" for option in options[4:]]
    tree["classification_groups"]["size"]["prompt"] = "This **creature** is {{}}."


def chatty(tree: dict[str, Any]) -> None:
    """Keys and rules that nobody asked for."""
    tree["reasoning"] = "I looked at each."
    tree["classification_groups"]["size"]["why"] = "it matters"
    tree["rules"]["Unicorn"] = {"colour": 0}


CERTAIN = {
    "options in words": (changed(words), "read options in words as their indices"),
    "indices as texts": (TREE.replace('"colour": 0', '"colour": "0"'), "read options in words"),
    "names in case and width": (changed(wide), 'rename it to \\"Abrosk G\\"'),
    "whole numbers with a point": (changed(floats), "as a whole number"),
    "doubled braces": (TREE.replace("{", "{{").replace("}", "}}"), "doubled braces"),
    "doubled outer braces": (f"{{{TREE.strip()}}}", "doubled braces"),
    "encoded twice": (json.dumps(TREE), "encoded as JSON twice"),
    "encoded twice in a fence": (f"```json\n{json.dumps(json.dumps(PLAIN))}\n```", "encoded as JSON twice"),
    "encoded twice without quotation marks": (json.dumps(TREE)[1:-1], "encoded as JSON twice"),
    "parts encoded as texts": (json.dumps({k: json.dumps(v) for k, v in PLAIN.items() if k != "domain"}), ""),
    "line breaks in texts": (TREE.replace("body is", "body\n  is"), "line breaks"),
    "numbered options": (changed(numbered), "removed markup"),
    "markup": (changed(marked), "removed markup"),
    "what nobody asked for": (changed(chatty), "ignored rules of classes that were not asked for"),
}


@pytest.mark.parametrize("name", CERTAIN)
def test_what_is_certain_costs_no_request(run: Run, pond: Path, tmp_path: Path, name: str) -> None:
    """One reply gives the tree that was meant, and a note says what was done."""
    reply, note = CERTAIN[name]
    answer = tmp_path / "reply.txt"
    answer.write_text(reply, encoding="utf-8")
    done = run("draft", pond, "--model", "manual", "--answer", answer, "--no-score")
    assert done.code == 0, done.err
    tree, meant = tree_in(pond / "tree.json"), PLAIN
    assert {g.name: list(g.options) for g in tree.groups} == {
        name: group["options"] for name, group in meant["classification_groups"].items()
    }
    assert [g.prompt for g in tree.groups] == [group["prompt"] for group in meant["classification_groups"].values()]
    assert {rule.name: dict(rule.answers) for rule in tree.rules} == meant["rules"]
    assert note in done.err
    assert len(calls_of(pond / "tree.json")) == 1


@pytest.mark.parametrize(
    "options", [["2. row", "3. row"], ["-5", "- 5"], ["5 * 3", "a * b"], ["C++", "a_b_c"], ["1. FC Köln", "Bayern"]]
)
def test_what_only_looks_like_markup_stays(run: Run, tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "domain.toml").write_text('name = "d"\nclasses = ["a", "b"]\n', encoding="utf-8")
    group = {"prompt": "It is {}.", "options": options}
    reply = {"classification_groups": {"g": group}, "rules": {"a": {"g": 0}, "b": {"g": 1}}}
    (tmp_path / "reply.txt").write_text(json.dumps(reply), encoding="utf-8")
    done = run("draft", tmp_path, "--model", "manual", "--answer", tmp_path / "reply.txt", "--no-score")
    assert done.code == 0, done.err
    assert list(tree_in(tmp_path / "tree.json").groups[0].options) == options


def without(*classes: str) -> str:
    return changed(lambda tree: [tree["rules"].pop(name) for name in classes])


def test_the_best_attempt_is_written_with_its_errors_and_review_opens_it(run: Run, pond: Path, tmp_path: Path) -> None:
    """Of three replies the second has the fewest errors; a file that is there is not replaced."""
    texts = (without("Ulvar", "Grelm", "Yaffin"), without("Ulvar"), without("Ulvar", "Zandoor"))
    arguments: list[object] = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
        arguments += ["--answer", tmp_path / f"{number}.txt"]
    draft = ("draft", pond, "--model", "manual", "--no-score", "--tries", 3, *arguments)
    done = run(*draft)
    file = pond / "tree.draft.json"
    assert done.code == 1
    assert f"`treegen review {file}` opens it" in done.err
    assert not (pond / "tree.json").exists()
    assert is_tree(file)
    classes = tree_in(file).classes
    assert len(classes) == 12
    assert [p.code for p in check_file(file, classes=[*classes, "Ulvar"]).problems if p.severity == "error"] == [
        "TG201"
    ]
    file.write_text("{}", encoding="utf-8")
    again = run(*draft)
    assert "tree.draft-2.json" in again.err
    assert file.read_text(encoding="utf-8") == "{}"


def test_the_best_attempt_at_a_revision_is_written_too_unless_it_is_the_tree(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    """The tree stays as it is; a reply that cannot be read leaves nothing to write."""
    before = tree_file.read_bytes()
    texts = {"long.txt": without("Ulvar", "Grelm"), "short.txt": without("Ulvar"), "nothing.txt": "I would rather not."}
    for name, text in texts.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    revise = ("revise", tree_file, "-m", "drop one", "--model", "manual", "--tries", 2, "--apply")
    answer = ("--answer", tmp_path / "nothing.txt")
    done = run(*revise, *answer, *answer)
    assert done.code == 1
    assert "nothing was written" in done.err
    done = run(*revise, "--answer", tmp_path / "short.txt", "--answer", tmp_path / "long.txt")
    file = tree_file.with_name("tree.draft.json")
    assert done.code == 1
    assert f"`treegen review {file}` opens it" in done.err
    assert tree_file.read_bytes() == before
    assert len(tree_in(file).classes) == 12


def test_a_reply_of_wrong_types_is_written_too(run: Run, pond: Path, tmp_path: Path) -> None:
    """It is no tree yet; `review` shows its problems and opens the editor."""
    (tmp_path / "a.txt").write_text(changed(lambda tree: tree["rules"].update(Grelm="white")), encoding="utf-8")
    answer = ("--answer", tmp_path / "a.txt")
    done = run("draft", pond, "--model", "manual", "--no-score", *answer, *answer)
    assert done.code == 1
    file = pond / "tree.draft.json"
    assert json.loads(file.read_text(encoding="utf-8"))["rules"]["Grelm"] == "white"
    assert not is_tree(file)


def test_a_reply_that_says_nothing_leaves_no_file(run: Run, pond: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("I would rather not.", encoding="utf-8")
    answer = ("--answer", tmp_path / "a.txt")
    done = run("draft", pond, "--model", "manual", "--no-score", *answer, *answer)
    assert done.code == 1
    assert "nothing was written" in done.err
    assert list(pond.glob("*.draft*")) == []


def test_errors_of_one_kind_are_one_line_on_the_screen_and_in_the_request(
    run: Run, pond: Path, answer: Path, tmp_path: Path
) -> None:
    """Seven classes without a rule and six without an answer: two errors, and the request names every class."""
    lost = tuple(PLAIN["rules"])[:7]

    def change(tree: dict[str, Any]) -> None:
        for name in lost:
            del tree["rules"][name]
        for rule in tree["rules"].values():
            del rule["scene"]

    (tmp_path / "a.txt").write_text(changed(change), encoding="utf-8")
    messages = tmp_path / "messages.txt"
    arguments = ("--answer", tmp_path / "a.txt", "--answer", answer, "--messages", messages)
    done = run("draft", pond, "--model", "manual", "--no-score", *arguments)
    assert done.code == 0, done.err
    assert '7 classes without a rule: "Abrosk", "Abrosk G"' in done.err
    assert '6 classes have no answer in "scene"' in done.err
    assert done.err.count("TG201") + done.err.count("TG206") == 2
    text = messages.read_text(encoding="utf-8")
    request = text[text.index("2 problems found") :]
    assert all(f'"{name}"' in request for name in PLAIN["rules"])


def test_junk_in_the_last_step_does_not_lose_the_steps_before_it(run: Run, tmp_path: Path) -> None:
    """Groups and rules of 6 classes are there; what separates the last two never comes."""
    names = [f"Thing {n}" for n in range(6)]
    listed = ", ".join(f'"{name}"' for name in names)
    (tmp_path / "domain.toml").write_text(f'name = "d"\nclasses = [{listed}]\n', encoding="utf-8")
    groups = {"size": {"prompt": "It is {}.", "options": ["tiny", "small", "large", "huge", "vast", "wide"]}}
    rules = {name: {"size": min(n, 4)} for n, name in enumerate(names)}
    parts = [{"classification_groups": groups}, {"rules": rules}]
    texts = [*map(json.dumps, parts), "Sorry?", "Sorry?"]
    arguments: list[object] = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(text, encoding="utf-8")
        arguments += ["--answer", tmp_path / f"{number}.txt"]
    done = run("draft", tmp_path, "--model", "manual", "--no-score", "--parts", 10, *arguments)
    assert done.code == 1
    assert "twins 1" in done.err
    tree = tree_in(tmp_path / "tree.draft.json")
    assert {rule.name: dict(rule.answers) for rule in tree.rules} == rules


def test_rules_of_other_classes_in_the_last_step_are_ignored_with_a_note(run: Run, tmp_path: Path) -> None:
    (tmp_path / "domain.toml").write_text('name = "d"\nclasses = ["a", "b", "c"]\n', encoding="utf-8")
    groups = {"size": {"prompt": "It is {}.", "options": ["tiny", "huge"]}}
    more = {"mark": {"prompt": "It has {}.", "options": ["a horn", "a tail"]}}
    rules = {"a": {"size": 0}, "b": {"size": 1}, "c": {"size": 1}}
    apart = {"c": {"mark": "a tail"}, "B": {"mark": "a horn"}, "a": {"size": 1}, "z": {"mark": 0}}
    texts = [
        {"classification_groups": groups | {"form": {"prompt": "It is {}.", "options": ["round", "flat"]}}},
        {"rules": {name: {**rule, "form": 0} for name, rule in rules.items()}},
        {"classification_groups": more, "rules": apart, "confidence": 0.9},
    ]
    arguments: list[object] = []
    for number, text in enumerate(texts):
        (tmp_path / f"{number}.txt").write_text(json.dumps(text), encoding="utf-8")
        arguments += ["--answer", tmp_path / f"{number}.txt"]
    done = run("draft", tmp_path, "--model", "manual", "--no-score", "--parts", 10, *arguments)
    assert done.code == 0, done.err
    assert 'ignored rules of classes that were not asked for: "a", "z"' in done.err
    assert 'ignored keys that were not asked for: "confidence"' in done.err
    answers = {rule.name: dict(rule.answers) for rule in tree_in(tmp_path / "tree.json").rules}
    assert (answers["a"]["size"], answers["b"]["mark"], answers["c"]["mark"]) == (0, 0, 1)


@pytest.mark.litellm
@pytest.mark.usefixtures("waits")
def test_replies_that_failed_are_not_replayed(run: Run, asked_sketchbook: Path, openai_server: OpenAIServer) -> None:
    """The second run asks again and gets a tree; a first reply that was repaired is replayed with its repair."""
    draft = ("draft", write_domain(asked_sketchbook, openai_server), "--no-score", "--force")
    for reply in (WRONG, WRONG, WRONG, GOOD):
        openai_server.will_answer(reply, usage=USAGE)
    assert run(*draft).code == 1
    again = run(*draft)
    assert again.code == 0, again.err
    assert len(openai_server.requests) == 4
    assert "reused from an earlier run" in run(*draft).err
    assert len(openai_server.requests) == 4


@pytest.mark.litellm
@pytest.mark.usefixtures("waits")
def test_what_was_read_before_a_cap_is_written(run: Run, asked_sketchbook: Path, openai_server: OpenAIServer) -> None:
    """The first reply has an error, and the request that would repair it is one too many."""
    openai_server.will_answer(WRONG, usage=USAGE)
    domain = write_domain(asked_sketchbook, openai_server)
    done = run("draft", domain, "--no-score", "--max-calls", 1)
    assert done.code == 3
    assert "--max-calls 1 is used up" in done.err
    assert "tree.draft.json" in done.err
    assert is_tree(asked_sketchbook / "tree.draft.json")


def test_a_tree_with_alike_classes_is_written_and_told_as_a_problem(run: Run, pond: Path, tmp_path: Path) -> None:
    """Exit code 1: a person has to look; the note of the revision says so too."""
    alike = json.loads(TREE) | {"alike": [["Wendle", "Torvane"]]}
    alike["rules"]["Torvane"] = alike["rules"]["Wendle"]
    (tmp_path / "a.txt").write_text(json.dumps(alike), encoding="utf-8")
    done = run("draft", pond, "--model", "manual", "--answer", tmp_path / "a.txt")
    assert done.code == 1
    assert "wrote" in done.out
    assert 'TG506 /rules/Torvane: the model cannot tell "Torvane" from "Wendle"' in done.err
    assert f"`treegen review {pond / 'tree.json'}` shows them" in done.err
    assert "1 class not told apart" in revisions_of(pond / "tree.json")[0].note
    assert is_tree(pond / "tree.json")
    assert [p.code for p in check_file(pond / "tree.json").problems if p.severity == "error"] == ["TG204"]
