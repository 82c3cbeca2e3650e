"""The interface to language models: one protocol, three implementations (litellm, a recording, a person)."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from treegen.config.settings import LlmSettings
from treegen.config.trust import Trust, addresses, environment
from treegen.errors import InputError
from treegen.llm.chat.interface import Chat, Message, Reply, ResponseSchema
from treegen.llm.chat.manual import ManualChat
from treegen.llm.chat.recording import RecordingChat
from treegen.llm.chat.replay import ReplayChat
from treegen.llm.chat.response_cache import CachedChat, ResponseCache
from treegen.remote.addresses import is_own_address, without_credentials
from treegen.remote.budget import Budget
from treegen.remote.environment import read_env_file
from treegen.text import quoted

if TYPE_CHECKING:
    from treegen.llm.chat.litellm_chat import OnRequest

__all__ = ["Chat", "ManualChat", "Message", "ReplayChat", "Reply", "ResponseCache", "ResponseSchema", "open_chat"]


def open_chat(
    settings: LlmSettings,
    folder: Path,
    *,
    answers: Sequence[Path] = (),
    messages: Path | None = None,
    responses: ResponseCache | None = None,
    fresh: bool = False,
    record: Path | None = None,
    budget: Budget | None = None,
    on_request: "OnRequest | None" = None,
    requested: set[str] | None = None,
) -> Chat:
    """Open the chat that the settings name.

    Args:
        settings: `model` is a litellm name, `replay/FILE` (FILE relative to `folder`) or `manual`.
        folder: the domain's folder.
        answers: for `manual`: files to read the answers from, one per request.
        messages: for `manual`: where to write the messages; the terminal if not given.
        responses: cache of earlier answers and of the models' response formats; no caching without it.
        fresh: ignore cached answers, and start again with the strictest response format.
        record: where to write the conversation, in the format that `replay/FILE` reads.
        budget: counts usage against its caps; those of the settings if not given.
        on_request: called with the estimate of each reply before it is requested.
        requested: keys of what an earlier part of this run requested: the cache does not answer it again.

    Raises:
        InputError: no model is named, or a recording cannot be read or written.
        TrustError: the domain asks for what its user has not allowed.
    """
    check_trust(settings, folder)
    chat = _open(settings, folder, answers, messages, responses, fresh, budget, on_request, requested)
    return RecordingChat(chat, record) if record else chat


def check_trust(settings: LlmSettings, folder: Path) -> None:
    """Raise unless all that the domain says of the language model may be done.

    Raises:
        TrustError: its user has not allowed another address, or a file elsewhere.
    """
    trust, from_file = Trust(folder), settings.from_file
    model = settings.model or ""
    if model.startswith("replay/"):
        if "model" in from_file:
            trust.require_path(folder / model.removeprefix("replay/"), "[llm] model", f"--model {quoted(model)}")
        return
    if model == "manual":
        return
    if settings.env_file and "env_file" in from_file:
        trust.require(environment(settings.env_file), f"--env-file {quoted(settings.env_file)}")
    base = settings.api_base if "api_base" in from_file else None
    if "model" in from_file or (base and not is_own_address(model, base)):
        for request in addresses(model if "model" in from_file else "", base, "[llm]"):
            trust.require(request, f"--api-base {without_credentials(request.value)}")


def _open(
    settings: LlmSettings,
    folder: Path,
    answers: Sequence[Path],
    messages: Path | None,
    responses: ResponseCache | None,
    fresh: bool,
    budget: Budget | None,
    on_request: "OnRequest | None",
    requested: set[str] | None,
) -> Chat:
    """Open the chat without the recording wrapper."""
    if not settings.model:
        tip = "--model NAME (a litellm name such as openai/gpt-4o-mini, replay/FILE, or manual), or `model` below [llm]"
        raise InputError("no language model is configured", tip)
    if settings.model == "manual":
        return ManualChat(answers=tuple(answers), messages=messages)
    if answers or messages:
        raise InputError("--answer and --messages belong to --model manual", f"the model is {settings.model}")
    if settings.model.startswith("replay/"):
        return ReplayChat(folder / settings.model.removeprefix("replay/"))
    from treegen.llm.chat.litellm_chat import LitellmChat

    if settings.env_file:
        read_env_file(settings.env_file)
    if responses and fresh:
        responses.forget_form(settings.model, without_credentials(settings.api_base))
    chat = LitellmChat(settings, budget=budget, responses=responses, on_request=on_request)
    return CachedChat(chat, settings, responses, fresh=fresh, requested=requested) if responses else chat
