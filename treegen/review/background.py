"""A thread whose work nobody waits for: a request that never ends does not keep the program from ending."""

from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from threading import Thread
from typing import Any, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")


class Background:
    """One thread for one job after another, as SQLite wants it; `ThreadPoolExecutor` would be waited for at the end."""

    def __init__(self, name: str) -> None:
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)

    def submit(self, job: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> "Future[T]":
        """Has a job done when those before it are."""
        future: Future[T] = Future()
        self._jobs.put((future, lambda: job(*arguments, **named)))
        if not self._thread.is_alive():
            self._thread.start()
        return future

    def _work(self) -> None:
        while True:
            future, job = self._jobs.get()
            try:
                result = job()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
