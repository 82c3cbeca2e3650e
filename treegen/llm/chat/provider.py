"""Any model that litellm reaches: cloud providers, local servers, anything that speaks OpenAI's protocol."""

import os
import re
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, Final

from treegen.domain import LlmSettings
from treegen.errors import ModelError
from treegen.llm.chat.interface import Message, OnText, Reply, Wire
from treegen.llm.chat.streaming import Heard, listen

_TRIES: Final = 4
_TIMEOUT: Final = 300.0  # seconds; local models can be slow
_LONGEST_WAIT: Final = 60.0
_SLICE: Final = 0.25  # seconds of waiting after which a listener is asked again
_UNREACHED: Final = frozenset(
    {"ConnectError", "ConnectionRefusedError", "gaierror", "UnsupportedProtocol", "InvalidURL"}
)
#: litellm's error -> what to tell; more of the same request would not help
_FINAL: Final = {
    "AuthenticationError": ("{where} refused the key (401)", "check the key in the environment"),
    "PermissionDeniedError": ("{where} does not allow this key to use the model (403)", "check the account"),
    "PaymentRequiredError": ("{where} wants to be paid first (402)", "check the account"),
    "NotFoundError": ("{where} does not know this model (404)", "check the name after the first slash, and --api-base"),
    "ContextWindowExceededError": ("the request is longer than the model's context", "use a larger model"),
    "ContentPolicyViolationError": ("{where} refused the content", "reword the domain's texts"),
    "BadRequestError": (
        "{where} did not accept the request (400)",
        "is the name a litellm model name such as openai/gpt-4o-mini?",
    ),
    "UnsupportedParamsError": ("does not take one of temperature and max_tokens", "remove it from [llm]"),
}
#: litellm raises its bare APIError for these
_KINDS: Final[dict[int | None, str]] = {402: "PaymentRequiredError", 403: "PermissionDeniedError"}


def load_litellm() -> Any:
    """litellm, imported on first use (3 to 6 s) and kept from the network and from reading a .env file."""
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    import litellm

    # told at the first streamed reply, about litellm's own types, on a standard error that a full screen may cover
    warnings.filterwarnings("ignore", message="Item '.*' on TypedDict class", category=UserWarning)
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True  # else counting tokens of a llama asks huggingface.co, for 23 s
    return litellm


class LitellmChat:
    """One model by its litellm name, with our own bounded retries (litellm's multiply with the SDK's)."""

    def __init__(self, settings: LlmSettings) -> None:
        """`settings.model` is a litellm name; the key comes from the environment."""
        self.name = settings.model or ""
        self._settings = settings
        self._sleep = time.sleep

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
        from openai import OpenAIError  # the root of litellm's provider errors; litellm's own class of that name is not

        request = self._request(litellm, messages)
        started = time.monotonic()
        broken_off = False
        for attempt in range(1, _TRIES + 1):
            try:
                heard = self._ask(litellm, request, on_text)
            except OpenAIError as error:
                failure = explain(error, self._settings)
                if not failure.again or attempt == _TRIES:
                    raise ModelError(failure.message, failure.tip) from None
                self._pause(min(_LONGEST_WAIT, 2.0**attempt if failure.wait is None else failure.wait), on_text)
                continue
            if heard.finish is None and on_text and not broken_off and attempt < _TRIES:
                broken_off = True  # litellm calls a broken connection the end; some servers never give a reason
                self._pause(2.0**attempt, on_text)
                continue
            return self._reply(litellm, heard, time.monotonic() - started)
        raise ModelError(f"{self.name}: no reply after {_TRIES} tries", "try again later")

    def _request(self, litellm: Any, messages: Sequence[Message]) -> dict[str, Any]:
        """The arguments of `litellm.completion`.

        Raises:
            ModelError: there is no key for the provider.
        """
        options = self._key(litellm) | {
            key: getattr(self._settings, key)
            for key in ("api_base", "temperature", "max_tokens")
            if getattr(self._settings, key) is not None
        }
        sent = [m.as_dict() for m in messages]
        return {"model": self.name, "messages": sent, "timeout": _TIMEOUT, "max_retries": 0, **options}

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

    def _pause(self, seconds: float, on_text: OnText | None) -> None:
        """Waits; whoever listens is told that the text begins anew, and may end the waiting."""
        left = seconds
        while on_text and left > _SLICE:
            on_text("")
            self._sleep(_SLICE)
            left -= _SLICE
        self._sleep(left)

    def _key(self, litellm: Any) -> dict[str, str]:
        """What to pass on as the key: nothing where litellm finds the provider's own in the environment.

        Raises:
            ModelError: there is no key for the provider.
        """
        told = litellm.validate_environment(self.name).get("missing_keys") or []
        missing = [name for name in told if "_API_KEY" in name]  # an address or a region has defaults, or other sources
        own = self.name.partition("/")[0].upper() + "_API_KEY"
        if not missing and not os.environ.get(own, "set").strip():
            missing = [own]  # set, but blank
        if missing and self._settings.api_base:
            return {"api_key": "none"}  # a server of one's own: the client wants some key
        if missing:
            names = " or ".join(missing)
            tip = f"set {names} in the environment, or use --api-base for a server of your own, or --model manual"
            raise ModelError(f"{self.name}: no key in {names}", tip)
        return {}

    def _reply(self, litellm: Any, heard: Heard, seconds: float) -> Reply:
        prompt = getattr(heard.usage, "prompt_tokens", None) or None  # litellm gives 0 where the server tells nothing
        completion = getattr(heard.usage, "completion_tokens", None) or None
        if not heard.text:
            why = f" (finish reason {heard.finish})" if heard.finish else ""
            raise ModelError(f"{self.name}: the reply is empty{why}", "try again, or another model")
        return Reply(
            text=heard.text, model=self.name, finish=heard.finish, prompt_tokens=prompt,
            completion_tokens=completion, cost=price_of(litellm, self._settings, prompt, completion),
            seconds=round(seconds, 3),
        )  # fmt: skip


