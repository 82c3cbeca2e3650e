"""`treegen draft`: a validated, scored tree, with answers in files and the bundled encoder."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, Run, calls_of, revisions_of
from treegen.history.store import Store
from treegen.tree.validation.checks import check_file
from treegen.tree.validation.schema import schema_problems

pytestmark = pytest.mark.slow


def test_draft_needs_a_model(run: Run, tmp_path: Path) -> None:
    """The message names the three kinds of model."""
    (tmp_path / "domain.toml").write_text('name = "d"\nclasses = ["a", "b"]\n', encoding="utf-8")
    done = run("draft", tmp_path)
    assert done.code == 2
    assert "replay/FILE" in done.err
    assert "manual" in done.err


def test_manual_draft_gives_a_validated_scored_tree(run: Run, sketchbook: Path, answer: Path) -> None:
    """`draft DOMAIN --model manual --answer FILE` writes a canonical tree, keeps the revision and scores it."""
    messages = sketchbook / "messages.txt"
    done = run("draft", sketchbook, "--model", "manual", "--answer", answer, "--messages", messages)
    assert done.code == 0, done.err
    assert check_file(sketchbook / "tree.json").problems == ()
    assert "shuffled rules" in done.out
    assert '"Abrosk G"' in messages.read_text(encoding="utf-8")
    store = Store(sketchbook / "tree.json")
    assert [r.author for r in store.revisions()] == ["llm"]
    assert [c.revision for c in store.calls()] == [1]
    assert store.scores()[1]["test"]["n"] > 0
    store.close()


def test_notes_of_files_go_along_and_are_told(run: Run, sketchbook: Path, answer: Path, tmp_path: Path) -> None:
    """notes_file of the domain, then --notes, behind the domain's own notes; what was matched on stderr."""
    (sketchbook / "own.json").write_text('{"abrosk": ["white fur", "one horn"], "Unicorn": ["none"]}', encoding="utf-8")
    domain = sketchbook / "domain.toml"
    domain.write_text('notes_file = "own.json"\n' + domain.read_text(encoding="utf-8"), encoding="utf-8")
    other = tmp_path / "other.csv"
    other.write_text("class;horn\nAbrosk;long\n", encoding="utf-8")
    messages = tmp_path / "messages.txt"
    arguments = ("--model", "manual", "--answer", answer, "--messages", messages, "--no-score")
    done = run("draft", sketchbook, "--notes", other, *arguments)
    assert done.code == 0, done.err
    text = messages.read_text(encoding="utf-8")
    assert '- "Abrosk": "White, on four legs, large, with one long horn. white fur; one horn; horn: long"' in text
    assert f"note: {sketchbook.resolve() / 'own.json'}: notes on 1 of 13 classes, 2 texts" in done.err
    assert '1 name is not in the domain: "Unicorn"' in done.err
    assert f"note: {other}: notes on 1 of 13 classes, 1 text" in done.err


def test_notes_that_are_not_certain_are_an_error_before_anything_is_asked(
    run: Run, sketchbook: Path, answer: Path, tmp_path: Path
) -> None:
    notes, messages = tmp_path / "notes.json", tmp_path / "messages.txt"
    notes.write_text('{"Abrosc": "white"}', encoding="utf-8")
    done = run("draft", sketchbook, "--notes", notes, "--model", "manual", "--answer", answer, "--messages", messages)
    assert (done.code, done.out) == (2, "")
    assert f'{notes}: "Abrosc" is nearly the class "Abrosk"' in done.err
    assert "[aliases]" in done.err
    assert not messages.exists()
    assert not (sketchbook / "tree.json").exists()


def test_draft_repairs_with_a_second_answer(run: Run, sketchbook: Path, answer: Path, tmp_path: Path) -> None:
    """Problems of the first answer go back; the second answer is taken; both attempts are kept."""
    first = tmp_path / "first.txt"
    first.write_text(TREE.replace('"form": 6, "scene": 7', '"form": 9, "scene": 7'), encoding="utf-8")
    messages = tmp_path / "messages.txt"
    arguments = ("--model", "manual", "--messages", messages, "--no-score")
    done = run("draft", sketchbook, *arguments, "--answer", first, "--answer", answer)
    assert done.code == 0, done.err
    assert "TG112 /rules/Zandoor/form" in done.err
    assert "TG112 at /rules/Zandoor/form" in messages.read_text(encoding="utf-8")
    calls = calls_of(sketchbook / "tree.json")
    assert [c.purpose for c in calls] == ["draft", "repair"]
    assert calls[0].problems[0]["code"] == "TG112"


def test_a_draft_that_stays_wrong_writes_nothing_and_keeps_the_attempts(
    run: Run, sketchbook: Path, tmp_path: Path
) -> None:
    """The same problems twice end the loop: exit code 1, no tree file, both replies in the history."""
    wrong = tmp_path / "wrong.txt"
    wrong.write_text(TREE.replace('"blue"]', '"blue", "Blue"]'), encoding="utf-8")
    done = run("draft", sketchbook, "--model", "manual", "--answer", wrong, "--answer", wrong)
    assert done.code == 1
    assert "the same problems came back" in done.err
    assert not (sketchbook / "tree.json").exists()
    shown = run("log", sketchbook / "tree.json", "--calls")
    assert shown.out.count("\n   TG111") == 2


