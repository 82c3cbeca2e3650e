"""A large domain in parts: each part is checked alone, kept at once, and never asked for twice."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import calls_of
from tests.llm.conftest import FakeChat
from tests.llm.tasks.parts_server import Honest, serving
from tests.waiting import PATIENCE, wait_until
from treegen.config.domain import Domain
from treegen.errors import ModelError
from treegen.history.checkpoints import Checkpoints
from treegen.history.store import Store
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema
from treegen.llm.tasks.attempts import Attempt
from treegen.llm.tasks.batched_draft import draft_in_parts
from treegen.llm.tasks.part_maker import InMemoryParts
from treegen.progress import Cancelled
from treegen.tree.validation.checks import check_file

ROOT = Path(__file__).resolve().parents[3]
NAMES = tuple(f"Thing {number}" for number in range(1, 301))


class HonestChat:
    """The server's answers without a server."""

    name = "honest"

    def __init__(self, honest: Honest | None = None) -> None:
        self.honest = honest or Honest()
        self.wires: list[ResponseSchema | None] = []
        self.requests: list[tuple[Message, ...]] = []

    def complete(self, messages: Any, on_text: OnText | None = None, *, wire: ResponseSchema | None = None) -> Reply:
        self.wires.append(wire)
        self.requests.append(tuple(messages))
        if on_text:
            on_text("")
        text, finish = self.honest([m.as_dict() for m in messages])
        return Reply(text=text, model=self.name, finish=finish)


def things(folder: Path, count: int = 300, **changes: Any) -> Domain:
    return Domain(folder=folder, **{"name": "things", "noun": "thing", "classes": NAMES[:count], **changes})


def asked(honest: Honest) -> list[str]:
    return [entry["asked"] for entry in honest.log]


def test_groups_come_first_then_rules_in_batches_then_what_tells_twins_apart(tmp_path: Path) -> None:
    """Numbers that differ by 280 have the same answers: 20 pairs of 300 classes."""
    chat = HonestChat()
    conversation = draft_in_parts(things(tmp_path), chat, tries=3, size=100)
    assert asked(chat.honest) == ["groups", "rules", "rules", "rules", "apart"]
    tree = conversation.tree
    assert tree is not None
    assert [g.name for g in tree.groups] == ["colour", "form", "size", "edge", "dots"]
    assert tree.classes == NAMES
    assert len({rule.answers for rule in tree.rules}) == 300
    twins = chat.honest.log[-1]["classes"]
    assert sorted(twins) == sorted(f"Thing {n + d}" for n in range(1, 21) for d in (0, 280))
    dots = {rule.name: rule.get("dots") for rule in tree.rules}
    assert (dots["Thing 1"], dots["Thing 281"], dots["Thing 100"]) == (0, 1, None)
    assert [a.purpose for a in conversation.attempts] == ["draft-groups", *["draft-rules"] * 3, "draft-twins"]


def test_each_part_is_repaired_alone(tmp_path: Path) -> None:
    chat = HonestChat(Honest(slips={"prompt": 1, "index": 1, "prose": 1}))
    conversation = draft_in_parts(things(tmp_path, 90), chat, tries=3, size=30)
    assert conversation.tree is not None
    assert asked(chat.honest) == ["groups"] * 2 + ["rules"] * 5
    assert [a.purpose for a in conversation.attempts if a.problems] == ["draft-groups", "draft-rules", "repair"]
    assert [len(e["classes"]) for e in chat.honest.log if e["asked"] == "rules"] == [30] * 5
    codes = [[p.code for p in a.problems] for a in conversation.attempts]
    assert codes == [["TG110"], [], ["TG501"], ["TG112"], [], [], []]


def test_a_part_that_stays_wrong_ends_the_draft_and_what_is_finished_stays(tmp_path: Path) -> None:
    store = InMemoryParts()
    chat = HonestChat(Honest(slips={"index": 2}))
    conversation = draft_in_parts(things(tmp_path, 60), chat, tries=4, size=30, store=store)
    assert conversation.tree is None
    assert conversation.stopped == "rules 1: the same problems came back"
    assert [key[0] for key in store.parts] == ["groups"]


@pytest.mark.parametrize("concurrency", [1, 4])
def test_a_run_that_failed_goes_on_without_asking_twice(tmp_path: Path, concurrency: int) -> None:
    """With several requests at a time those that are answered when one fails are kept as well."""

    class Failing(HonestChat):
        def complete(
            self, messages: Any, on_text: OnText | None = None, *, wire: ResponseSchema | None = None
        ) -> Reply:
            if '"Thing 61"' in messages[-1].content and "Give the rules" in messages[-1].content:
                raise ModelError("the server is down")
            return super().complete(messages, on_text, wire=wire)

    store, first, second = InMemoryParts(), Failing(), HonestChat()
    seen: list[Attempt] = []
    arguments: dict[str, Any] = {"tries": 2, "size": 30, "store": store, "concurrency": concurrency}
    with pytest.raises(ModelError):
        draft_in_parts(things(tmp_path, 90), first, on_attempt=seen.append, **arguments)
    assert len(seen) == len(first.requests) + 1
    done = {json.dumps(e["classes"]) for e in first.honest.log}
    conversation = draft_in_parts(things(tmp_path, 90), second, **arguments)
    assert conversation.tree is not None
    assert conversation.taken == len(done)
    assert not done & {json.dumps(e["classes"]) for e in second.honest.log}
    assert len(first.requests) + len(second.requests) == 4