def price_of(litellm: Any, settings: LlmSettings, prompt: int | None, completion: int | None) -> float | None:
    """USD for so many tokens, or `None` where the price of the model is not known."""
    name = settings.model or ""
    provider, _, bare = name.partition("/")
    known = litellm.model_cost.get(name) or litellm.model_cost.get(bare) or {}
    foreign = name not in litellm.model_cost and known.get("litellm_provider") != provider
    if prompt is None or completion is None or settings.api_base or foreign:
        return None
    if known.get("input_cost_per_token") is None or known.get("output_cost_per_token") is None:
        return None
    return float(sum(litellm.cost_per_token(model=name, prompt_tokens=prompt, completion_tokens=completion)))


class _Failure:
    """What a provider's error means for the user."""

    def __init__(self, message: str, tip: str, *, again: bool = False, wait: float | None = None) -> None:
        self.message, self.tip, self.again, self.wait = message, tip, again, wait


def _causes(error: BaseException) -> Iterator[str]:
    """Class names along the chain of causes: litellm raises one class for several things."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield type(current).__name__
        current = current.__cause__ or current.__context__


def _without_credentials(address: str | None) -> str:
    """The address without `user:password@`: messages are kept in the history."""
    return re.sub(r"//[^/@]*@", "//", address or "")


def explain(error: Exception, settings: LlmSettings) -> _Failure:
    """One clear message for an error of litellm. The provider's own text is not repeated: it may hold a key."""
    kind, status, causes = type(error).__name__, getattr(error, "status_code", None), set(_causes(error))
    model, where = settings.model, _without_credentials(settings.api_base) or "the provider"
    if causes & _UNREACHED:
        return _Failure(f"{model}: {where} cannot be reached", "is the server running, is --api-base right?")
    kind = _KINDS.get(status, kind) if kind == "APIError" else kind
    if kind in _FINAL:
        told, tip = _FINAL[kind]
        return _Failure(f"{model}: {told.format(where=where)}", tip)
    headers = getattr(error, "litellm_response_headers", None) or {}
    wait = str(headers.get("retry-after", ""))
    known = {"RateLimitError": "limits the rate (429)", "Timeout": f"gave no answer within {_TIMEOUT:.0f} s"}
    said = known.get(kind, f"failed ({status or kind})")
    again = status is not None and (status in (408, 429) or status >= 500)
    seconds = float(wait) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", wait) else None
    return _Failure(f"{model}: {where} {said}", "try again later", again=again, wait=seconds)
