"""The interface for progress reports of long steps."""

from collections.abc import Callable

#: task, steps done, total steps
Progress = Callable[[str, int, int], None]


class Cancelled(Exception):  # noqa: N818 - not an error: it was requested
    """A long step should end early. Progress listeners may raise this; what is done so far is kept."""


def no_progress(task: str, done: int, total: int) -> None:
    """Ignore the progress."""
