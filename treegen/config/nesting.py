"""A limit on the depth of TOML, whose parser takes time and memory by the square of it."""

import re
from pathlib import Path
from typing import Final

from treegen.errors import InputError

MOST_DEPTH: Final = 32
#: a string, a comment, the end of a line, or a sign that nests or ends a key
_TOKEN: Final = re.compile(
    r'''"""(?:[^"\\]|\\.|"(?!""))*+"""|\'{3}(?:[^']|'(?!''))*+\'{3}'''
    r"""|"(?:[^"\\\n]|\\.)*+"|\'[^\'\n]*+\'|\#[^\n]*+|[\[\]{}.=,\n]""",
    re.DOTALL,
)


def refuse_depth(path: Path, text: str) -> None:
    """Raise if tables, lists or dotted keys are nested too deep. What is not TOML is left to the parser.

    Raises:
        InputError: with the line.
    """
    depth = parts = 0
    for token in _TOKEN.finditer(text):
        sign = token[0]
        if sign in ("[", "{"):
            depth, parts = depth + 1, 0
        elif sign in ("]", "}"):
            depth, parts = max(0, depth - 1), 0
        elif sign == ".":
            parts += 1
        elif sign in ("=", ",", "\n"):
            parts = 0
        if depth > MOST_DEPTH or parts > MOST_DEPTH:
            line = text.count("\n", 0, token.start()) + 1
            message = f"{path}: line {line}: nested deeper than {MOST_DEPTH} levels"
            raise InputError(message, "`treegen schema domain` shows every key")