def test_parts_of_another_domain_are_not_used(tmp_path: Path) -> None:
    """What is kept belongs to a request: another note, and its part is asked for again."""
    store = Store(tmp_path / "tree.json")
    draft_in_parts(things(tmp_path, 60), HonestChat(), tries=1, size=30, store=Checkpoints(store))
    again, noted, other, fresh = (HonestChat() for _ in range(4))
    draft_in_parts(things(tmp_path, 60), again, tries=1, size=30, store=Checkpoints(store))
    assert again.requests == []
    note = things(tmp_path, 60, notes=(("Thing 40", "it is heavy"),))
    draft_in_parts(note, noted, tries=1, size=30, store=Checkpoints(store))
    assert asked(noted.honest) == ["groups", "rules"]
    assert "Thing 40" in noted.honest.log[-1]["classes"]
    draft_in_parts(things(tmp_path, 60, noun="toy"), other, tries=1, size=30, store=Checkpoints(store))
    assert len(other.requests) == 3
    draft_in_parts(things(tmp_path, 60), fresh, tries=1, size=30, store=Checkpoints(store, fresh=True))
    assert len(fresh.requests) == 3
    store.close()


def test_each_batch_gets_the_notes_of_files_on_its_own_classes(tmp_path: Path) -> None:
    """All classes in the groups' request; and a batch has room for more of each than all of them together."""
    long = tuple((name, tuple(f"note {i} on {name}, as long as notes are" for i in range(40))) for name in NAMES[:90])
    chat = HonestChat()
    assert draft_in_parts(things(tmp_path, 90, material=long), chat, tries=1, size=30).tree is not None
    groups, *batches = [request[-1].content for request in chat.requests]
    for prompt, classes in zip(batches, [NAMES[:30], NAMES[30:60], NAMES[60:90]], strict=True):
        assert [name for name in NAMES[:90] if f"note 0 on {name}," in prompt] == list(classes)
        assert prompt.count("note ") > groups.count("note ") / 3
        assert "Behind the names of classes" in prompt
    assert groups.count(" of 40 phrases shown)") == 90
    assert len(groups) < 50_000


def test_a_batch_that_is_cut_again_and_again_is_asked_for_in_halves(tmp_path: Path) -> None:
    class Short(HonestChat):
        """Writes at most 2,500 characters and, asked to go on, says nothing new."""

        def complete(
            self, messages: Any, on_text: OnText | None = None, *, wire: ResponseSchema | None = None
        ) -> Reply:
            if messages[-1].content.startswith("Your reply was cut"):
                return Reply(text="", model=self.name, finish="length")
            reply = super().complete(messages, on_text, wire=wire)
            cut = len(reply.text) > 2500
            return Reply(text=reply.text[:2500], model=self.name, finish="length" if cut else "stop")

    chat = Short()
    conversation = draft_in_parts(things(tmp_path, 60), chat, tries=3, size=60)
    assert conversation.tree is not None
    assert [len(e["classes"]) for e in chat.honest.log if e["asked"] == "rules"] == [60, 30, 30]


def test_several_batches_at_a_time_give_the_same_tree(tmp_path: Path) -> None:
    one = draft_in_parts(things(tmp_path), HonestChat(), tries=1, size=20)
    several = draft_in_parts(things(tmp_path), HonestChat(), tries=1, size=20, concurrency=6)
    assert several.tree == one.tree
    assert len(several.attempts) == len(one.attempts) == 18
    assert sorted(attempt.number for attempt in several.attempts) == list(range(1, 19))


