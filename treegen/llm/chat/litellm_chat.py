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
from treegen.llm.chat.response_cache import ResponseCache
from treegen.llm.chat.streaming import Received, RequestError, SlowError, listen
from treegen.llm.chat.structured_output import Ladder, OutputMode, is_about_the_form, is_prose, response_format
from treegen.remote.addresses import is_readable_by_others
from treegen.remote.budget import CAP, Budget, Ticket
from treegen.remote.failures import Failure, explain
from treegen.remote.litellm import key_for, load_litellm
from treegen.remote.retrying import Retry, call
from treegen.remote.secrets import scrub
from treegen.remote.tidying import MOST_TOKENS, token_count

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
        responses: ResponseCache | None = None,
        on_request: OnRequest | None = None,
    ) -> None:
        """Set up the chat; nothing is sent yet.

        Args:
            settings: `model` is a litellm name; the key comes from the environment.
            budget: counts every request and refuses those over its caps; those of the settings if not given.
            responses: remembers which response format worked for the model.
            on_request: called with the estimate of each reply before it is requested.
        """
        self.name = settings.model or ""
        self._settings, self._on_request = settings, on_request
        self._budget = budget or Budget(settings.caps)
        self._ladder = Ladder(self.name, settings.api_base, responses)
        limits = self._budget.limits
        is_capped = limits.max_tokens is not None or limits.max_cost is not None
        # the cost of a pending answer is unknown, so under a cap only one request may run at a time
        self._slots = threading.Semaphore(1 if is_capped else settings.concurrency)
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
        request = _Asking(litellm, self._settings, messages, self._budget)
        if self._on_request:
            self._on_request(request.expected)
        while True:
            mode = self._ladder.rung
            form = response_format(mode, wire) if wire else {}
            try:
                received = self._with_retries(request, form, on_text)
            except RequestError:  # only for a refused response format, which the last mode does not have
                self._ladder.down(mode)
                continue
            if wire:
                self._weaken_after_prose(mode, received)
            return self._reply(request, received)

    def _with_retries(self, request: "_Asking", form: dict[str, Any], on_text: OnText | None) -> Received:
        """Return the reply to the request in one response format."""
        broken_off: list[Received] = []
        settings = self._settings
        remaining = max(settings.total_timeout - request.seconds, 1.0)
        policy = Retry(tries=settings.retries + 1, per_call=settings.timeout, total=remaining)
        deadline = time.monotonic() + remaining

        def ask(seconds: float) -> Received:
            with _Place(self._slots, on_text):
                received = request.send(form, on_text, quiet=seconds, longest=deadline - time.monotonic())
            if received.finish is None and on_text and not received.refusal and not broken_off:
                broken_off.append(received)  # some servers never give a reason: accept it the second time
                raise _BrokenOffError
            return received

        def explain_failure(error: Exception) -> Failure | None:
            if isinstance(error, _BrokenOffError):
                return Failure(message=f"{self.name}: the reply broke off", tip="try again later", again=True)
            if not isinstance(error, RequestError) or (form and is_about_the_form(error.error)):
                return None
            return request.meaning(error)

        pulse = (lambda: on_text("")) if on_text else None
        return call(ask, policy, explain_failure, sleep=self._sleep, draw=self._draw, on_pulse=pulse)

    def _weaken_after_prose(self, mode: OutputMode, received: Received) -> None:
        """Step down the output mode if the model accepted a schema but answered with prose."""
        if received.text and received.finish != "length" and not received.refusal and is_prose(received.text):
            self._ladder.down(mode)

    def _reply(self, request: "_Asking", received: Received) -> Reply:
        """Convert what was received into a reply.

        Raises:
            ModelError: the model refused, was stopped, or gave no text.
        """
        text = scrub(received.text, self._settings.api_base)
        if received.refusal:
            refusal = scrub(" ".join(received.refusal.split()), self._settings.api_base)
            message = f"{self.name}: the model refuses: {refusal[:_SHOWN]}"
            raise ModelError(message, "reword the domain's description, hints and notes, or use another model")
        if received.finish == "content_filter":
            tip = "reword the domain's texts or the feedback, or use another model"
            raise ModelError(f"{self.name}: the provider's content filter stopped the reply", tip)
        if not text.strip() and received.finish == "length":
            tip = "a model that reasons needs more: raise max_tokens below [llm], or --max-tokens"
            raise ModelError(f"{self.name}: the token limit was reached before the first word of the reply", tip)
        if not text.strip():
            calls = received.finish in ("tool_calls", "function_call")
            reason = "a tool was called instead" if calls else f"finish reason {received.finish}"
            reason = f" ({reason})" if received.finish else ""
            raise ModelError(f"{self.name}: the reply is empty{reason}", "try again, or use another model")
        prompt, completion = request.reported_tokens(received)
        return Reply(
            text=text,
            model=self.name,
            finish=received.finish,
            prompt_tokens=prompt,
            completion_tokens=completion,
            cost=request.cost(prompt, completion),
            seconds=round(request.seconds, 3),
            requests=request.sent,
        )


