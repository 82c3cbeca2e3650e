"""The terminal's answers to questions about pictures, read before Textual reads keys.

`textual_image` asks while it is imported, and waits a tenth of a second for each answer. Over a slow line answers come
later, and Textual would read them as keys: a `?` opens the help, a digit changes the pane.
"""

import logging
import os
import select
import sys
from contextlib import suppress
from time import monotonic
from typing import Final, TextIO

_ASK: Final = "\x1b[5n"  # "are you there?", which every terminal answers, and answers come in the order of questions
_ANSWER: Final = b"\x1b[0n"
_CELL: Final = (10, 20)  # pixels of a cell where the terminal does not say: those of a VT340
_PATIENCE: Final = 2.0  # seconds; a terminal that has not answered by then never does


def await_answers() -> None:
    """Let `textual_image` ask, then wait until every answer has come."""
    if os.name != "posix" or not sys.__stdin__ or not sys.__stdout__:
        return
    from textual_image._posix import capture_mode
    from textual_image._terminal import CellSize, get_cell_size

    logging.getLogger("textual_image").addHandler(logging.NullHandler())  # else it prints what was not answered
    with capture_mode():  # no echo of the answers
        import textual_image.renderable  # noqa: F401 - asks

        # a late answer to its first question would be read as that to the next
        _read_all(sys.__stdin__.fileno(), sys.__stdout__)
        with suppress(ValueError):  # it is that of a terminal that answers nothing in time, or something else
            get_cell_size()
        if not hasattr(get_cell_size, "_result"):  # else it would ask again while Textual reads keys
            setattr(get_cell_size, "_result", CellSize(*_CELL))  # noqa: B010 - where it keeps its answer
        _read_all(sys.__stdin__.fileno(), sys.__stdout__)


def _read_all(terminal: int, output: TextIO) -> None:
    """Read what the terminal has answered so far, and wait until it has answered everything."""
    output.write(_ASK)
    output.flush()
    received, ends = b"", monotonic() + _PATIENCE
    while _ANSWER not in received and select.select([terminal], [], [], max(ends - monotonic(), 0))[0]:
        if not (data := os.read(terminal, 4096)):
            return
        received = received[-len(_ANSWER) :] + data
