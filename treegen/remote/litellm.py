"""litellm without access to the network or files on import; the keys it needs and the prices it knows."""

import logging
import os
import sys
import time
from dataclasses import dataclass
from typing import Any

from treegen.errors import ModelError
from treegen.extras import require
from treegen.remote.bodies import install

logger = logging.getLogger(__name__)


class NoKeyError(ModelError):
    """There is no key for a provider.

    Attributes:
        reason: what is missing, without the name of the model.
        remedy: which variables of the environment to set.
    """

    def __init__(self, model: str, reason: str, variables: str) -> None:
        self.reason, self.remedy = reason, f"set {variables} in the environment"
        tip = f"{self.remedy}, or use --api-base for a server of your own, or --model manual"
        super().__init__(f"{model}: {reason}", tip, code="no-key")


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    """USD per million tokens, as providers publish it."""

    per_million_in: float
    per_million_out: float

    def of(self, prompt: int, completion: int) -> float:
        """Return the cost in USD of these tokens."""
        return (prompt * self.per_million_in + completion * self.per_million_out) / 1e6


def load_litellm() -> Any:
    """Return litellm, imported on first use (3 to 6 s) and prevented from using the network or reading a .env file.

    Raises:
        MissingExtraError: it is not installed.
    """
    require("llm")
    os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")
    os.environ.setdefault("LITELLM_MODE", "PRODUCTION")
    began, is_new = time.monotonic(), "litellm" not in sys.modules
    import litellm

    if is_new:
        logger.info("litellm imported in %.1f s", time.monotonic() - began)
    litellm.suppress_debug_info = True
    litellm.disable_hf_tokenizer_download = True  # else counting llama tokens contacts huggingface.co (23 s)
    install(litellm)
    return litellm


def key_for(litellm: Any, model: str, api_base: str | None = None, *, withheld: bool = False) -> dict[str, str]:
    """Return what to pass on as the key: nothing where litellm finds the provider's own in the environment.

    Args:
        litellm: from `load_litellm`.
        model: a litellm name.
        api_base: the address of a server of one's own, which may need no key.
        withheld: send no key, though there may be one.

    Raises:
        NoKeyError: there is no key for the provider, or it is blank.
    """
    if withheld:
        return {"api_key": "none"}
    unset = litellm.validate_environment(model).get("missing_keys") or []
    missing = [name for name in unset if "_API_KEY" in name]  # an address or a region has defaults or other sources
    default = model.partition("/")[0].upper() + "_API_KEY"
    if not missing and not os.environ.get(default, "set").strip():
        missing = [default]  # set, but blank
    if missing and api_base:
        return {"api_key": "none"}  # the user's own server: the client requires some key
    if missing:
        names = " or ".join(missing)
        blank = any(os.environ.get(name) is not None for name in missing)
        raise NoKeyError(model, f"no key in {names}" + (", which is set but blank" if blank else ""), names)
    return {}


def price_per_million(litellm: Any, model: str, api_base: str | None = None) -> Price | None:
    """Return a model's price in litellm's list; `None` if unknown, or if the server is the user's own."""
    provider, _, model_name = model.partition("/")
    prices = litellm.model_cost.get(model) or litellm.model_cost.get(model_name) or {}
    foreign = model not in litellm.model_cost and prices.get("litellm_provider") != provider
    into, out = prices.get("input_cost_per_token"), prices.get("output_cost_per_token")
    if api_base or foreign or into is None or out is None:
        return None
    return Price(per_million_in=1e6 * float(into), per_million_out=1e6 * float(out))


def price_of(
    litellm: Any, model: str, prompt: int | None, completion: int | None, *, api_base: str | None = None
) -> float | None:
    """Return the cost in USD; `None` if the tokens or the price of the model are unknown.

    Args:
        litellm: from `load_litellm`.
        model: a litellm name.
        prompt: tokens read.
        completion: tokens written; 0 for an embedding.
        api_base: the user's own server has its own prices, whatever its models are called.
    """
    if prompt is None or completion is None or price_per_million(litellm, model, api_base) is None:
        return None
    return float(sum(litellm.cost_per_token(model=model, prompt_tokens=prompt, completion_tokens=completion)))
