"""What a domain.toml says of an encoder and its user has to allow: an address, a file elsewhere, a model's code."""

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from treegen.clip.encoders.base import hub_sources
from treegen.config.settings import EncoderSettings
from treegen.config.trust import Request, Trust, addresses, encoder_path, links_below, refusal
from treegen.errors import ModelError
from treegen.remote.addresses import is_readable_by_others
from treegen.text import quoted, show

_CODE: Final = ("*.py", "config.json", "*_config.json")
_COMMIT: Final = re.compile(r"[0-9a-f]{40}")


def vetted(settings: EncoderSettings, folder: Path) -> EncoderSettings:
    """Return settings that may be loaded, here or by another machine: with the revision of the code that is allowed.

    Args:
        settings: the encoder's. What the user named on the command line needs no consent.
        folder: the domain's.

    Raises:
        TrustError: the domain asks for what its user has not allowed.
    """
    from_file = settings.from_file
    if not from_file:
        return settings
    trust = Trust(folder)
    if "name" in from_file and (path := encoder_path(settings.name, folder)):
        for each in (path, *links_below(path)):
            trust.require_path(each, "[encoder] name", f"--encoder {quoted(settings.name)}")
    base = settings.api_base if "api_base" in from_file else None
    for request in addresses(settings.name, base, "[encoder]"):
        if request.value == base or "name" in from_file:
            trust.require(request)
    if "trust_remote_code" in from_file and settings.trust_remote_code and settings.name.startswith("hf:"):
        settings = _with_revision(settings, trust)
    keyless = settings.keyless or (base is not None and is_readable_by_others(base))
    return replace(settings, keyless=keyless, from_file=frozenset())


def _with_revision(settings: EncoderSettings, trust: Trust) -> EncoderSettings:
    """Pin the revision of a model that brings its own code."""
    allowed = trust.revision(settings.name)
    folder = _local(settings.name, trust.folder)
    if allowed == "":  # the user trusts the folder whatever it asks for
        return settings
    if allowed is None or (folder is not None and allowed != code_digest(folder)):
        what = "its own code has changed since" if allowed else ""
        sentence = f"run the Python code of {show(settings.name)}" + (f" ({what})" if what else "")
        raise refusal(trust.folder, sentence, "--trust-remote-code on the command line")
    return settings if folder else replace(settings, revision=allowed)


def code_requests(data: dict[str, Any], folder: Path) -> Iterator[Request]:
    """Yield the request to run a model's own code, if a domain.toml makes it.

    Args:
        data: the content of domain.toml.
        folder: where it lies.

    Raises:
        ModelError: the revision of a model of the hub cannot be found out.
    """
    table = data.get("encoder")
    if not isinstance(table, dict) or table.get("trust_remote_code") is not True:
        return
    name = table.get("name")
    if isinstance(name, str) and name.startswith("hf:"):
        local = _local(name, folder)
        revision = code_digest(local) if local else _newest(name.removeprefix("hf:"))
        yield Request(kind="code", value=name, content=revision, reason="[encoder] trust_remote_code")


def _local(name: str, folder: Path) -> Path | None:
    path = encoder_path(name, folder)
    return path if path and path.is_dir() else None


def code_digest(folder: Path) -> str:
    """Return the SHA-256 of all code in a model's folder, and of the files that say which code is run."""
    digest = hashlib.sha256()
    for path in sorted({path for pattern in _CODE for path in folder.rglob(pattern) if path.is_file()}):
        content = path.read_bytes()
        digest.update(json.dumps([path.relative_to(folder).as_posix(), len(content)]).encode() + content)
    return digest.hexdigest()


def _newest(repository: str) -> str:
    """Return the commit of a model of the hub that is on this machine, else the newest.

    Raises:
        ModelError: it is not on this machine, and the hub cannot be asked.
    """
    if (sources := hub_sources(repository)) and _COMMIT.fullmatch(sources[1].name):
        return sources[1].name
    from huggingface_hub import HfApi

    try:
        return str(HfApi().model_info(repository, timeout=20).sha)
    except Exception as error:  # the hub client raises its own, and those of two HTTP libraries
        message = f"hf:{repository}: its newest revision cannot be found out: {type(error).__name__}"
        raise ModelError(message, "the hub has to be reached once") from None
