"""Caps on what a run may spend. Every request sent counts, including failed ones and retries."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from treegen.errors import ModelError
from treegen.text import counted

#: the code of the error that a cap causes
CAP: Final = "cap"


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """The most a run may spend; `None` for no limit. `max_cost` is in USD."""

    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a run has spent.

    Attributes:
        calls: requests sent.
        prompt_tokens: tokens read, as reported.
        completion_tokens: tokens written, as reported.
        cost: in USD, of the requests whose tokens and price are known.
        guessed_tokens: estimate for requests without reported tokens (most of them failed).
        guessed_cost: in USD, estimate for requests of unknown cost.
        unreported: requests without reported tokens.
        unpriced: requests of unknown cost.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    guessed_tokens: int = 0
    guessed_cost: float = 0.0
    unreported: int = 0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """Read and written, including estimates: what a cap counts."""
        return self.prompt_tokens + self.completion_tokens + self.guessed_tokens

    @property
    def words(self) -> str:
        """The bill on one line. Unknown values are marked as such."""
        parts = [counted(self.calls, "request")]
        if self.calls > self.unreported:
            parts.append(f"{self.prompt_tokens} + {self.completion_tokens} tokens")
        if self.unreported:
            parts.append(
                f"about {self.guessed_tokens} tokens in {counted(self.unreported, 'request')} that reported none"
            )
        if self.calls > self.unpriced:
            parts.append(f"${self.cost:.4f}")
        if self.unpriced:
            guess = f" (about ${self.guessed_cost:.4f})" if self.guessed_cost else ""
            parts.append(f"cost of {counted(self.unpriced, 'request')} unknown{guess}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """The expected usage of one request: prompt tokens, and their cost in USD (`None` if the price is unknown)."""

    tokens: int
    cost: float | None


class Budget:
    """Counts what a run spends and refuses a request that would exceed a cap. Thread-safe."""

    def __init__(
        self,
        limits: Limits | None = None,
        table: str = "",
        *,
        spent: Bill | None = None,
        on_change: Callable[[Bill], None] | None = None,
    ) -> None:
        """Without limits it only counts.

        Args:
            limits: the caps.
            table: the table of domain.toml that holds the caps; empty where they are options of the command line.
            spent: by an earlier part of the same run.
            on_change: called with the bill before each request, pending ones estimated, and after it.
        """
        self.limits = limits or Limits()
        self._on_change = on_change
        self._raise = f"raise it under {table} to continue" if table else "raise it to continue"
        self._table = table
        self._bill = spent or Bill()
        self._open: list[Ticket] = []
        self._lock = threading.Lock()

    @property
    def bill(self) -> Bill:
        """What was spent so far."""
        with self._lock:
            return self._bill

    def before(self, *, tokens: int, cost: float | None) -> Ticket:
        """Reserve budget for one request, before it is sent.

        Args:
            tokens: the estimated minimum: those of its prompt.
            cost: USD for them; `None` if the price is unknown.

        Raises:
            ModelError: it would exceed a cap, or the cost is capped and the price is unknown.
        """
        # check and reserve under one lock: parallel requests must not both pass the last of the budget
        with self._lock:
            self._refuse(tokens, cost)
            ticket = Ticket(tokens=tokens, cost=cost)
            self._open.append(ticket)
            self._bill = replace(self._bill, calls=self._bill.calls + 1)
            self._report()
            return ticket

    def after(
        self,
        ticket: Ticket,
        *,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        cost: float | None = None,
        guessed_tokens: int = 0,
        guessed_cost: float | None = None,
    ) -> None:
        """Record what the request used.

        Args:
            ticket: from `before`; each is used once.
            prompt_tokens: as reported; `None` if the request failed or nothing was reported: the estimate counts.
            completion_tokens: as reported.
            cost: USD; `None` if unknown: the estimate for the prompt counts.
            guessed_tokens: estimate of those written, if not reported.
            guessed_cost: USD for all estimated tokens; that of the prompt alone if not given.
        """
        reported = prompt_tokens is not None and completion_tokens is not None
        guess = guessed_cost if guessed_cost is not None else ticket.cost or 0.0
        with self._lock:
            self._open.remove(ticket)
            bill = self._bill
            self._bill = replace(
                bill,
                prompt_tokens=bill.prompt_tokens + ((prompt_tokens or 0) if reported else 0),
                completion_tokens=bill.completion_tokens + ((completion_tokens or 0) if reported else 0),
                cost=bill.cost + (cost or 0.0),
                guessed_tokens=bill.guessed_tokens + (0 if reported else ticket.tokens + guessed_tokens),
                guessed_cost=bill.guessed_cost + (guess if cost is None else 0.0),
                unreported=bill.unreported + (not reported),
                unpriced=bill.unpriced + (cost is None),
            )
            self._report()

    def give_back(self, ticket: Ticket) -> None:
        """Cancel the reservation of a request that was not sent because nothing was listening."""
        with self._lock:
            self._open.remove(ticket)
            self._bill = replace(self._bill, calls=self._bill.calls - 1)
            self._report()

    def _report(self) -> None:
        """Report the bill as it would be if this process ended now: what is pending will be charged."""
        if self._on_change:
            pending = self._open
            self._on_change(
                replace(
                    self._bill,
                    guessed_tokens=self._bill.guessed_tokens + sum(t.tokens for t in pending),
                    guessed_cost=self._bill.guessed_cost + sum(t.cost or 0.0 for t in pending),
                    unreported=self._bill.unreported + len(pending),
                    unpriced=self._bill.unpriced + len(pending),
                )
            )

    def room(self) -> tuple[int | None, float | None]:
        """Return the tokens and USD left, net of pending requests; `None` where there is no cap."""
        with self._lock:
            tokens = self._bill.tokens + sum(t.tokens for t in self._open)
            cost = self._paid()
        most = self.limits
        return (
            None if most.max_tokens is None else max(0, most.max_tokens - tokens),
            None if most.max_cost is None else max(0.0, most.max_cost - cost),
        )

    def _refuse(self, tokens: int, cost: float | None) -> None:
        most, bill = self.limits, self._bill
        spent = f"so far: {bill.words}"
        if most.max_calls is not None and bill.calls + 1 > most.max_calls:
            raise ModelError(f"{self._cap('max-calls')} {most.max_calls} is used up; {spent}", self._raise, code=CAP)
        used = bill.tokens + sum(t.tokens for t in self._open)
        if most.max_tokens is not None and used + tokens > most.max_tokens:
            message = (
                f"the next request (about {tokens} tokens) would exceed {self._cap('max-tokens')} {most.max_tokens}"
            )
            raise ModelError(f"{message}; {spent}", self._raise, code=CAP)
        if most.max_cost is None:
            return
        if cost is None:
            tip = "cap with --max-tokens or --max-calls, or set price_in and price_out under [llm]"
            if self._table:
                tip = f"set price_in under {self._table}, in USD per million tokens"
            raise ModelError(f"the price of the model is not known, so {self._cap('max-cost')} cannot be enforced", tip)
        if self._paid() + cost > most.max_cost:
            cap = f"{self._cap('max-cost')} {most.max_cost:g}"
            raise ModelError(f"the next request (about ${cost:.4f}) would exceed {cap}; {spent}", self._raise, code=CAP)

    def _cap(self, option: str) -> str:
        return option.replace("-", "_") if self._table else f"--{option}"

    def _paid(self) -> float:
        """Return USD spent, including estimates and pending requests."""
        return self._bill.cost + self._bill.guessed_cost + sum(t.cost or 0.0 for t in self._open)
