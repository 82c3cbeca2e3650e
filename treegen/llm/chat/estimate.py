"""Estimates the cost of a request before it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from treegen.config.settings import LlmSettings
from treegen.llm.chat.interface import Message
from treegen.remote.litellm import Price, load_litellm, price_of, price_per_million
from treegen.text import counted

_PICTURE: Final = 800  # tokens per picture of about 512 px: 85 to 765 for OpenAI, 350 for Anthropic, 258 for Gemini


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The approximate cost of one request. Unknown values are `None`, never 0.

    Attributes:
        prompt_tokens: of the messages; `None` if no language model is involved.
        completion_tokens: of an answer like the expected one.
        pictures: how many are in the messages; each counts as 800 tokens, though providers differ.
        cost: in USD, for both; `None` if the price is unknown.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None
    pictures: int = 0

    @property
    def words(self) -> str:
        """The estimate on one line."""
        if self.prompt_tokens is None:
            return "tokens and cost unknown"
        answer = f" + about {self.completion_tokens}" if self.completion_tokens is not None else ""
        pictures = f" ({counted(self.pictures, 'picture')} counted as {_PICTURE} tokens each)" if self.pictures else ""
        return f"about {self.prompt_tokens}{answer} tokens{pictures}, " + (
            f"${self.cost:.4f}" if self.cost is not None else "cost unknown"
        )


def estimate(settings: LlmSettings, messages: Sequence[Message], answer: str = "") -> Estimate:
    """Count tokens and look up the price. Nothing is sent; the first call takes seconds (it imports litellm).

    Args:
        settings: names the model.
        messages: the request.
        answer: a text of about the length of the expected answer; the tree itself for a revision.
    """
    model = settings.model or ""
    if not model or model == "manual" or model.startswith("replay/"):
        return Estimate()
    litellm = load_litellm()
    prompt = count_tokens(litellm, model, messages)
    completion = int(litellm.token_counter(model=model, text=answer)) if answer else None
    return Estimate(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=cost_of(litellm, settings, prompt, completion),
        pictures=pictures_in(messages),
    )


def count_tokens(litellm: Any, model: str, messages: Sequence[Message]) -> int:
    """Count the tokens of the messages by the model's tokenizer or a general one, and a fixed number per picture."""
    texts = [{"role": m.role, "content": m.content} for m in messages]
    return int(litellm.token_counter(model=model, messages=texts)) + _PICTURE * pictures_in(messages)


def pictures_in(messages: Sequence[Message]) -> int:
    """Count the pictures in the messages."""
    return sum(len(m.images) for m in messages)


def price_in(litellm: Any, settings: LlmSettings) -> Price | None:
    """Return the user's price, or else the one in litellm's list."""
    return settings.price or price_per_million(litellm, settings.model or "", settings.api_base)


def cost_of(litellm: Any, settings: LlmSettings, prompt: int | None, completion: int | None) -> float | None:
    """Return the cost in USD; `None` if tokens or price are unknown."""
    if settings.price:
        return None if prompt is None or completion is None else settings.price.of(prompt, completion)
    return price_of(litellm, settings.model or "", prompt, completion, api_base=settings.api_base)
