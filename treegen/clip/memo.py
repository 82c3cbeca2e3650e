"""Values that need not be computed again while a revision leaves them as they are."""

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

T = TypeVar("T")


class LruMemo:
    """Keeps what was asked for in this round and in the one before; what neither needed is forgotten.

    A value must follow from its key and from what never changes for the one who asks, such as images and encoder,
    whatever was asked before: then a score is the same with and without a memory.
    """

    def __init__(self) -> None:
        self._now: dict[Hashable, Any] = {}
        self._before: dict[Hashable, Any] = {}

    def turn(self) -> None:
        """Begins a round."""
        self._before, self._now = self._now, {}

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """The value of the key; `make` computes it if it is not remembered."""
        if key not in self._now:
            self._now[key] = self._before[key] if key in self._before else make()
        value: T = self._now[key]
        return value
