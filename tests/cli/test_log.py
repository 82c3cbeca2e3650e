"""`treegen log`: the history of one tree, and of no other."""

import json
from functools import partial
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from tests.conftest import TREE, Run
from treegen.history.store import Call, Store
from treegen.tree.validation.checks import check_text


def test_log_of_a_tree_without_history(run: Run, tmp_path: Path) -> None:
    """Says so and makes no folder."""
    done = run("log", tmp_path / "tree.json")
    assert done.code == 2
    assert list(tmp_path.iterdir()) == []


def test_the_history_of_another_tree_is_not_this_ones(run: Run, tmp_path: Path) -> None:
    """One database serves a folder; a file that it does not know is exit code 2, in every form."""
    with Store(tmp_path / "tree.json") as store:
        store.add_call(Call(purpose="draft", model="m", messages=(), reply="r"))
    assert run("log", tmp_path / "tree.json").code == 0
    for form in ((), ("--calls",), ("--json",)):
        done = run("log", tmp_path / "other.json", *form)
        assert (done.code, done.out) == (2, "")
        assert f"{tmp_path / 'other.json'}: no such file, and no history of one" in done.err
        assert "other trees" in done.err


def test_costs_that_no_model_told_are_called_unknown(run: Run, tmp_path: Path) -> None:
    """Not zero; and where only some told theirs, the sum says for how many it does not."""
    store = Store(tmp_path / "tree.json")
    tree = check_text(TREE).document
    assert tree is not None
    revision = store.add_revision(tree.tree, author="llm", note="draft", parent=None)
    store.add_call(Call(purpose="draft", model="manual", messages=(), reply="r", revision=revision.id))
    assert "failed ones too: 1, tokens unknown, cost unknown" in run("log", tmp_path / "tree.json").out
    told = Call(purpose="repair", model="m", messages=(), reply="r", prompt_tokens=7, completion_tokens=3, cost=0.5)
    store.add_call(told)
    shown = run("log", tmp_path / "tree.json")
    assert "failed ones too: 2, 10 tokens, $0.5000 (1 unknown)" in shown.out
    assert shown.out.splitlines()[1].split()[1] == "-"
    store.close()


def test_calls_are_listed_with_their_problems_and_failures(run: Run, tmp_path: Path) -> None:
    """Also those that led to no revision."""
    store = Store(tmp_path / "tree.json")
    problem = {"code": "TG111", "pointer": "", "message": "twice"}
    store.add_call(Call(purpose="draft", model="m", messages=(), reply="r", problems=(problem,)))
    store.add_call(Call(purpose="repair", model="", messages=(), reply=None, problems=({"failure": "on fire"},)))
    lines = run("log", tmp_path / "tree.json", "--calls").out.splitlines()
    assert [lines[0][:3], lines[3][:3]] == ["1. ", "2. "]
    assert "draft by m -> no revision" in lines[0]
    assert [line.strip() for line in (*lines[1:3], lines[4])] == ["TG111 /: twice", "reply: r", "on fire"]
    store.close()


def test_what_was_seen_in_pictures_is_listed_in_full(run: Run, tmp_path: Path) -> None:
    store = Store(tmp_path / "tree.json")
    long = "stripes " * 40
    seen = json.dumps({"descriptions": {"Wren": "brown\nand small", "Robin": long}})
    store.add_call(Call(purpose="describe", model="m", messages=(), reply=f"Here:\n```json\n{seen}\n```"))
    store.add_call(Call(purpose="describe", model="m", messages=(), reply="I see nothing."))
    store.add_call(Call(purpose="repair", model="m", messages=(), reply='{"descriptions": ["x"]}'))
    lines = [line.strip() for line in run("log", tmp_path / "tree.json", "--calls").out.splitlines()]
    assert "seen in the pictures of Wren: brown and small" in lines
    assert f"seen in the pictures of Robin: {long.strip()}" in " ".join(lines)
    store.close()


def test_one_call_in_full_and_the_sums(run: Run, tmp_path: Path) -> None:
    """`--call` prints messages and reply; `--cost` sums by model and purpose, and calls the unknown so."""
    tree = tmp_path / "tree.json"
    store = Store(tree)
    asked = ({"role": "user", "content": "look\nhere", "images": ["a", "b"]},)
    dear = partial(Call, prompt_tokens=7, completion_tokens=3, cost=0.5, requests=2)
    store.add_call(dear(purpose="draft", model="m", messages=asked, reply="the reply", finish="length"))
    store.add_call(Call(purpose="draft", model="m", messages=(), reply=None, problems=({"failure": "on fire"},)))
    free = partial(Call, prompt_tokens=0, completion_tokens=0, cost=0.0, requests=0)
    store.add_call(free(purpose="repair", model="m", messages=(), reply="r", cached=True))
    shown = run("log", tree, "--call", "1").out
    assert "--- user (with 2 pictures)\nlook\nhere\n" in shown
    assert shown.endswith("--- reply (length)\nthe reply\n")
    assert run("log", tree, "--call", "4").code == 2
    rows = [line.split("  ") for line in run("log", tree, "--cost").out.splitlines()]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows[1:]]
    assert cells[0] == ["m"]
    assert cells[1] == ["draft", "2", "0", "1", "2+", "7+", "3+", "0.5000+"]
    assert cells[2] == ["repair", "1", "1", "0", "0", "0", "0", "0.0000"]
    assert cells[3][:4] == ["all", "3", "1", "1"]
    assert cells[4] == ["?: not reported; +: and more, which not every call reported (--json lists them)"]
    assert "reused from an earlier run" in run("log", tree, "--calls").out
    store.close()


