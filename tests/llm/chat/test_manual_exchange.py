"""A request waits for its answer on one thread, and is answered or cancelled from another."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from queue import Queue

import pytest

from tests.waiting import PATIENCE
from treegen.errors import InputError
from treegen.llm.chat.interface import Message, Reply
from treegen.llm.chat.manual import as_text
from treegen.llm.chat.manual_exchange import ManualExchange
from treegen.progress import Cancelled

REQUEST = [Message(role="system", content="You build trees."), Message(role="user", content="Build one, é.")]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as made:
        yield made


@pytest.fixture
def shown() -> "Queue[str]":
    return Queue()


@pytest.fixture
def exchange(shown: "Queue[str]") -> ManualExchange:
    return ManualExchange(shown.put)


Ask = Callable[..., "Future[Reply]"]


@pytest.fixture
def ask(exchange: ManualExchange, pool: ThreadPoolExecutor, shown: "Queue[str]") -> Ask:
    """Sends the request on another thread and waits until it is shown."""

    def send(*more: Callable[[str], None]) -> "Future[Reply]":
        future = pool.submit(exchange.complete, REQUEST, *more)
        assert shown.get(timeout=PATIENCE) == as_text(REQUEST)
        return future

    return send


def test_the_request_is_one_text_and_the_answer_its_reply(exchange: ManualExchange, ask: Ask) -> None:
    future = ask()
    assert exchange.request == "You build trees.\n\nBuild one, é.\n"
    exchange.answer("a tree")
    assert future.result(PATIENCE) == Reply(text="a tree", model="manual")
    assert exchange.request is None


def test_a_listener_is_told_the_answer_as_a_whole(exchange: ManualExchange, ask: Ask) -> None:
    told: list[str] = []
    future = ask(told.append)
    exchange.answer("a tree")
    future.result(PATIENCE)
    assert told[-1] == "a tree"
    assert set(told[:-1]) <= {""}


def test_a_cancelled_request_ends_and_the_next_one_is_answered(exchange: ManualExchange, ask: Ask) -> None:
    future = ask()
    exchange.cancel()
    with pytest.raises(Cancelled):
        future.result(PATIENCE)
    again = ask()
    exchange.answer("second")
    assert again.result(PATIENCE).text == "second"


def test_a_listener_can_end_the_waiting(exchange: ManualExchange, ask: Ask) -> None:
    def stop(text: str) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        ask(stop).result(PATIENCE)
    assert exchange.request is None


def test_an_answer_to_nothing_or_an_empty_one_is_refused(exchange: ManualExchange, ask: Ask) -> None:
    exchange.cancel()
    with pytest.raises(InputError, match="no request is waiting"):
        exchange.answer("a tree")
    future = ask()
    with pytest.raises(InputError, match="the answer is empty"):
        exchange.answer(" \n")
    exchange.answer("a tree")
    assert future.result(PATIENCE).text == "a tree"


def test_two_requests_at_once_are_refused(exchange: ManualExchange, ask: Ask) -> None:
    future = ask()
    with pytest.raises(InputError, match="another request is waiting"):
        exchange.complete(REQUEST)
    exchange.answer("x")
    assert future.result(PATIENCE).text == "x"
