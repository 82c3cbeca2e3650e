"""Find the folders at the top of the checkout or inside the wheel: prompts, schemas, examples."""

from pathlib import Path
from typing import Final

from treegen.errors import InputError
from treegen.text import did_you_mean

_PACKAGE: Final = Path(__file__).resolve().parent


def data_dir(name: str) -> Path:
    """Return the folder `name` of the live checkout (or editable install), else the copy in the wheel.

    The checkout takes precedence: an editable install must not read a stale copy.

    Raises:
        InputError: neither exists; the installation is incomplete.
    """
    checkout = _PACKAGE.parent
    candidates = (checkout / name, _PACKAGE / name) if (checkout / "pyproject.toml").is_file() else (_PACKAGE / name,)
    for folder in candidates:
        if folder.is_dir():
            return folder
    raise InputError(f"treegen's folder {name!r} is missing from this installation", "install treegen again")


def read_schema(name: str) -> str:
    """Return the text of `schemas/NAME.schema.json`.

    Raises:
        InputError: there is no schema with that name; the message lists the existing ones.
    """
    path = data_dir("schemas") / f"{name}.schema.json"
    if not path.is_file():
        names = schema_names()
        raise InputError(f"no schema named {name!r}{did_you_mean(name, names)}", f"one of: {', '.join(names)}")
    return path.read_text(encoding="utf-8")


def schema_names() -> list[str]:
    """Return the names of the documents that have a schema."""
    return sorted(p.name.removesuffix(".schema.json") for p in data_dir("schemas").glob("*.schema.json"))


def sketchbook_dir() -> Path:
    """Return the bundled domain: generator, recorded conversation and tiny CLIP."""
    return data_dir("examples") / "sketchbook"
