"""What a reviewer prefers on every tree: theme and layout, in `review.toml` of the user's configuration folder."""

import json
import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Final, Literal, get_args

from platformdirs import user_config_path

from treegen.errors import InputError
from treegen.files import read_text, write_atomically

FILE_NAME: Final = "review.toml"
#: where the details of what the cursor is on are shown; `auto` is by the size of the terminal
Layout = Literal["auto", "right", "below", "hidden"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The preferences of a reviewer.

    Attributes:
        theme: name of a theme.
        details: where the details are shown.
    """

    theme: str = "textual-dark"
    details: Layout = "auto"


def preferences_path() -> Path:
    """Return where the preferences are kept; `XDG_CONFIG_HOME` is honoured."""
    return user_config_path("treegen", appauthor=False) / FILE_NAME


def load_preferences() -> tuple[Preferences, str]:
    """Return the preferences, and what is wrong with their file; what is wrong in it has its default."""
    path = preferences_path()
    try:
        data = tomllib.loads(read_text(path)) if path.exists() else {}
    except (InputError, tomllib.TOMLDecodeError) as error:
        return Preferences(), f"{path}: {error.message if isinstance(error, InputError) else error}"
    allowed = {"theme": lambda value: isinstance(value, str), "details": lambda value: value in get_args(Layout)}
    good = {key: value for key, value in data.items() if key in allowed and allowed[key](value)}
    wrong = ", ".join(key for key in data if key not in good)
    known = ", ".join(f"{field.name} ({field.default})" for field in fields(Preferences))
    return Preferences(**good), f"{path}: {wrong}: not used; there are {known}" if wrong else ""


def save_preferences(preferences: Preferences) -> None:
    """Write the preferences.

    Raises:
        InputError: the file cannot be written.
    """
    path, values = preferences_path(), dict[str, Any](asdict(preferences))
    lines = [f"{key} = {json.dumps(value)}\n" for key, value in values.items()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: {error.strerror or error}", "theme and layout are not kept") from None
    write_atomically(path, f"# written by `treegen review`\n{''.join(lines)}")
