"""What a folder may do on this machine: nothing that harms until its user has agreed once.

Folders are shared, so a domain.toml may be a stranger's. What it asks for that could harm its reader (a key sent to
another address, code that runs, files elsewhere that are read) is a `Request`. The user allows the requests of a
folder with `treegen trust`; the digests are recorded outside of the folder, one file for each. What is named on the
command line is the user's own word and is never a request.
"""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.files import read_text, write_atomically
from treegen.remote.addresses import is_own_address, is_readable_by_others, without_credentials
from treegen.text import quoted, show

Kind = Literal["address", "code", "read", "environment", "model"]
#: folders that are trusted whatever they ask for, divided as in PATH: for servers, where nobody can be asked
VARIABLE: Final = "TREEGEN_TRUST"
#: the keys of [images] that name files or folders
IMAGE_PATHS: Final = ("folder", "manifest", "shards", "hf", "classnames")


class TrustError(InputError):
    """A folder asks for what its user has not allowed: exit code 2."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Something that a folder asks for.

    Attributes:
        kind: `address` sends requests and a key there; `code` runs a model's own; `read` reads a file or folder
            elsewhere; `environment` sets variables from a file; `model` asks for a model that may cost money.
        value: the address, the encoder, the path or the model.
        content: what is agreed to besides: a revision, or the digest of files. Another content is another request.
        reason: the key of domain.toml, or the place, that asks for it.
    """

    kind: Kind
    value: str
    content: str = ""
    reason: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of what is agreed to."""
        return hashlib.sha256(json.dumps([self.kind, self.value, self.content]).encode()).hexdigest()

    @property
    def sentence(self) -> str:
        """What it would do, for people."""
        revision = f" at revision {self.content[:12]}" if self.content else ""
        return {
            "address": f"send requests to {without_credentials(self.value)}, "
            + ("without a key, as it is plain http" if is_readable_by_others(self.value) else "with a provider's key"),
            "code": f"run the Python code of {show(self.value)}{revision}",
            "read": f"read {self.value}",
            "environment": f"set variables of the environment from {self.value}",
            "model": f"ask {show(self.value)}, which may cost money",
        }[self.kind] + (f" ({self.reason})" if self.reason else "")


def state_folder() -> Path:
    """Return the folder of this user's records: XDG_STATE_HOME/treegen, by default ~/.local/state/treegen."""
    base = os.environ.get("XDG_STATE_HOME", "")
    return (Path(base) if os.path.isabs(base) else Path.home() / ".local" / "state") / "treegen"  # noqa: PTH117


def requests_of(data: Mapping[str, Any], folder: Path) -> Iterator[Request]:
    """Yield what a domain.toml asks for. Links in an image set and a model's code take reading: see `workflow.trust`.

    Args:
        data: the file's content, valid or not.
        folder: where it lies.
    """
    for path, reason in _paths_of(data, folder):
        if not is_inside(folder, path):
            yield reading(path, reason)
    llm, encoder, second = _table(data, "llm"), _table(data, "encoder"), _table(data, "second")
    if isinstance(file := llm.get("env_file"), str):
        yield environment(folder / file)
    models = ("[llm]", llm, "model"), ("[second]", second, "model"), ("[encoder]", encoder, "name")
    for label, table, key in models:
        name, base = table.get(key), table.get("api_base")
        yield from addresses(name if isinstance(name, str) else "", base if isinstance(base, str) else None, label)
    if isinstance(name := second.get("model"), str) and not name.startswith("replay/"):
        yield asking(name)


def asking(model: str) -> Request:
    """Return the request to ask a model without being told to on the command line."""
    return Request(kind="model", value=model, reason="[second] model")


