"""The seam to language models: one protocol, three ways to answer (litellm, a recording, a person)."""

from collections.abc import Sequence
from pathlib import Path

from treegen.domain import LlmSettings
from treegen.errors import InputError
from treegen.llm.chat.interface import Chat, Message, Reply, Wire
from treegen.llm.chat.manual import ManualChat
from treegen.llm.chat.replay import ReplayChat

__all__ = ["Chat", "ManualChat", "Message", "ReplayChat", "Reply", "Wire", "open_chat"]


def open_chat(
    settings: LlmSettings, folder: Path, *, answers: Sequence[Path] = (), messages: Path | None = None
) -> Chat:
    """The chat that the settings name.

    Args:
        settings: `model` is a litellm name, `replay/FILE` (FILE relative to `folder`) or `manual`.
        folder: the domain's folder.
        answers: for `manual`: files to read the answers from, one for each request.
        messages: for `manual`: where to write the messages; the terminal if not given.

    Raises:
        InputError: no model is named, or the recording cannot be read.
    """
    if not settings.model:
        tip = "--model NAME (a litellm name such as openai/gpt-4o-mini, replay/FILE, or manual), or `model` below [llm]"
        raise InputError("no language model is named", tip)
    if settings.model == "manual":
        return ManualChat(answers=tuple(answers), messages=messages)
    if answers or messages:
        raise InputError("--answer and --messages belong to --model manual", f"the model is {settings.model}")
    if settings.model.startswith("replay/"):
        return ReplayChat(folder / settings.model.removeprefix("replay/"))
    from treegen.llm.chat.provider import LitellmChat

    return LitellmChat(settings)
