"""Keys, the chosen model, and servers on this machine."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from treegen.config.settings import LlmSettings
from treegen.doctor.findings import Finding
from treegen.errors import TreegenError
from treegen.extras import MissingExtraError
from treegen.remote.litellm import NoKeyError, key_for, load_litellm, without_credentials

_PATIENCE: Final = 2.0  # seconds for a server to answer
_MOST: Final = 2**20  # most bytes of a list of models
_SHOWN: Final = 8  # models of a server that are shown
_OLLAMA: Final = "http://127.0.0.1:11434"
_MANUAL: Final = "or --model manual, for a chat window"


def keys() -> Iterator[Finding]:
    """Yield which providers have a key, by variable name."""
    names = sorted(name for name in os.environ if name.endswith("_API_KEY"))
    blank = [name for name in names if not os.environ[name].strip()]
    there = [name for name in names if name not in blank]
    if there:
        yield Finding(topic="language", name="keys", state="ok", told=", ".join(there))
    else:
        tip = f"set one, such as OPENAI_API_KEY; or use --api-base for a server of your own; {_MANUAL}"
        yield Finding(topic="language", name="keys", state="off", told="no key of a provider is set", tip=tip)
    if blank:
        told = f"set but blank: {', '.join(blank)}"
        yield Finding(topic="language", name="blank keys", state="off", told=told, tip="fill or unset them")


def model(settings: LlmSettings, folder: Path) -> Finding:
    """Check that the chosen model has what it needs on this side. Nothing is sent."""
    name = settings.model
    if not name:
        tip = f"`model` below [llm], --model NAME or TREEGEN_MODEL; {_MANUAL}"
        return Finding(topic="language", name="model", state="missing", told="no language model is named", tip=tip)
    if name == "manual":
        return Finding(topic="language", name=name, state="ok", told="you carry the messages to a chat window")
    if name.startswith("replay/"):
        return _recording(folder / name.removeprefix("replay/"), name)
    try:
        litellm = load_litellm()
    except MissingExtraError as error:
        return Finding(topic="language", name=name, state="missing", told=error.message, tip=error.tip)
    try:
        litellm.get_llm_provider(name, api_base=settings.api_base)
    except Exception:  # litellm raises BadRequestError, and others for names with special characters
        told = "litellm knows no such provider"
        tip = "write PROVIDER/MODEL, such as openai/gpt-4o-mini; for a server of your own openai/NAME with --api-base"
        return Finding(topic="language", name=name, state="missing", told=told, tip=tip)
    try:
        given = key_for(litellm, name, settings.api_base)
    except NoKeyError as error:
        return Finding(topic="language", name=name, state="missing", told=error.reason, tip=error.tip)
    told = "no key is set, and a server of your own may need none" if given else "its key is set, or it needs none"
    return Finding(topic="language", name=name, state="ok", told=told)


def _recording(path: Path, name: str) -> Finding:
    from treegen.llm.chat.replay import ReplayChat

    try:
        ReplayChat(path)
    except TreegenError as error:
        return Finding(topic="language", name=name, state="missing", told=error.message, tip=error.tip)
    return Finding(topic="language", name=name, state="ok", told=f"a recorded conversation: {path}")


def server(address: str, wanted: str | None = None) -> Finding:
    """Check whether an OpenAI-compatible server answers, and which models it lists.

    Args:
        address: as for --api-base.
        wanted: the model that it must have, with its provider prefix.
    """
    shown = without_credentials(address)
    status, data = _get(f"{address.rstrip('/')}/models")
    if status is None:
        tip = "start it, or mend --api-base; an address ends in /v1 as a rule"
        return Finding(topic="language", name=shown, state="missing", told=str(data), tip=tip)
    names = _names(data, "data", "id")
    if not names:
        told = "it answers, and wants a key" if status in (401, 403) else "it answers, and lists no models"
        return Finding(topic="language", name=shown, state="ok", told=told)
    bare = (wanted or "").partition("/")[2]
    if bare and bare not in names:
        told = f"it answers, but lists no model {bare}; {_list(names)}"
        return Finding(topic="language", name=shown, state="missing", told=told, tip="name one of these as openai/NAME")
    return Finding(topic="language", name=shown, state="ok", told=f"it answers; {_list(names)}")


def ollama(*, wanted: bool = False) -> Finding:
    """Check whether Ollama runs on this machine, or at OLLAMA_API_BASE."""
    address = os.environ.get("OLLAMA_API_BASE") or _OLLAMA
    status, data = _get(f"{address.rstrip('/')}/api/tags")
    if status != 200:
        tip = "`ollama serve` starts it, and `ollama pull NAME` fetches a model; then --model ollama_chat/NAME"
        return Finding(
            topic="language",
            name="Ollama",
            state="missing" if wanted else "off",
            told=f"does not answer at {without_credentials(address)}",
            tip=tip,
        )
    names = _names(data, "models", "name")
    told = f"answers; {_list(names)}" if names else "answers, and has no models yet"
    tip = "" if names else "`ollama pull NAME` fetches one"
    return Finding(topic="language", name="Ollama", state="ok", told=told, tip=tip)


def _names(data: Any, key: str, name: str) -> list[str]:
    """Return the model names in an untrusted list."""
    listed = data.get(key) if isinstance(data, dict) else None
    rows = listed if isinstance(listed, list) else []
    return [str(row[name]) for row in rows if isinstance(row, dict) and name in row]


def _list(names: list[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return f"models: {', '.join(names[:_SHOWN])}{more}"


def _get(address: str) -> tuple[int | None, Any]:
    """Return status and data of an answer, or `None` and the reason there is none. No key is sent."""
    if urlsplit(address).scheme not in ("http", "https"):
        return None, "is no address"
    local = urlsplit(address).hostname in ("127.0.0.1", "localhost", "::1")
    opener = build_opener(ProxyHandler({})) if local else build_opener()
    try:
        with opener.open(Request(without_credentials(address)), timeout=_PATIENCE) as answer:
            return answer.status, json.loads(answer.read(_MOST))
    except HTTPError as error:
        return error.code, None
    except URLError as error:
        return None, f"does not answer: {getattr(error.reason, 'strerror', None) or error.reason}"
    except ValueError:  # a reply that is not JSON
        return 200, None
    except OSError as error:  # time-outs while reading, broken connections
        return None, f"does not answer: {error}"
    except Exception as error:  # http.client's own errors, for replies that are not HTTP
        return None, f"does not speak HTTP: {type(error).__name__}"
