"""Memoised values, which stay valid while a revision does not change their inputs."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class LruMemo:
    """Keeps values used in this round and the previous one; drops the rest.

    A value must depend only on its key and on constants of the caller, such as images and encoder: then a score is the
    same with and without the memo.
    """

    def __init__(self) -> None:
        self._now: dict[Hashable, Any] = {}
        self._before: dict[Hashable, Any] = {}

    def turn(self) -> None:
        """Start a new round."""
        self._before, self._now = self._now, {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return the value of the key; call `make` if it is not stored."""
        if key not in self._now:
            self._now[key] = self._before[key] if key in self._before else make()
        value: T = self._now[key]
        return value
