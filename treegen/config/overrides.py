"""What a command's options override in domain.toml."""

from dataclasses import replace
from pathlib import Path
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
    own = domain.encoder if domain else EncoderSettings()
    if encoder and encoder != own.name:  # the domain's consent is for its own model
        own = replace(own, trust_remote_code=False)
    return replace(own, **overrides, from_file=own.from_file - overrides.keys())


def llm_settings_with(
    domain: Domain, *, model: str | None, api_base: str | None, env_file: Path | None = None
) -> LlmSettings:
    """Override the domain's language model settings with the command line's."""
    options = {"model": model, "api_base": api_base, "env_file": env_file}
    overrides: dict[str, Any] = {key: value for key, value in options.items() if value}
    return replace(domain.llm, **overrides, from_file=domain.llm.from_file - overrides.keys())
