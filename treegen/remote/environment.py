"""Keys from a file of NAME=VALUE lines, only if the user names the file; nothing is searched for."""

import os
from pathlib import Path

from treegen.errors import InputError


def read_env_file(path: Path) -> tuple[str, ...]:
    """Load the file's values into this process's environment; existing values stay.

    Args:
        path: lines of NAME=VALUE, with or without `export` and quotes; `#` starts a comment. Nothing is expanded.

    Returns:
        The names that were set by this call.

    Raises:
        InputError: the file cannot be read.
    """
    from dotenv import dotenv_values

    try:
        with path.open(encoding="utf-8") as file:
            values = dotenv_values(stream=file, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        why = getattr(error, "strerror", None) or "not UTF-8"
        raise InputError(f"{path}: {why}", "name a file of NAME=VALUE lines with --env-file") from None
    loaded = {name: value for name, value in values.items() if value is not None and name not in os.environ}
    os.environ.update(loaded)
    return tuple(loaded)
