"""Any model that litellm supports: cloud providers, local servers, anything that speaks OpenAI's protocol."""

import random
import threading
import time
from collections.abc import Callable, Sequence
from time import sleep
from typing import Any, Final

from treegen.config.settings import LlmSettings
from treegen.errors import ModelError
from treegen.llm.chat.estimate import Estimate, cost_of, count_tokens, pictures_in, price_in
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema
from treegen.llm.chat.response_cache import Kept
from treegen.llm.chat.streaming import Received, RequestError, SlowError, listen
from treegen.llm.chat.structured_output import Ladder, OutputMode, is_about_the_form, is_prose, response_format
from treegen.remote.budget import Budget
from treegen.remote.failures import Failure, explain
from treegen.remote.litellm import key_for, load_litellm
from treegen.remote.retrying import Retry, call
from treegen.remote.secrets import scrub

_CONNECT: Final = 20.0  # seconds; a reachable host accepts a connection at once
_PULSE: Final = 0.1  # seconds between calls of the listener while waiting for a slot
_LEAST_ANSWER: Final = 64  # tokens; fewer are not worth paying for the prompt
_SHOWN: Final = 200  # characters of a refusal that are shown

OnRequest = Callable[[Estimate], None]


class _BrokenOffError(Exception):
    """A stream ended without a finish reason: litellm treats a broken connection as the end."""


class LitellmChat:
    """One model by its litellm name, with bounded retries of our own (litellm's multiply with the SDK's)."""

    def __init__(
        self,
        settings: LlmSettings,
        *,
        budget: Budget | None = None,
        kept: Kept | None = None,
        on_request: OnRequest | None = None,
    ) -> None:
        """Set up the chat; nothing is sent yet.

        Args:
            settings: `model` is a litellm name; the key comes from the environment.
            budget: counts every request and refuses those over its caps; those of the settings if not given.
            kept: remembers which response format worked for the model.
            on_request: called with the estimate of each reply before it is requested.
        """
        self.name = settings.model or ""
        self._settings, self._on_request = settings, on_request
        self._budget = budget or Budget(settings.caps)
        self._ladder = Ladder(self.name, settings.api_base, kept)
        most = self._budget.limits
        capped = most.max_tokens is not None or most.max_cost is not None
        # the cost of a pending answer is unknown, so a cap allows only one at a time
        self._places = threading.Semaphore(1 if capped else settings.concurrency)
        self._sleep: Callable[[float], None] = sleep
        self._draw = random.random

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        """Return the model's reply; retry on 429, 5xx, time-outs and broken connections.

        Args:
            messages: the whole conversation.
            on_text: if given, the reply is streamed; called with the text so far, at least every 0.1 s.
            wire: the schema to request, as strictly as the model supports.

        Raises:
            ModelError: a key is missing or wrong, the server cannot be reached, the model is unknown, the request is
                too long, a cap is reached, the model refuses, or the provider kept failing.
            Cancelled: `on_text` raised it; the connection is abandoned.
        """
        if on_text:
            on_text("")  # loading takes seconds without any output
        litellm = load_litellm()
        asking = _Asking(litellm, self._settings, messages, self._budget)
        if self._on_request:
            self._on_request(asking.expected)
        while True:
            rung = self._ladder.rung
            form = response_format(rung, wire) if wire else {}
            try:
                heard = self._with_retries(asking, form, on_text)
            except RequestError:  # only for a refused response format, which the last mode does not have
                self._ladder.down(rung)
                continue
            if wire:
                self._judge(rung, heard)
            return self._reply(asking, heard)

    def _with_retries(self, asking: "_Asking", form: dict[str, Any], on_text: OnText | None) -> Received:
        """Return the reply to the request in one response format."""
        broken_off: list[Received] = []
        settings = self._settings
        left = max(settings.total_timeout - asking.seconds, 1.0)
        policy = Retry(tries=settings.retries + 1, per_call=settings.timeout, total=left)
        deadline = time.monotonic() + left

        def ask(seconds: float) -> Received:
            with _Place(self._places, on_text):
                heard = asking.send(form, on_text, quiet=seconds, longest=deadline - time.monotonic())
            if heard.finish is None and on_text and not heard.refusal and not broken_off:
                broken_off.append(heard)  # some servers never give a reason: accept it the second time
                raise _BrokenOffError
            return heard

        def meaning(error: Exception) -> Failure | None:
            if isinstance(error, _BrokenOffError):
                return Failure(message=f"{self.name}: the reply broke off", tip="try again later", again=True)
            if not isinstance(error, RequestError) or (form and is_about_the_form(error.error)):
                return None
            return asking.meaning(error)

        pulse = (lambda: on_text("")) if on_text else None
        return call(ask, policy, meaning, sleep=self._sleep, draw=self._draw, on_pulse=pulse)

    def _judge(self, rung: OutputMode, heard: Received) -> None:
        """Step down the output mode if the model accepted a schema but answered with prose."""
        if heard.text and heard.finish != "length" and not heard.refusal and is_prose(heard.text):
            self._ladder.down(rung)

    def _reply(self, asking: "_Asking", heard: Received) -> Reply:
        """Convert what was received into a reply.

        Raises:
            ModelError: the model refused, was stopped, or gave no text.
        """
        text = scrub(heard.text, self._settings.api_base)
        if heard.refusal:
            said = scrub(" ".join(heard.refusal.split()), self._settings.api_base)
            told = f"{self.name}: the model refuses: {said[:_SHOWN]}"
            raise ModelError(told, "reword the domain's description, hints and notes, or use another model")
        if heard.finish == "content_filter":
            tip = "reword the domain's texts or the feedback, or use another model"
            raise ModelError(f"{self.name}: the provider's content filter stopped the reply", tip)
        if not text.strip() and heard.finish == "length":
            tip = "a model that reasons needs more: raise max_tokens below [llm], or --max-tokens"
            raise ModelError(f"{self.name}: the token limit was reached before the first word of the reply", tip)
        if not text.strip():
            calls = heard.finish in ("tool_calls", "function_call")
            why = "a tool was called instead" if calls else f"finish reason {heard.finish}"
            why = f" ({why})" if heard.finish else ""
            raise ModelError(f"{self.name}: the reply is empty{why}", "try again, or another model")
        prompt, completion = asking.told_tokens(heard)
        return Reply(
            text=text,
            model=self.name,
            finish=heard.finish,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost=asking.cost(prompt, completion),
            seconds=round(asking.seconds, 3),
            requests=asking.sent,
        )