class _Place:
    """A slot for a concurrent request; waiting for one can be cancelled."""

    def __init__(self, slots: threading.Semaphore, on_text: OnText | None) -> None:
        self._slots, self._on_text = slots, on_text

    def __enter__(self) -> None:
        while not self._slots.acquire(timeout=_PULSE):
            if self._on_text:
                self._on_text("")

    def __exit__(self, *_: object) -> None:
        self._slots.release()


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
        options = {"api_base": settings.api_base, "temperature": settings.temperature}
        self._request = {
            "model": name,
            "messages": [m.as_dict() for m in messages],
            "max_retries": 0,
            **key_for(litellm, name, settings.api_base, withheld=self._withholds_key),
            **{key: value for key, value in options.items() if value is not None},
        }
        tokens = count_tokens(litellm, name, messages)
        self.expected = Estimate(prompt_tokens=tokens, cost=self.cost(tokens, 0), pictures=pictures_in(messages))
        self.sent = 0
        self._started = time.monotonic()

    @property
    def _withholds_key(self) -> bool:
        """Whether a file, and not the user, names an address to which a key would travel in the open."""
        settings = self._settings
        return "api_base" in settings.from_file and is_readable_by_others(settings.api_base or "")

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

        limit = self._max_tokens()
        timeout = httpx.Timeout(quiet, connect=min(quiet, _CONNECT))
        stream = {"stream": True, "stream_options": {"include_usage": True}} if on_text else {}
        request = {**self._request, **limit, **form, **stream, "timeout": timeout}
        ticket = self._budget.before(tokens=self.expected.prompt_tokens or 0, cost=self.expected.cost)
        self.sent += 1
        heard = [""]

        def hear(text: str) -> None:
            heard[0] = text or heard[0]
            if on_text:
                on_text(text)

        try:
            received = listen(
                lambda: self._litellm.completion(**request),
                hear if on_text else None,
                streamed=bool(on_text),
                quiet=quiet,
                longest=longest,
            )
        except RequestError as error:
            if self.meaning(error).sent:
                self._charge_estimate(ticket, heard[0])
            else:
                self._budget.give_back(ticket)
                self.sent -= 1
            raise
        except BaseException:
            self._charge_estimate(ticket, heard[0])
            raise
        prompt, completion = self.reported_tokens(received)
        if prompt is None or completion is None:
            self._charge_estimate(ticket, received.text, completion)
        else:
            cost = self.cost(prompt, completion)
            self._budget.after(ticket, prompt_tokens=prompt, completion_tokens=completion, cost=cost)
        return received

    def _charge_estimate(self, ticket: Ticket, text: str, completion: int | None = None) -> None:
        """Put a request on the bill whose usage is unknown: what was written costs something, reported or not."""
        written = self._count_written(text) if completion is None else completion
        self._budget.after(ticket, guessed_tokens=written, guessed_cost=self.cost(ticket.tokens, written))

    def meaning(self, error: RequestError) -> Failure:
        """Explain a failure."""
        model = self._settings.model or ""
        if isinstance(error.error, SlowError):
            message = f"{model}: the reply was incomplete after {self._settings.total_timeout:g} s"
            return Failure(message=message, tip="a slow model needs a longer `total_timeout` below [llm]")
        return explain(
            error.error,
            model=model,
            api_base=self._settings.api_base,
            seconds=self._settings.timeout,
        )

    def cost(self, prompt: int | None, completion: int | None) -> float | None:
        """Return the cost in USD; `None` if tokens or price are unknown."""
        return cost_of(self._litellm, self._settings, prompt, completion)

    def reported_tokens(self, received: Received) -> tuple[int | None, int | None]:
        """Return the token counts as the provider reported them, `None` where it did not or they cannot be believed.

        litellm gives 0 for unreported ones. Where each chunk has some, they are counted on, or only those of the chunk:
        whichever comes nearer to the text.
        """
        read, written = (
            [count for usage in received.usages if (count := token_count(getattr(usage, name, None)))]
            for name in ("prompt_tokens", "completion_tokens")
        )
        most, total = max(written, default=None), sum(written)
        if most is not None and most < total <= MOST_TOKENS:
            text = self._count_written(received.text)
            most = min(most, total, key=lambda count: abs(count - text))
        return max(read, default=None), most

    def _count_written(self, text: str) -> int:
        return int(self._litellm.token_counter(model=self._settings.model, text=text)) if text else 0

    def _max_tokens(self) -> dict[str, int]:
        """Return `max_tokens` for the reply: as configured, or less if a cap leaves less.

        Raises:
            ModelError: a cap leaves too little for an answer.
        """
        tokens, cost = self._budget.room()
        limits: list[int] = []
        if tokens is not None:
            limits.append(tokens - (self.expected.prompt_tokens or 0))
        price = price_in(self._litellm, self._settings)
        if cost is not None and price and price.per_million_out:
            limits.append(int((cost - (self.expected.cost or 0.0)) * 1e6 / price.per_million_out))
        if limits and 0 < min(limits) < _LEAST_ANSWER:
            message = f"the caps leave {min(limits)} tokens for an answer; so far: {self._budget.bill.words}"
            raise ModelError(message, "raise --max-tokens or --max-cost to continue", code=CAP)
        limits += [self._settings.max_tokens] if self._settings.max_tokens else []
        return {"max_tokens": max(1, min(limits))} if limits else {}
