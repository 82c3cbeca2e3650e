"""How long steps tell how far they are, whoever shows it."""

from collections.abc import Callable

#: what is being done, how many steps are done, of how many
Progress = Callable[[str, int, int], None]


def no_progress(task: str, done: int, total: int) -> None:
    """Shows nothing."""