def _table(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _paths_of(data: Mapping[str, Any], folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield every path that a domain.toml names, with the key."""
    images = _table(data, "images")
    for key in IMAGE_PATHS:
        if isinstance(value := images.get(key), str):
            # a table names pictures in its own folder, and a pattern whatever is below its first part without signs
            whole = key == "shards" or (key == "manifest" and "folder" not in images)
            settings = replace(ImageSettings(), **{key: folder / value})  # type: ignore[arg-type]
            yield settings.root if whole else folder / value, f"[images] {key}"
    named = [("classes_file", data.get("classes_file"))]
    for table in ("llm", "second"):
        model = _table(data, table).get("model")
        if isinstance(model, str) and model.startswith("replay/"):
            named.append((f"[{table}] model", model.removeprefix("replay/")))
    for reason, value in named:
        if isinstance(value, str):
            yield folder / value, reason
    name = _table(data, "encoder").get("name")
    if isinstance(name, str) and (path := encoder_path(name, folder)):
        yield path, "[encoder] name"
        yield from ((link, "[encoder] name: a link in it") for link in links_below(path))


def links_below(folder: Path) -> Iterator[Path]:
    """Yield the links in a folder and the folders below it; those that lead to folders are not followed."""
    for place, folders, files in os.walk(folder):
        for name in (*folders, *files):
            if os.path.islink(path := os.path.join(place, name)):  # noqa: PTH114, PTH118 - of a folder with many files
                yield Path(path)


def encoder_path(name: str, folder: Path) -> Path | None:
    """Return the folder or file of this machine that an encoder's name leads to; `None` if it names none."""
    kind, colon, place = name.partition(":")
    if not colon or kind == "hf-hub":
        return None
    if kind == "local-dir":
        return folder / place
    path = folder / place if kind == "hf" else Path(place)
    return path if os.path.exists(path) else None  # noqa: PTH110 - Path.exists raises for some names


def addresses(model: str, api_base: str | None, reason: str) -> Iterator[Request]:
    """Yield the requests to use other addresses than the provider's own."""
    if api_base and not is_own_address(model, api_base):
        yield Request(kind="address", value=api_base, reason=f"{reason} api_base")
    if "://" in model:  # some providers take an address for a model
        yield Request(kind="address", value=model.partition("/")[2], reason=f"{reason} model")


def reading(path: Path, reason: str) -> Request:
    """Return the request to read a file or below a folder."""
    return Request(kind="read", value=str(_resolved(path) or path), reason=reason)


def environment(path: Path) -> Request:
    """Return the request to set variables: they could lead every other request elsewhere."""
    try:
        content = hashlib.sha256(read_text(path).encode()).hexdigest()
    except InputError:
        content = ""
    return Request(kind="environment", value=str(_resolved(path) or path), content=content, reason="[llm] env_file")


def is_inside(folder: Path, path: Path) -> bool:
    """Whether a path, with all links followed, is below a folder."""
    target, root = _resolved(path), _resolved(folder)
    return target is not None and root is not None and target.is_relative_to(root)


def _resolved(path: Path) -> Path | None:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):  # a loop of links, a zero byte
        return None


def require_own(path: Path) -> None:
    """Raise if a file of a folder is a link out of it: it would be read, and written, elsewhere.

    Raises:
        TrustError: it is, and the user has not allowed it.
    """
    if os.path.islink(path) and os.path.exists(path):  # noqa: PTH110, PTH114 - those of Path raise for some names
        Trust(path.parent).require_path(path, f"{path.name} is a link")


class Trust:
    """What the user has allowed a folder, as it was when this was made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self._everything = any(
            self.folder.is_relative_to(Path(root).resolve())
            for root in os.environ.get(VARIABLE, "").split(os.pathsep)
            if root
        )
        self._allowed = recorded(folder)

    def allows(self, request: Request) -> bool:
        """Whether a request was allowed; what is read may also lie below what was allowed."""
        if self._everything or request.digest in self._allowed:
            return True
        if request.kind != "read":
            return False
        path = Path(request.value)
        return any(path.is_relative_to(each.value) for each in self._allowed.values() if each.kind == "read")

    def allows_path(self, path: Path) -> bool:
        """Whether a path may be read: in the folder, or where it was allowed."""
        return is_inside(self.folder, path) or self.allows(reading(path, ""))

    def revision(self, encoder: str) -> str | None:
        """Return the revision of an encoder's code that was allowed; `None` if none was, empty if any is."""
        if self._everything:
            return ""
        found = (each.content for each in self._allowed.values() if each.kind == "code" and each.value == encoder)
        return next(found, None)

    def require(self, request: Request, otherwise: str = "") -> None:
        """Raise unless a request was allowed.

        Args:
            request: what is about to be done.
            otherwise: how to say the same on the command line.

        Raises:
            TrustError: it was not; the tip says how to allow it.
        """
        if not self.allows(request):
            raise refusal(self.folder, request.sentence, otherwise)

    def require_path(self, path: Path, reason: str, otherwise: str = "") -> None:
        """Raise unless a path may be read.

        Raises:
            TrustError: it is outside of the folder.
        """
        if not is_inside(self.folder, path):
            self.require(reading(path, reason), otherwise)


def refusal(folder: Path, sentence: str, otherwise: str = "") -> TrustError:
    """Return the error for something that was not allowed."""
    tip = f"`treegen trust {quoted(folder)}` shows what the folder asks for, and allows it"
    return TrustError(
        f"{folder}: not trusted to {sentence}", f"{tip}; or {otherwise}" if otherwise else tip, code="trust"
    )


def recorded(folder: Path) -> dict[str, Request]:
    """Return what was allowed to a folder on this machine, by digest; nothing if the record cannot be read.

    Addresses are without credentials: only their digests say which were meant.
    """
    try:
        data = json.loads(read_text(_record_of(folder)))
        return {item["sha256"]: Request(**item["request"]) for item in data["allowed"]}
    except (InputError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def record(folder: Path, requests: Iterable[Request]) -> None:
    """Allow a folder exactly these requests.

    Raises:
        InputError: the record cannot be written.
    """
    path = _record_of(folder)
    items = [
        {
            "sha256": each.digest,
            "request": {
                "kind": each.kind,
                "value": without_credentials(each.value) if each.kind == "address" else each.value,
                "content": each.content,
                "reason": each.reason,
            },
        }
        for each in requests
    ]
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be made: {error.strerror or error}", "set XDG_STATE_HOME") from None
    write_atomically(path, json.dumps({"folder": _name(folder), "allowed": items}, indent=2) + "\n")


def forget(folder: Path) -> None:
    """Allow a folder nothing any more."""
    _record_of(folder).unlink(missing_ok=True)


def _name(folder: Path) -> str:
    return os.fsencode(folder.resolve()).decode(errors="backslashreplace")


def _record_of(folder: Path) -> Path:
    return state_folder() / "trust" / f"{hashlib.sha256(_name(folder).encode()).hexdigest()}.json"
