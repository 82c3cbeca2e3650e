"""Keys, the chosen model, and servers on this machine."""

import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

from treegen.config.settings import LlmSettings
from treegen.doctor.findings import Finding
from treegen.errors import TreegenError
from treegen.extras import MissingExtraError
from treegen.remote.addresses import without_credentials
from treegen.remote.litellm import NoKeyError, key_for, load_litellm
from treegen.text import first_of

_PATIENCE: Final = 2.0  # seconds for a server to answer
_MOST: Final = 2**20  # most bytes of a list of models
_SHOWN: Final = 8  # models of a server that are shown
_OLLAMA: Final = "http://127.0.0.1:11434"
_MANUAL: Final = "or --model manual, for a chat window"
_finding = partial(Finding, topic="language")


def keys() -> Iterator[Finding]:
    """Yield which providers have a key, by variable name."""
    names = sorted(name for name in os.environ if name.endswith("_API_KEY"))
    blank = [name for name in names if not os.environ[name].strip()]
    named = [name for name in names if name not in blank]
    if named:
        yield _finding(name="keys", state="ok", message=", ".join(named))
    else:
        tip = f"set one, such as OPENAI_API_KEY; or use --api-base for your own server; {_MANUAL}"
        yield _finding(name="keys", state="off", message="no provider key is set", tip=tip)
    if blank:
        message = f"set but blank: {', '.join(blank)}"
        yield _finding(name="blank keys", state="off", message=message, tip="fill or unset them")


def model(settings: LlmSettings, folder: Path) -> Finding:
    """Check that the chosen model has what it needs on this side. Nothing is sent."""
    name = settings.model
    if not name:
        tip = f"`model` below [llm], --model NAME or TREEGEN_MODEL; {_MANUAL}"
        return _finding(name="model", state="missing", message="no language model is configured", tip=tip)
    if name == "manual":
        return _finding(name=name, state="ok", message="you copy the messages to a chat window")
    if name.startswith("replay/"):
        return _recording(folder / name.removeprefix("replay/"), name)
    try:
        litellm = load_litellm()
    except MissingExtraError as error:
        return _finding(name=name, state="missing", message=error.message, tip=error.tip)
    try:
        litellm.get_llm_provider(name, api_base=settings.api_base)
    except Exception:  # litellm raises BadRequestError, and others for names with special characters
        message = "litellm has no such provider"
        tip = "write PROVIDER/MODEL, such as openai/gpt-4o-mini; for your own server openai/NAME with --api-base"
        return _finding(name=name, state="missing", message=message, tip=tip)
    try:
        parameters = key_for(litellm, name, settings.api_base)
    except NoKeyError as error:
        return _finding(name=name, state="missing", message=error.reason, tip=error.tip)
    message = "no key is set, and your own server may need none" if parameters else "its key is set, or it needs none"
    return _finding(name=name, state="ok", message=message)


def _recording(path: Path, name: str) -> Finding:
    from treegen.llm.chat.replay import ReplayChat

    try:
        ReplayChat(path)
    except TreegenError as error:
        return _finding(name=name, state="missing", message=error.message, tip=error.tip)
    return _finding(name=name, state="ok", message=f"a recorded conversation: {path}")


def server(address: str, model_name: str | None = None) -> Finding:
    """Check whether an OpenAI-compatible server answers, and which models it lists.

    Args:
        address: as for --api-base.
        model_name: the model that it must have, with its provider prefix.
    """
    shown = without_credentials(address)
    status, data = _get(f"{address.rstrip('/')}/models")
    if status is None:
        tip = "start it, or fix --api-base; the address usually ends in /v1"
        return _finding(name=shown, state="missing", message=str(data), tip=tip)
    names = _names(data, "data", "id")
    if not names:
        message = "it answers, and requires a key" if status in (401, 403) else "it answers, but lists no models"
        return _finding(name=shown, state="ok", message=message)
    bare = (model_name or "").partition("/")[2]
    if bare and bare not in names:
        message = f"it answers, but lists no model {bare}; {_list(names)}"
        return _finding(name=shown, state="missing", message=message, tip="use one of these as openai/NAME")
    return _finding(name=shown, state="ok", message=f"it answers; {_list(names)}")


def ollama(*, wanted: bool = False) -> Finding:
    """Check whether Ollama runs on this machine, or at OLLAMA_API_BASE."""
    address, status, data = _ask_ollama()
    if status != 200:
        tip = "`ollama serve` starts it, and `ollama pull NAME` fetches a model; then --model ollama_chat/NAME"
        return _finding(
            name="Ollama",
            state="missing" if wanted else "off",
            message=f"does not answer at {without_credentials(address)}",
            tip=tip,
        )
    names = _names(data, "models", "name")
    message = f"answers; {_list(names)}" if names else "answers, but has no models yet"
    tip = "" if names else "`ollama pull NAME` fetches one"
    return _finding(name="Ollama", state="ok", message=message, tip=tip)


def ollama_models() -> list[str]:
    """Return the models that Ollama has; none if it does not run."""
    _, status, data = _ask_ollama()
    return _names(data, "models", "name") if status == 200 else []


def _ask_ollama() -> tuple[str, int | None, Any]:
    """Return Ollama's address, and the status and data of its answer."""
    address = os.environ.get("OLLAMA_API_BASE") or _OLLAMA
    return address, *_get(f"{address.rstrip('/')}/api/tags")


def _names(data: Any, key: str, name: str) -> list[str]:
    """Return the model names in an untrusted list."""
    listed = data.get(key) if isinstance(data, dict) else None
    rows = listed if isinstance(listed, list) else []
    return [str(row[name]) for row in rows if isinstance(row, dict) and name in row]


def _list(names: list[str]) -> str:
    return f"models: {first_of(names, _SHOWN)}"


def _get(address: str) -> tuple[int | None, Any]:
    """Return status and data of an answer, or `None` and the reason there is none. No key is sent."""
    if urlsplit(address).scheme not in ("http", "https"):
        return None, "is not an HTTP address"
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