def test_of_several_replies_at_a_time_one_is_shown_while_it_comes(tmp_path: Path) -> None:
    """Whoever watches sees rules arrive, whole texts of one reply and never a mixture."""

    seen = threading.Event()

    class Watched(HonestChat):
        """Says half of the rules, and the rest when somebody has seen some."""

        def complete(
            self, messages: Any, on_text: OnText | None = None, *, wire: ResponseSchema | None = None
        ) -> Reply:
            reply = super().complete(messages, on_text, wire=wire)
            if on_text and messages[-1].content.startswith("Give the rules"):
                on_text(reply.text[: len(reply.text) // 2])
                assert seen.wait(PATIENCE)
                on_text(reply.text)
            return reply

    shown: list[str] = []

    def show(text: str) -> None:
        shown.append(text)
        if text.startswith('{"rules"'):
            seen.set()

    chat = Watched()
    conversation = draft_in_parts(things(tmp_path, 80), chat, tries=1, size=20, concurrency=4, on_text=show)
    texts = [a.text for a in conversation.attempts if a.purpose == "draft-rules"]
    arriving = [text for text in shown if text.startswith('{"rules"')]
    assert arriving
    assert all(any(text.startswith(part) for text in texts) for part in arriving)


def test_cancelling_keeps_what_is_finished(tmp_path: Path) -> None:
    store, chat = InMemoryParts(), HonestChat()

    def stop(_: str) -> None:
        if len(store.parts) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        draft_in_parts(things(tmp_path), chat, tries=1, size=50, store=store, on_text=stop)
    assert [key[0] for key in store.parts] == ["groups", "rules 1", "rules 2"]


def test_the_forms_of_rules_name_the_classes_of_their_batch_alone(tmp_path: Path) -> None:
    chat = HonestChat()
    draft_in_parts(things(tmp_path, 60), chat, tries=1, size=30)
    schemas = [wire.schema for wire in chat.wires if wire and wire.name == "rules"]
    assert [s["properties"]["rules"]["required"] for s in schemas] == [list(NAMES[:30]), list(NAMES[30:60])]
    assert all(s["$defs"]["rule"]["required"] == ["colour", "form", "size", "edge"] for s in schemas)


def test_answers_in_words_are_taken_where_one_option_is_meant(tmp_path: Path) -> None:
    groups = {"classification_groups": {"size": {"prompt": "It is {}.", "options": ["tiny", "huge"]}}}
    chat = FakeChat(json.dumps(groups), json.dumps({"rules": {"Thing 1": {"size": "Tiny"}, "Thing 2": {"size": 1}}}))
    tree = draft_in_parts(things(tmp_path, 2), chat, tries=1).tree
    assert tree is not None
    assert [rule.answers for rule in tree.rules] == [(("size", 0),), (("size", 1),)]


def test_groups_that_cannot_tell_so_many_classes_apart_are_refused(tmp_path: Path) -> None:
    groups = {"classification_groups": {"size": {"prompt": "It is {}.", "options": ["tiny", "huge"]}}}
    conversation = draft_in_parts(things(tmp_path, 3), FakeChat(json.dumps(groups)), tries=1)
    (problem,) = conversation.problems
    assert problem.code == "TG204"
    assert "2 different rules, too few for 3 classes" in problem.message


DOMAIN = 'name = "things"\nnoun = "thing"\nclasses_file = "classes.txt"\n'


@pytest.mark.slow
def test_a_killed_run_is_resumed_and_no_finished_part_is_asked_for_again(tmp_path: Path) -> None:
    """The real command against a real server, SIGKILL in the middle, and the same command again."""
    (tmp_path / "domain.toml").write_text(DOMAIN + "\n[llm]\nconcurrency = 1\n", encoding="utf-8")
    (tmp_path / "classes.txt").write_text("\n".join(NAMES), encoding="utf-8")
    honest = Honest(slips={"index": 1})
    environment = {
        **{k: v for k, v in os.environ.items() if not k.endswith(("_API_KEY", "_PROXY", "_proxy"))},
        "PYTHONPATH": str(ROOT),
        "NO_PROXY": "127.0.0.1",
    }
    killed = threading.Event()

    def answer(messages: list[dict[str, Any]]) -> tuple[str, str]:
        reply = honest(messages)
        if len(honest.log) == 5:
            killed.wait(PATIENCE)
        return reply

    with serving(answer) as url:
        command = [sys.executable, "-m", "treegen", "draft", str(tmp_path), "--model", "openai/m", "--api-base", url]
        running = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: len(honest.log) >= 5)
        running.send_signal(signal.SIGKILL)
        assert running.wait() == -signal.SIGKILL
        killed.set()
        assert not (tmp_path / "tree.json").exists()
        store = Store(tmp_path / "tree.json")
        kept = [name for (name,) in store.rows("SELECT name FROM part ORDER BY rowid", ())]
        store.close()
        before = len(honest.log)
        finished = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
    assert check_file(tmp_path / "tree.json", classes=NAMES, domain="things").document is not None
    assert f"reused {len(kept)} steps of an earlier run" in finished.stderr
    assert kept[0] == "groups"
    again = honest.log[before:]
    assert "groups" not in [entry["asked"] for entry in again]
    batches = [tuple(NAMES[start : start + 40]) for start in range(0, 300, 40)]
    wanted = [batch for number, batch in enumerate(batches, 1) if f"rules {number}" not in kept]
    assert [tuple(e["classes"]) for e in again if e["asked"] == "rules"] == wanted
    assert 0 < len(wanted) < len(batches)
    purposes = [call.purpose for call in calls_of(tmp_path / "tree.json")]
    assert purposes[0] == "draft-groups"
    assert purposes.count("draft-rules") >= len(batches)
    assert "repair" in purposes
    assert purposes[-1] == "draft-twins"