def test_a_draft_never_replaces_a_tree_unasked(run: Run, tree_file: Path, answer: Path) -> None:
    """An existing tree needs --force, and then its content stays in the history."""
    before = TREE.replace('"tiny"', '"small"')
    tree_file.write_text(before, encoding="utf-8")
    draft = ("draft", tree_file.parent, "--model", "manual", "--answer", answer, "--no-score")
    done = run(*draft)
    assert done.code == 2
    assert "--force" in done.err
    assert tree_file.read_text(encoding="utf-8") == before
    assert run(*draft, "--force").code == 0
    kept = revisions_of(tree_file)
    assert [r.author for r in kept] == ["human", "llm"]
    assert '"small"' in kept[0].tree


def test_a_replay_that_does_not_match_says_where(run: Run, sketchbook: Path) -> None:
    """A changed domain no longer matches the recording: exit code 3, the difference, nothing written."""
    domain = sketchbook / "domain.toml"
    text = domain.read_text(encoding="utf-8")
    domain.write_text(text.replace('noun = "creature"', 'noun = "beast"'), encoding="utf-8")
    done = run("draft", sketchbook)
    assert done.code == 3
    assert "beast" in done.err
    assert not (sketchbook / "tree.json").exists()


def test_a_broken_domain_is_told_before_anything_is_asked(run: Run, tmp_path: Path) -> None:
    """Exit code 1 with the place, and no history is begun."""
    text = 'name = "d"\nclasses = ["a", "b"]\n[split]\ndev = 2\n'
    (tmp_path / "domain.toml").write_text(text, encoding="utf-8")
    done = run("draft", tmp_path, "--model", "manual")
    assert done.code == 1
    assert "/split/dev" in done.err
    assert [p.name for p in tmp_path.iterdir()] == ["domain.toml"]


def test_draft_json_is_one_object_with_file_revision_and_score(run: Run, sketchbook: Path, answer: Path) -> None:
    """Stdout holds nothing else; with --no-score the score is null."""
    draft = ("draft", sketchbook, "--model", "manual", "--answer", answer, "--json")
    done = run(*draft)
    assert done.code == 0, done.err
    told = json.loads(done.out)
    assert set(told) == {"written", "revision", "score"}
    assert (told["written"], told["revision"]) == (str(sketchbook / "tree.json"), 1)
    assert schema_problems(told["score"], "score") == []
    other = sketchbook / "other.json"
    unscored = json.loads(run(*draft, "--no-score", "-o", other).out)
    assert unscored == {"written": str(other), "revision": 2, "score": None}


@pytest.mark.parametrize("name", ["domain.toml", "classes.txt", "answer.txt"])
def test_messages_never_replace_a_file_that_holds_something_else(
    run: Run, sketchbook: Path, answer: Path, name: str
) -> None:
    """A slip of the hand must not cost the domain, the class list or an answer: exit code 2 and the bytes stay."""
    path = answer if name == answer.name else sketchbook / name
    before = path.read_bytes()
    done = run("draft", sketchbook, "--model", "manual", "--answer", answer, "--messages", path, "--no-score")
    assert done.code == 2
    assert f"{path} exists and is not a messages file" in done.err
    assert path.read_bytes() == before
    assert not (sketchbook / "tree.json").exists()


@pytest.mark.parametrize("parts", ["0", "-1", "some", "1001", "٣"])
def test_parts_is_auto_never_or_a_number(run: Run, sketchbook: Path, parts: str) -> None:
    done = run("draft", sketchbook, "--model", "manual", "--parts", parts)
    assert done.code == 2
    assert "auto, never or a number" in done.err


def test_a_draft_in_parts_by_hand_asks_for_groups_and_rules(run: Run, sketchbook: Path, tmp_path: Path) -> None:
    """Each answer file is one part; a second run finds all of them and asks nobody."""
    tree = json.loads(TREE)
    rules = list(tree["rules"].items())
    parts = [
        {"classification_groups": tree["classification_groups"]},
        {"rules": dict(rules[:7])},
        {"rules": dict(rules[7:])},
    ]
    arguments: list[object] = []
    for number, part in enumerate(parts):
        (tmp_path / f"{number}.txt").write_text(json.dumps(part), encoding="utf-8")
        arguments += ["--answer", tmp_path / f"{number}.txt"]
    draft = ("draft", sketchbook, "--model", "manual", "--no-score", "--parts", 7)
    done = run(*draft, *arguments)
    assert done.code == 0, done.err
    assert [c.purpose for c in calls_of(sketchbook / "tree.json")] == [
        "draft-groups",
        "draft-rules",
        "draft-rules",
    ]
    shown = run("log", sketchbook / "tree.json", "--calls")
    assert "draft-rules by manual -> revision 1" in shown.out
    again = run(*draft, "--force", *arguments[:2])
    assert again.code == 0, again.err
    assert "reused 3 steps of an earlier run" in again.err
    assert len(calls_of(sketchbook / "tree.json")) == 3


def test_pictures_cannot_be_shown_by_hand(run: Run, sketchbook: Path, answer: Path) -> None:
    done = run("draft", sketchbook, "--model", "manual", "--answer", answer, "--images", 2)
    assert done.code == 2
    assert "cannot be pasted" in done.err
