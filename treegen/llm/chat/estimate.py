"""What a request will cost, before it is sent."""

from collections.abc import Sequence
from dataclasses import dataclass

from treegen.domain import LlmSettings
from treegen.llm.chat.interface import Message
from treegen.remote.litellm import load_litellm, price_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """About what one request takes. What is not known is `None`, never 0.

    Attributes:
        prompt_tokens: of the messages; `None` where no language model is asked.
        completion_tokens: of an answer like the one that is expected.
        cost: in USD, for both; `None` if the price is not known.
    """

    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    cost: float | None = None

    @property
    def words(self) -> str:
        """In a line."""
        if self.prompt_tokens is None:
            return "tokens and cost unknown"
        answer = f" + about {self.completion_tokens}" if self.completion_tokens is not None else ""
        return f"about {self.prompt_tokens}{answer} tokens, " + (
            f"${self.cost:.4f}" if self.cost is not None else "cost unknown"
        )


def estimate(settings: LlmSettings, messages: Sequence[Message], answer: str = "") -> Estimate:
    """Counts tokens and looks up the price. Nothing is sent; the first call takes seconds (litellm is imported).

    Args:
        settings: names the model.
        messages: the request.
        answer: a text of about the length that the answer will have; the tree itself for a revision.
    """
    model = settings.model or ""
    if not model or model == "manual" or model.startswith("replay/"):
        return Estimate()
    litellm = load_litellm()
    prompt = int(litellm.token_counter(model=model, messages=[m.as_dict() for m in messages]))
    completion = int(litellm.token_counter(model=model, text=answer)) if answer else None
    return Estimate(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cost=price_of(litellm, model, prompt, completion, api_base=settings.api_base),
    )
