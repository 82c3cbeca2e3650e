"""What a run keeps: its replies, its bill, its time; and which run it refuses to go on with."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from treegen.errors import InputError, ModelError
from treegen.history.store import Store
from treegen.llm.chat.interface import Message, Reply
from treegen.optimize.state import OutOfTimeError, ResumedChat, RunState
from treegen.remote.budget import CAP, Limits

START = {"seed tree": "a", "split": "b", "encoder": "c", "model": "d"}


class Talker:
    """A chat that counts."""

    def __init__(self, name: str = "openai/m") -> None:
        self.name = name
        self.asked: list[str] = []

    def complete(self, messages: Sequence[Message], on_text: Any = None, *, wire: Any = None) -> Reply:
        self.asked.append(messages[-1].content)
        if on_text:
            on_text("so far")
        return Reply(text=f"reply {len(self.asked)}", model=self.name, prompt_tokens=3)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "tree.json") as opened:
        yield opened


def state_of(store: Store, start: dict[str, str] | None = None, **options: Any) -> RunState:
    return RunState(store, START if start is None else start, limits=options.pop("limits", Limits()), **options)


def chat_of(state: RunState, chat: Talker) -> ResumedChat:
    return ResumedChat(chat, state, lambda messages, wire: messages[-1].content)


def ask(chat: ResumedChat, text: str) -> str:
    return chat.complete([Message(role="user", content=text)]).text


def test_a_resumed_run_asks_for_nothing_that_it_has(store: Store) -> None:
    first, second = Talker(), Talker()
    chat = chat_of(state_of(store), first)
    assert [ask(chat, "one"), ask(chat, "one"), ask(chat, "two <measured>3</measured>")] == [
        *("reply 1", "reply 2", "reply 3")
    ]
    state = state_of(store)
    assert state.resumed
    chat = chat_of(state, second)
    assert [ask(chat, "one"), ask(chat, "one"), ask(chat, "two <measured>4</measured>")] == [
        *("reply 1", "reply 2", "reply 3")
    ]
    assert (second.asked, chat.number, chat.reused) == ([], 3, 3)
    assert state.requested == {"one", "two <measured>4</measured>"}
    assert ask(chat, "three") == "reply 1"
    assert second.asked == ["three"]


def test_what_was_spent_is_spent_and_what_was_pending_counts(store: Store) -> None:
    state = state_of(store)
    ticket = state.budget.before(tokens=10, cost=0.5)
    state.budget.after(ticket, prompt_tokens=10, completion_tokens=5, cost=0.7)
    state.budget.before(tokens=20, cost=0.25)  # killed while the server thinks
    bill = state_of(store).budget.bill
    assert (bill.calls, bill.tokens, bill.cost, bill.guessed_cost, bill.unreported) == (2, 35, 0.7, 0.25, 1)
    capped = state_of(store, limits=Limits(max_calls=2)).budget
    with pytest.raises(ModelError, match="--max-calls 2 is used up") as caught:
        capped.before(tokens=1, cost=None)
    assert caught.value.code == CAP


@pytest.mark.parametrize("name", START)
def test_a_run_that_began_otherwise_is_not_gone_on_with(store: Store, name: str) -> None:
    ask(chat_of(state_of(store), Talker()), "one")
    with pytest.raises(InputError, match=f"has another {name}$"):
        state_of(store, {**START, name: "x"})
    assert state_of(store).reply(1, [Message(role="user", content="one")])  # nothing was lost by the attempt
    fresh = state_of(store, {**START, name: "x"}, fresh=True)
    assert not fresh.resumed
    assert fresh.reply(1, [Message(role="user", content="one")]) is None


def test_after_its_own_end_a_run_may_be_repeated_or_another_begun(store: Store) -> None:
    state = state_of(store)
    ask(chat_of(state, Talker()), "one")
    state.finish()
    same, talker = state_of(store), Talker()
    ask(chat_of(same, talker), "one")
    assert not talker.asked
    other = state_of(store, {**START, "model": "x"})
    assert not other.resumed


def test_time_counts_over_all_processes_and_ends_a_reply_that_streams_in(store: Store) -> None:
    clock = Clock()
    first = state_of(store, seconds=60, clock=clock)
    clock.now += 40
    ask(chat_of(first, Talker()), "one")
    first.pause()
    clock.now += 1000  # nobody runs it
    second = state_of(store, seconds=60, clock=clock)
    assert second.seconds_left == 20

    class Slow(Talker):
        def complete(self, messages: Sequence[Message], on_text: Any = None, *, wire: Any = None) -> Reply:
            clock.now += 30
            return super().complete(messages, on_text, wire=wire)

    slow = Slow()
    chat = chat_of(second, slow)
    ask(chat, "one")
    with pytest.raises(OutOfTimeError):
        ask(chat, "two")
    assert slow.asked == ["two"]
    with pytest.raises(OutOfTimeError):  # and none is sent any more
        ask(chat, "two")
    assert slow.asked == ["two"]


def test_a_person_and_a_recording_are_counted_by_their_replies(store: Store) -> None:
    talker = Talker("manual")
    chat = chat_of(state_of(store, limits=Limits(max_calls=2)), talker)
    ask(chat, "one")
    ask(chat, "two")
    with pytest.raises(ModelError, match="--max-calls 2 is used up; so far: 2 replies") as caught:
        ask(chat, "three")
    assert caught.value.code == CAP
    assert talker.asked == ["one", "two"]