def test_json_holds_messages_replies_and_scores(run: Run, tmp_path: Path) -> None:
    """Everything that is kept, so that nothing must be read from the database."""
    store = Store(tmp_path / "tree.json")
    call = Call(purpose="draft", model="m", messages=({"role": "user", "content": "é"},), reply="r", repaired=True)
    store.add_call(call)
    told = json.loads(run("log", tmp_path / "tree.json", "--json").out)
    assert told["revisions"] == []
    assert (told["calls"][0]["messages"], told["calls"][0]["reply"]) == ([{"role": "user", "content": "é"}], "r")
    assert told["calls"][0]["repaired"] is True
    store.close()


def test_the_decision_rule_of_a_score_is_told_beside_its_encoder(run: Run, tmp_path: Path) -> None:
    """A parent was scored by another rule then: the difference is not that of the two lines, and this is said."""
    store = Store(tmp_path / "tree.json")
    check = check_text(TREE).document
    assert check is not None
    part = {"accuracy": 0.5, "interval": [0.4, 0.6], "n": 100}
    score = {
        "encoder": {"name": "e", "fingerprint": "f"},
        "dev": part,
        "test": part,
        "images": {"digest": "d"},
        "mcnemar": {"parent": None},
        "test_looks": 1,
    }
    revision = store.add_revision(check.tree, author="llm", note="", parent=None)
    for rule, told in (("mean", False), ("sum", True), ("weighted", True)):
        store.add_score(revision.id, {**score, "decision_rule": rule})
        out = run("log", tmp_path / "tree.json").out
        assert (f"e, {rule}" in out) == told
        assert ("vs parent: both by the newer revision's encoder and decision rule" in out) == told
    store.close()


def test_no_line_is_wider_than_80_columns(run: Run, tmp_path: Path) -> None:
    """With every figure as wide as it gets, a long note, and a model whose name is long."""
    check = check_text(TREE).document
    assert check is not None
    whole = {"accuracy": 1.0, "interval": [0.886, 1.0], "n": 10_000}
    paired = {"wins": 1, "losses": 0, "difference": -0.555, "p": 0.5}
    score = {
        "encoder": {"name": "local-dir:" + "a/very long folder/" * 9, "fingerprint": "f"},
        "decision_rule": "temperature",
        "tree": "t",
        "dev": whole,
        "test": whole,
        "images": {"digest": "d", "split": {"dev": 0.5, "seed": 0}},
        "mcnemar": {"parent": paired, "baseline": paired},
        "test_looks": 1234,
    }
    with Store(tmp_path / "tree.json") as store:
        for _ in range(3):
            parent = store.latest()
            revision = store.add_revision(
                check.tree, author="human", note="名前 and words " * 20, parent=parent.id if parent else None
            )
            store.add_score(revision.id, score)  # type: ignore[arg-type]
        usage: dict[str, Any] = {
            "prompt_tokens": 123_456_789,
            "completion_tokens": 12_345_678,
            "cost": 1234.5,
            "requests": 12,
        }
        for purpose, more in (("draft-groups", usage), ("describe", {})):
            messages = ({"role": "user", "content": "many words " * 50},)
            problem = {"code": "TG111", "pointer": "/classification_groups/size", "message": "many words " * 20}
            model = "openai/a-model-with-a-long-name-2026-11-28"
            call = Call(purpose=purpose, model=model, messages=messages, reply="so " * 99, problems=(problem,), **more)
            store.attach_calls([store.add_call(call)], revision.id)
    for form in ((), ("--calls",), ("--cost",)):
        done = run("log", tmp_path / "tree.json", *form)
        assert done.code == 0
        assert max(map(cell_len, done.out.splitlines())) <= 80


def test_one_revision_is_shown_alone_with_its_calls(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    with Store(path) as store:
        for note, text in (("first", TREE), ("second", TREE.replace('"tiny"', '"small"'))):
            document = check_text(text).document
            assert document is not None
            made = store.add_revision(document.tree, author="llm", note=note, parent=None)
            store.add_call(Call(purpose=note, model="m", messages=(), reply="r", revision=made.id))
    for name, note, other in (("@1", "first", "second"), ("@2", "second", "first"), ("@-1", "first", "second")):
        done = run("log", f"{path}{name}")
        assert (done.code, f"llm: {note}" in done.out, f"llm: {other}" in done.out) == (0, True, False)
        listed = json.loads(run("log", f"{path}{name}", "--json").out)
        assert [revision["note"] for revision in listed["revisions"]] == [note]
        assert [call["purpose"] for call in listed["calls"]] == [note]
        assert other not in run("log", f"{path}{name}", "--calls").out
    done = run("log", f"{path}@3")
    assert (done.code, "no revision 3" in done.err) == (2, True)
