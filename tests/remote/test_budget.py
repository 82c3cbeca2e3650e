"""Caps: what is counted, what is refused, also by several threads."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from treegen.errors import ModelError
from treegen.remote.budget import Bill, Budget, Limits


def test_a_request_is_counted_with_what_its_reply_tells() -> None:
    budget = Budget()
    ticket = budget.before(tokens=100, cost=0.1)
    budget.after(ticket, prompt_tokens=90, completion_tokens=10, cost=0.25)
    assert budget.bill == Bill(calls=1, prompt_tokens=90, completion_tokens=10, cost=0.25)
    assert budget.bill.words == "1 request, 90 + 10 tokens, $0.2500"


def test_a_request_that_failed_counts_as_it_was_estimated_and_is_called_unknown() -> None:
    budget = Budget()
    budget.after(budget.before(tokens=100, cost=0.1))
    budget.after(budget.before(tokens=100, cost=None), guessed_tokens=7)
    assert budget.bill == Bill(calls=2, guessed_tokens=207, guessed_cost=0.1, unreported=2, unpriced=2)
    assert budget.bill.words == (
        "2 requests, about 207 tokens in 2 requests that reported none, cost of 2 requests unknown (about $0.1000)"
    )


def test_what_was_not_sent_is_given_back() -> None:
    budget = Budget(Limits(max_calls=1))
    budget.give_back(budget.before(tokens=5, cost=None))
    assert budget.bill == Bill()
    budget.before(tokens=5, cost=None)


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (Limits(max_calls=2), "--max-calls 2 is used up"),
        (Limits(max_tokens=249), "--max-tokens 249"),
        (Limits(max_cost=0.29), r"--max-cost 0.29"),
    ],
)
def test_the_request_that_would_exceed_a_cap_is_refused_and_not_counted(limits: Limits, told: str) -> None:
    budget = Budget(limits)
    for _ in range(2):
        budget.after(budget.before(tokens=50, cost=0.05), prompt_tokens=50, completion_tokens=50, cost=0.1)
    before = budget.bill
    with pytest.raises(ModelError, match=told):
        budget.before(tokens=50, cost=0.1)
    assert budget.bill == before


def test_what_just_fits_is_sent() -> None:
    budget = Budget(Limits(max_calls=1, max_tokens=50, max_cost=0.5))
    budget.before(tokens=50, cost=0.5)
    assert budget.bill.calls == 1


def test_a_cap_on_the_cost_of_an_unknown_price_is_refused_with_what_to_do() -> None:
    with pytest.raises(ModelError, match="price of the model is not known") as raised:
        Budget(Limits(max_cost=100.0)).before(tokens=1, cost=None)
    assert "price_in" in raised.value.tip


def test_requests_under_way_take_room_too() -> None:
    budget = Budget(Limits(max_tokens=100, max_cost=1.0))
    ticket = budget.before(tokens=60, cost=0.6)
    assert budget.room() == pytest.approx((40, 0.4))
    with pytest.raises(ModelError, match="--max-tokens"):
        budget.before(tokens=41, cost=0.1)
    budget.after(ticket, prompt_tokens=10, completion_tokens=10, cost=0.1)
    assert budget.room() == pytest.approx((80, 0.9))


def test_no_cap_leaves_no_room_to_tell() -> None:
    assert Budget().room() == (None, None)


def test_many_threads_together_send_no_more_than_the_cap() -> None:
    budget = Budget(Limits(max_calls=50))

    def one(_: int) -> bool:
        try:
            ticket = budget.before(tokens=1, cost=0.0)
        except ModelError:
            return False
        budget.after(ticket, prompt_tokens=1, completion_tokens=1, cost=0.0)
        return True

    with ThreadPoolExecutor(16) as threads:
        sent = list(threads.map(one, range(200)))
    assert sum(sent) == 50
    assert budget.bill == Bill(calls=50, prompt_tokens=50, completion_tokens=50)