class _Place:
    """A slot for a concurrent request; waiting for one can be cancelled."""

    def __init__(self, places: threading.Semaphore, on_text: OnText | None) -> None:
        self._places, self._on_text = places, on_text

    def __enter__(self) -> None:
        while not self._places.acquire(timeout=_PULSE):
            if self._on_text:
                self._on_text("")

    def __exit__(self, *_: object) -> None:
        self._places.release()


class _Asking:
    """One request, across all retries and response formats, and its cost.

    Attributes:
        expected: the estimate, without the answer.
        sent: how often it was sent.
    """

    def __init__(self, litellm: Any, settings: LlmSettings, messages: Sequence[Message], budget: Budget) -> None:
        """Find the key and count the tokens.

        Raises:
            ModelError: there is no key for the provider.
        """
        self._litellm, self._settings, self._budget = litellm, settings, budget
        name = settings.model or ""
        given = {"api_base": settings.api_base, "temperature": settings.temperature}
        self._request = {
            "model": name,
            "messages": [m.as_dict() for m in messages],
            "max_retries": 0,
            **key_for(litellm, name, settings.api_base),
            **{key: value for key, value in given.items() if value is not None},
        }
        tokens = count_tokens(litellm, name, messages)
        self.expected = Estimate(prompt_tokens=tokens, cost=self.cost(tokens, 0), pictures=pictures_in(messages))
        self.sent = 0
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self._started

    def send(self, form: dict[str, Any], on_text: OnText | None, *, quiet: float, longest: float) -> Received:
        """Send the request once.

        Raises:
            RequestError: it failed.
            ModelError: a cap is reached.
        """
        import httpx

        room = self._room()
        timeout = httpx.Timeout(quiet, connect=min(quiet, _CONNECT))
        stream = {"stream": True, "stream_options": {"include_usage": True}} if on_text else {}
        request = {**self._request, **room, **form, **stream, "timeout": timeout}
        ticket = self._budget.before(tokens=self.expected.prompt_tokens or 0, cost=self.expected.cost)
        self.sent += 1
        try:
            heard = listen(
                lambda: self._litellm.completion(**request),
                on_text,
                streamed=bool(on_text),
                quiet=quiet,
                longest=longest,
            )
        except RequestError as error:
            if self.meaning(error).sent:
                self._budget.after(ticket)
            else:
                self._budget.give_back(ticket)
                self.sent -= 1
            raise
        except BaseException:
            self._budget.after(ticket)
            raise
        prompt, completion = self.told_tokens(heard)
        written = 0 if completion is not None else self._written(heard.text)
        cost = self.cost(prompt, completion)
        self._budget.after(
            ticket, prompt_tokens=prompt, completion_tokens=completion, cost=cost, guessed_tokens=written
        )
        return heard

    def meaning(self, error: RequestError) -> Failure:
        """Explain a failure."""
        model = self._settings.model or ""
        if isinstance(error.error, SlowError):
            told = f"{model}: the reply was not whole after {self._settings.total_timeout:g} s"
            return Failure(message=told, tip="a slow model needs a longer `total_timeout` below [llm]")
        return explain(
            error.error,
            model=model,
            api_base=self._settings.api_base,
            seconds=self._settings.timeout,
        )

    def cost(self, prompt: int | None, completion: int | None) -> float | None:
        """Return the cost in USD; `None` if tokens or price are unknown."""
        return cost_of(self._litellm, self._settings, prompt, completion)

    @staticmethod
    def told_tokens(heard: Received) -> tuple[int | None, int | None]:
        """Return the token counts as the provider reported them; litellm gives 0 for unreported ones."""
        found = (getattr(heard.usage, name, None) or None for name in ("prompt_tokens", "completion_tokens"))
        prompt, completion = found
        return prompt, completion

    def _written(self, text: str) -> int:
        return int(self._litellm.token_counter(model=self._settings.model, text=text)) if text else 0

    def _room(self) -> dict[str, int]:
        """Return `max_tokens` for the reply: as configured, or less if a cap leaves less.

        Raises:
            ModelError: a cap leaves too little for an answer.
        """
        tokens, cost = self._budget.room()
        most: list[int] = []
        if tokens is not None:
            most.append(tokens - (self.expected.prompt_tokens or 0))
        out = price_in(self._litellm, self._settings)
        if cost is not None and out and out.per_million_out:
            most.append(int((cost - (self.expected.cost or 0.0)) * 1e6 / out.per_million_out))
        if most and 0 < min(most) < _LEAST_ANSWER:
            told = f"the caps leave {min(most)} tokens for an answer; so far: {self._budget.bill.words}"
            raise ModelError(told, "raise --max-tokens or --max-cost to go on")
        most += [self._settings.max_tokens] if self._settings.max_tokens else []
        return {"max_tokens": max(1, min(most))} if most else {}
