"""Work beside the keys: a thread that nobody waits for, and an application that outlives what fails in it."""

import logging
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor, Future
from contextlib import suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Any, ParamSpec, TypeVar

from textual.app import App, ReturnType
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from treegen.errors import TreegenError
from treegen.review.messages import BackgroundFailed, reason_of
from treegen.text import printable

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)


class DaemonThread(Executor):
    """One thread for one job after another, as SQLite and models want it: a request that never ends holds nobody up.

    A `ThreadPoolExecutor`, and a Textual worker with `thread=True`, would be waited for when the program ends.
    """

    def __init__(self, name: str) -> None:
        """Prepare a thread; it starts with its first job."""
        self._jobs: SimpleQueue[tuple[Future[Any], Callable[[], Any]] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name=name, daemon=True)
        self._starting, self._ended = Lock(), False

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> "Future[T]":
        """Run a job after those before it.

        Raises:
            RuntimeError: after `shutdown`.
        """
        if self._ended:
            raise RuntimeError(f"the thread {self._thread.name} takes no more jobs")
        future: Future[T] = Future()
        self._jobs.put((future, lambda: fn(*args, **kwargs)))
        with self._starting:
            if self._thread.ident is None:
                self._thread.start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Take no more jobs. Never wait for the one that runs, whatever `wait` says."""
        self._ended = True
        with suppress(Empty):
            while cancel_futures:
                if job := self._jobs.get_nowait():
                    job[0].cancel()
        self._jobs.put(None)

    def _work(self) -> None:
        while job := self._jobs.get():
            future, function = job
            if not future.set_running_or_notify_cancel():
                continue
            try:
                result = function()
            except BaseException as error:
                future.set_exception(error)
            else:
                future.set_result(result)
            del job, future, function  # else the last job's tree and answer live as long as the thread waits


class BackgroundApp(App[ReturnType]):
    """An application whose background work may fail: that is a line with its reason and the log, not its end."""

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
        """Run a coroutine beside the keys and cancel what runs in its group."""
        worker: Any = self.run_worker  # of any result: its types allow for none
        worker(work, group=group, exclusive=True, exit_on_error=False)

    async def ask(self, dialog: Screen[T]) -> T | None:
        """Show a dialog and wait for its answer; only in work that `start` runs."""
        return await self.push_screen_wait(dialog)

    def on_worker_state_changed(self, event: Worker.StateChanged) -> None:
        """Turn the failure of background work into a message."""
        if event.state is WorkerState.ERROR and event.worker.error:
            self.post_message(BackgroundFailed(event.worker.group, event.worker.error))

    def on_background_failed(self, message: BackgroundFailed) -> None:
        """Tell why background work failed, and log where."""
        logger.error("background work failed: %s", message.job, exc_info=message.error)
        self.notify(f"{message.job} failed: {reason_of(message.error)}", severity="error", timeout=8)

    def _handle_exception(self, error: Exception) -> None:
        """Log what ends the application; Textual prints it and sets `return_code`."""
        logger.critical("the application ended by an error", exc_info=error)
        super()._handle_exception(error)

    def notify(self, message: str, **settings: Any) -> None:
        """Show a message in a corner, as text: names in it are neither markup nor escapes."""
        settings["title"] = printable(settings.get("title", ""))
        super().notify("\n".join(map(printable, message.splitlines())), **{**settings, "markup": False})

    def complain(self, error: TreegenError) -> None:
        """Show what did not work and what to do about it."""
        self.notify(f"{error.message}\n{error.tip}".strip(), severity="error", timeout=8)
