"""How long steps tell how far they are, whoever shows it."""

from collections.abc import Callable

#: what is being done, how many steps are done, of how many
Progress = Callable[[str, int, int], None]


class Cancelled(Exception):  # noqa: N818 - no error: somebody asked for it
    """A long step is to end early. Whoever is told of its progress may raise this; what is done by then is kept."""


def no_progress(task: str, done: int, total: int) -> None:
    """Shows nothing."""
