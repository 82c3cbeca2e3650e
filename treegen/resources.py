"""Finds the folders that live at the top of the checkout and inside the wheel: prompts, schemas, examples."""

from pathlib import Path
from typing import Final

from treegen.errors import InputError

_PACKAGE: Final = Path(__file__).resolve().parent


def data_dir(name: str) -> Path:
    """The folder `name` of the live checkout (also of an editable install), else the copy in the wheel.

    The checkout comes first: an editable install must not read a stale copy.

    Raises:
        InputError: neither is there; the installation is incomplete.
    """
    checkout = _PACKAGE.parent
    candidates = (checkout / name, _PACKAGE / name) if (checkout / "pyproject.toml").is_file() else (_PACKAGE / name,)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise InputError(f"treegen's folder {name!r} is missing from this installation", "install treegen again")


def read_schema(name: str) -> str:
    """The text of `schemas/NAME.schema.json`.

    Raises:
        InputError: there is no schema of that name; the message lists those there are.
    """
    path = data_dir("schemas") / f"{name}.schema.json"
    if not path.is_file():
        raise InputError(f"no schema named {name!r}", f"one of: {', '.join(schema_names())}")
    return path.read_text(encoding="utf-8")


def schema_names() -> list[str]:
    """Names of the documents that have a schema."""
    return sorted(p.name.removesuffix(".schema.json") for p in data_dir("schemas").glob("*.schema.json"))


def sketchbook_dir() -> Path:
    """The bundled domain: generator, recorded conversation and tiny CLIP."""
    return data_dir("examples") / "sketchbook"
