"""Keys from a file of NAME=VALUE lines, only if the user names the file; nothing is searched for."""

import os
from io import StringIO
from pathlib import Path
from typing import Final

from treegen.errors import InputError
from treegen.files import read_text

_MOST_BYTES: Final = 2**20


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
        values = dotenv_values(stream=StringIO(read_text(path, most=_MOST_BYTES)), interpolate=False)
    except InputError as error:
        raise InputError(error.message, "name a file of NAME=VALUE lines with --env-file") from None
    loaded = {name: value for name, value in values.items() if value is not None and name not in os.environ}
    os.environ.update(loaded)
    return tuple(loaded)
