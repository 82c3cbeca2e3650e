"""Caps on what a run may spend. Every request that is sent counts, also one that fails and one that is sent again."""

import threading
from dataclasses import dataclass, replace

from treegen.errors import ModelError
from treegen.text import counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run may spend at most; `None` for as much as it takes. `max_cost` is in USD."""

    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What a run has spent.

    Attributes:
        calls: requests that were sent.
        prompt_tokens: tokens read, as told.
        completion_tokens: tokens written, as told.
        cost: in USD, of the requests whose tokens and price are known.
        guessed_tokens: of the requests that told none (most of them failed), as estimated.
        guessed_cost: in USD, of the requests whose cost is not known, as far as it can be estimated.
        untold: requests that told no tokens.
        unpriced: requests whose cost is not known.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cost: float = 0.0
    guessed_tokens: int = 0
    guessed_cost: float = 0.0
    untold: int = 0
    unpriced: int = 0

    @property
    def tokens(self) -> int:
        """Read and written, with what is estimated: what a cap counts."""
        return self.prompt_tokens + self.completion_tokens + self.guessed_tokens

    @property
    def words(self) -> str:
        """In a line. What is not known is called so."""
        parts = [counted(self.calls, "request")]
        if self.calls > self.untold:
            parts.append(f"{self.prompt_tokens} + {self.completion_tokens} tokens")
        if self.untold:
            parts.append(f"about {self.guessed_tokens} tokens in {counted(self.untold, 'request')} that told none")
        if self.calls > self.unpriced:
            parts.append(f"${self.cost:.4f}")
        if self.unpriced:
            guess = f" (about ${self.guessed_cost:.4f})" if self.guessed_cost else ""
            parts.append(f"cost of {counted(self.unpriced, 'request')} unknown{guess}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What one request was expected to take: prompt tokens, and USD for them (`None` if the price is not known)."""

    tokens: int
    cost: float | None


class Budget:
    """Counts what a run spends and refuses the request that would exceed a cap. Threads may share it."""

    def __init__(self, limits: Limits | None = None, table: str = "") -> None:
        """Without limits it only counts.

        Args:
            limits: the caps.
            table: the table of domain.toml that holds the caps; empty where they are options of the command line.
        """
        self.limits = limits or Limits()
        self._raise = f"raise it below {table} to go on" if table else "raise it to go on"
        self._table = table
        self._bill = Bill()
        self._open: list[Ticket] = []
        self._lock = threading.Lock()

    @property
    def bill(self) -> Bill:
        """What was spent so far."""
        with self._lock:
            return self._bill

    def before(self, *, tokens: int, cost: float | None) -> Ticket:
        """Takes room for one request, before it is sent.

        Args:
            tokens: what it will take at least, as estimated: those of its prompt.
            cost: USD for them; `None` if the price is not known.

        Raises:
            ModelError: it would exceed a cap, or there is a cap on the cost and the price is not known.
        """
        with self._lock:
            self._refuse(tokens, cost)
            ticket = Ticket(tokens=tokens, cost=cost)
            self._open.append(ticket)
            self._bill = replace(self._bill, calls=self._bill.calls + 1)
            return ticket

    def after(
        self,
        ticket: Ticket,
        *,
        prompt_tokens: int | None = None,
        completion_tokens: int | None = None,
        cost: float | None = None,
        guessed_tokens: int = 0,
    ) -> None:
        """Counts what the request took.

        Args:
            ticket: from `before`; each is used once.
            prompt_tokens: as told; `None` if the request failed or nothing was told: what was estimated counts.
            completion_tokens: as told.
            cost: USD; `None` if not known: what was estimated for the prompt counts.
            guessed_tokens: about those written, where they are not told.
        """
        told = prompt_tokens is not None and completion_tokens is not None
        with self._lock:
            self._open.remove(ticket)
            bill = self._bill
            self._bill = replace(
                bill,
                prompt_tokens=bill.prompt_tokens + ((prompt_tokens or 0) if told else 0),
                completion_tokens=bill.completion_tokens + ((completion_tokens or 0) if told else 0),
                cost=bill.cost + (cost or 0.0),
                guessed_tokens=bill.guessed_tokens + (0 if told else ticket.tokens + guessed_tokens),
                guessed_cost=bill.guessed_cost + ((ticket.cost or 0.0) if cost is None else 0.0),
                untold=bill.untold + (not told),
                unpriced=bill.unpriced + (cost is None),
            )

    def give_back(self, ticket: Ticket) -> None:
        """The request was not sent after all: nothing listened there."""
        with self._lock:
            self._open.remove(ticket)
            self._bill = replace(self._bill, calls=self._bill.calls - 1)

    def room(self) -> tuple[int | None, float | None]:
        """Tokens and USD that are left, without what is under way; `None` where there is no cap."""
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
            raise ModelError(f"{self._cap('max-calls')} {most.max_calls} is used up; {spent}", self._raise)
        used = bill.tokens + sum(t.tokens for t in self._open)
        if most.max_tokens is not None and used + tokens > most.max_tokens:
            told = f"the next request (about {tokens} tokens) would exceed {self._cap('max-tokens')} {most.max_tokens}"
            raise ModelError(f"{told}; {spent}", self._raise)
        if most.max_cost is None:
            return
        if cost is None:
            tip = "cap with --max-tokens or --max-calls, or give price_in and price_out below [llm]"
            if self._table:
                tip = f"give price_in below {self._table}, in USD per million tokens"
            raise ModelError(f"the price of the model is not known, so {self._cap('max-cost')} cannot be kept", tip)
        if self._paid() + cost > most.max_cost:
            told = f"the next request (about ${cost:.4f}) would exceed {self._cap('max-cost')} {most.max_cost:g}"
            raise ModelError(f"{told}; {spent}", self._raise)

    def _cap(self, option: str) -> str:
        return option.replace("-", "_") if self._table else f"--{option}"

    def _paid(self) -> float:
        """USD, with what is estimated and what is under way."""
        return self._bill.cost + self._bill.guessed_cost + sum(t.cost or 0.0 for t in self._open)
