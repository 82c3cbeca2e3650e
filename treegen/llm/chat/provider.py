"""Any model that litellm reaches: cloud providers, local servers, anything that speaks OpenAI's protocol."""

import random
import time
from collections.abc import Sequence
from typing import Any, Final

from treegen.domain import LlmSettings
from treegen.errors import ModelError
from treegen.llm.chat.interface import Message, OnText, Reply, Wire
from treegen.llm.chat.streaming import Heard, listen
from treegen.remote.failures import Failure, explain
from treegen.remote.litellm import key_for, load_litellm, price_of
from treegen.remote.retrying import Retry, call

_RETRY: Final = Retry()


class _BrokenOffError(Exception):
    """A stream ended without a finish reason: litellm calls a broken connection the end."""


class LitellmChat:
    """One model by its litellm name, with our own bounded retries (litellm's multiply with the SDK's)."""

    def __init__(self, settings: LlmSettings) -> None:
        """`settings.model` is a litellm name; the key comes from the environment."""
        self.name = settings.model or ""
        self._settings = settings
        self._sleep, self._draw = time.sleep, random.random

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: Wire | None = None
    ) -> Reply:
        """The model's reply; 429, 5xx, time-outs and broken connections are tried again, up to 4 times in all.

        Args:
            messages: all of the conversation.
            on_text: if given, the reply is streamed; it is told the text so far, at least every 0.1 s.

        Raises:
            ModelError: a key is missing or wrong, the server cannot be reached, the model is unknown, the request is
                too long, or the provider went on failing.
            Cancelled: `on_text` raised it; the connection is left.
        """
        litellm = load_litellm()
        request = self._request(litellm, messages)
        started = time.monotonic()
        broken_off: list[Heard] = []

        def ask(seconds: float) -> Heard:
            heard = self._ask(litellm, {**request, "timeout": seconds}, on_text)
            if heard.finish is None and on_text and not broken_off:
                broken_off.append(heard)  # some servers never give a reason: the second time it is believed
                raise _BrokenOffError
            return heard

        heard = call(
            ask, _RETRY, self._explain, sleep=self._sleep, draw=self._draw,
            on_pulse=(lambda: on_text("")) if on_text else None,
        )  # fmt: skip
        return self._reply(litellm, heard, time.monotonic() - started)

    def _explain(self, error: Exception) -> Failure | None:
        """What an error of the provider means; `None` for one that is not of the provider."""
        from openai import OpenAIError  # the root of litellm's provider errors; litellm's own class of that name is not

        if isinstance(error, _BrokenOffError):
            return Failure(message=f"{self.name}: the reply broke off", tip="try again later", again=True)
        if not isinstance(error, OpenAIError):
            return None
        return explain(error, model=self.name, api_base=self._settings.api_base, seconds=_RETRY.per_call)

    def _request(self, litellm: Any, messages: Sequence[Message]) -> dict[str, Any]:
        """The arguments of `litellm.completion`.

        Raises:
            ModelError: there is no key for the provider.
        """
        options = key_for(litellm, self.name, self._settings.api_base) | {
            key: getattr(self._settings, key)
            for key in ("api_base", "temperature", "max_tokens")
            if getattr(self._settings, key) is not None
        }
        sent = [m.as_dict() for m in messages]
        return {"model": self.name, "messages": sent, "max_retries": 0, **options}

    @staticmethod
    def _ask(litellm: Any, request: dict[str, Any], on_text: OnText | None) -> Heard:
        """One request."""
        if on_text:
            more = {"stream": True, "stream_options": {"include_usage": True}}
            return listen(lambda: litellm.completion(**request, **more), on_text)
        response = litellm.completion(**request)
        choice = next(iter(response.choices), None)
        return Heard(
            text=choice.message.content or "" if choice else "", finish=choice.finish_reason if choice else None,
            usage=getattr(response, "usage", None),
        )  # fmt: skip

    def _reply(self, litellm: Any, heard: Heard, seconds: float) -> Reply:
        prompt = getattr(heard.usage, "prompt_tokens", None) or None  # litellm gives 0 where the server tells nothing
        completion = getattr(heard.usage, "completion_tokens", None) or None
        if not heard.text:
            why = f" (finish reason {heard.finish})" if heard.finish else ""
            raise ModelError(f"{self.name}: the reply is empty{why}", "try again, or another model")
        return Reply(
            text=heard.text, model=self.name, finish=heard.finish, prompt_tokens=prompt,
            completion_tokens=completion,
            cost=price_of(litellm, self.name, prompt, completion, api_base=self._settings.api_base),
            seconds=round(seconds, 3),
        )  # fmt: skip
