"""What a command's options override in domain.toml."""

from dataclasses import replace
from typing import Any

from treegen.config.domain import Domain
from treegen.config.settings import EncoderSettings, LlmSettings


def settings_with(
    domain: Domain | None,
    *,
    encoder: str | None = None,
    device: str | None = None,
    precision: str | None = None,
    trust_remote_code: bool | None = None,
) -> EncoderSettings:
    """Override the domain's encoder settings, or the defaults, with the command line's."""
    options = {"name": encoder, "device": device, "precision": precision, "trust_remote_code": trust_remote_code}
    overrides: dict[str, Any] = {key: value for key, value in options.items() if value is not None}
    return replace(domain.encoder if domain else EncoderSettings(), **overrides)


def llm_settings_with(domain: Domain, *, model: str | None, api_base: str | None) -> LlmSettings:
    """Override the domain's language model settings with the command line's."""
    return replace(domain.llm, model=model or domain.llm.model, api_base=api_base or domain.llm.api_base)
