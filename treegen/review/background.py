"""Work beside the keys: a thread that nobody waits for, and an application that outlives what fails in it."""

import asyncio
import logging
import os
import signal
from collections.abc import Callable, Coroutine, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from contextlib import contextmanager, suppress
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from time import monotonic
from typing import Any, Final, Generic, ParamSpec, TypeVar
from weakref import WeakSet

from rich.console import RenderableType
from textual import events
from textual._compositor import ChopsUpdate, LayoutUpdate
from textual.app import App, ReturnType, ScreenStackError
from textual.dom import DOMNode
from textual.driver import Driver
from textual.errors import NoWidget
from textual.filter import LineFilter
from textual.message import Message
from textual.screen import Screen
from textual.worker import Worker, WorkerState

from treegen.errors import TreegenError
from treegen.review.contrast import ReadableText
from treegen.review.drawing import Changes, Painted
from treegen.review.messages import BackgroundFailed, reason_of
from treegen.review.screens.dialogs import Dialog
from treegen.review.screens.messages import MessagesDialog
from treegen.review.toasts import Toast, ToastQueue
from treegen.text import printable

P = ParamSpec("P")
T = TypeVar("T")
logger = logging.getLogger(__name__)
_LONGEST: Final = 2.0  # seconds that a key waits for the one before it; a handler that never ends blocks no keys
_ENDING: Final = () if os.name == "nt" else (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
_ROUNDS: Final = 2  # a key may post a message, such as "submitted", which is handled in the second round


_started: Final[WeakSet[Thread]] = WeakSet()


def is_busy() -> bool:
    """Whether a `DaemonThread` still runs a job; after `shutdown` those that run none end in a moment."""
    for thread in _started:
        thread.join(0.1)
    return any(thread.is_alive() for thread in _started)


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
                _started.add(self._thread)
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


@contextmanager
def _signals(numbers: Iterable[int], handle: Callable[[int], None]) -> Iterator[None]:
    """Handle signals in the event loop.

    Not by `add_signal_handler`: what it hears while an editor holds the loop it would handle afterwards, and ctrl+c in
    the editor, which the terminal sends to both, would end the review.
    """
    loop = asyncio.get_running_loop()

    def hear(number: int, _: object) -> None:
        if number != signal.SIGINT or not _may_be_typed():
            loop.call_soon_threadsafe(handle, number)

    before = {number: signal.signal(number, hear) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _may_be_typed() -> bool:
    """Whether ctrl+c sends SIGINT now: the review has just been continued, or an editor has just ended."""
    import termios  # which Windows has not

    try:
        return bool(termios.tcgetattr(0)[3] & termios.ISIG)
    except termios.error:  # the terminal is gone
        return False


class _Question(Generic[T]):
    """What a conversation awaits: the answer of a dialog."""

    def __init__(self, dialog: Dialog[T]) -> None:
        self._dialog = dialog

    def __await__(self) -> Generator[Dialog[T], T | None, T | None]:
        return (yield self._dialog)


class BackgroundApp(App[ReturnType]):
    """An application that holds: what fails in it is a line with its reason and the log, and keys come one by one."""

    def __init__(self) -> None:
        super().__init__()
        self._typed: asyncio.Queue[events.Event] = asyncio.Queue()
        self._takes_keys = False
        self._deaf_until = 0.0
        self._readable = ReadableText()
        self.toasts = ToastQueue(self._show_toast, self.set_timer)

    def get_driver_class(self) -> type[Driver]:
        """Return the driver that survives signals and closed terminals where Textual would take the one for Unix."""
        driver = super().get_driver_class()
        if driver.__name__ != "LinuxDriver":
            return driver
        from treegen.review.driver import ReviewDriver

        return ReviewDriver

    async def run_async(self, **settings: Any) -> ReturnType | None:
        """Run, and end in order when the system, a closed terminal or `kill -INT` asks for it."""
        with _signals(() if settings.get("headless") else _ENDING, self.end_by_signal):
            return await super().run_async(**settings)

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        """Draw only what has changed."""
        painted: Painted | None = getattr(self._driver, "painted", None)
        if painted and isinstance(renderable, LayoutUpdate | ChopsUpdate):
            changes: Any = Changes(renderable, painted, self.size)
            renderable = changes
        super()._display(screen, renderable)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """Return what is done to every painted line: at last, text is made readable."""
        return [*super().get_line_filters(), self._readable]

    def on_mount(self) -> None:
        """Begin to take keys."""
        self._takes_keys = True
        self.run_worker(self._take_keys(), group="keys", exit_on_error=False)

    def end_by_signal(self, number: int) -> None:
        """Restore the terminal and end, as a shell expects of a signal."""
        self.exit(return_code=128 + number)

    @contextmanager
    def suspend(self) -> Iterator[None]:
        """Leave the terminal to another program; what was typed before that ends was meant for it, and is dropped."""
        with super().suspend():
            yield
        self._deaf_until = monotonic()

    async def on_event(self, event: events.Event) -> None:
        """Queue keys, clicks and pastes.

        Textual hands all keys of one read to the widget that has the focus before it looks at the first of them. Keys
        typed behind one that opens a dialog would be commands, and a dialog would be closed twice.
        """
        if isinstance(event, events.InputEvent | events.Paste) and not event.is_forwarded:
            self._typed.put_nowait(event)
        else:
            if isinstance(event, events.Resize) and (painted := getattr(self._driver, "painted", None)):
                painted.clear()  # sizes that were passed through have cut off what is drawn
            await super().on_event(event)

    async def _take_keys(self) -> None:
        """Handle one key after another, each when all that the one before it leads to is done; none ends this."""
        while True:
            event = await self._typed.get()
            if event.time < self._deaf_until or self._is_on_what_is_gone(event):
                continue
            try:
                await super().on_event(event)
            except Exception as error:
                self.post_message(BackgroundFailed(type(event).__name__, error))
            for _ in range(_ROUNDS):
                await self._handled()

    def _is_on_what_is_gone(self, event: events.Event) -> bool:
        """Whether the mouse is on a widget that is removed and still painted, such as a message that has just gone."""
        if not isinstance(event, events.MouseEvent):
            return False
        try:
            widget, _ = self.get_widget_at(event.x, event.y)
        except (NoWidget, ScreenStackError):
            return False
        return not isinstance(widget, Screen) and not widget.is_attached

    async def _handled(self) -> None:
        """Wait until the widget that has the focus, and all above it, have handled what is in their queues."""
        with suppress(ScreenStackError, TimeoutError):
            async with asyncio.timeout(_LONGEST):
                for node in (self.focused or self.screen).ancestors_with_self:
                    done = asyncio.Event()
                    if node.call_later(done.set):
                        await done.wait()

    async def run_action(
        self,
        action: Any,
        default_namespace: DOMNode | None = None,
        namespaces: Any = None,
    ) -> bool:
        """Run the action of a key; what fails in it is a message."""
        try:
            return await super().run_action(action, default_namespace, namespaces)
        except TreegenError as error:
            self.complain(error)
        except Exception as error:
            self.post_message(BackgroundFailed(f"the action {action}", error))
        return True

    async def _dispatch_message(self, message: Message) -> None:
        """Handle a message; what fails in that does not end the application once it is shown."""
        try:
            await super()._dispatch_message(message)
        except TreegenError as error:
            self.complain(error)
        except Exception as error:
            if not self._takes_keys or isinstance(message, BackgroundFailed):
                raise
            self.post_message(BackgroundFailed(type(message).__name__, error))

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Keep the command palette closed over a dialog: its commands are for the panes."""
        if action == "command_palette" and len(self.screen_stack) > 1:
            return False
        return super().check_action(action, parameters)

    def start(self, work: Callable[[], Coroutine[Any, Any, None]], group: str) -> None:
        """Run a coroutine beside the keys and cancel what runs in its group."""
        worker: Any = self.run_worker  # of any result: its types allow for none
        worker(work, group=group, exclusive=True, exit_on_error=False)

    def converse(self, work: Callable[[], Coroutine[Any, Any, None]], job: str) -> None:
        """Run a coroutine that awaits nothing but `ask`, within the key press that starts it.

        Each dialog is there before the next key is handled. A worker would begin later.
        """
        conversation = work()

        def go_on(answer: Any) -> None:
            try:
                dialog: Dialog[Any] = conversation.send(answer)
            except StopIteration:
                return
            except TreegenError as error:
                self.complain(error)
            except Exception as error:
                self.post_message(BackgroundFailed(job, error))
            else:
                dialog.on_answer = go_on
                self.push_screen(dialog)

        go_on(None)

    async def ask(self, dialog: Dialog[T]) -> T | None:
        """Show a dialog and wait for its answer; only in work that `converse` runs."""
        return await _Question(dialog)

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
        """Show a message in a corner, as text: names in it are neither markup nor escapes. One is shown at a time."""
        settings["title"] = printable(settings.get("title", ""))
        text = "\n".join(map(printable, message.splitlines()))
        self.toasts.add(Toast(message=text, settings={**settings, "markup": False}))

    def _show_toast(self, toast: Toast) -> None:
        self.clear_notifications()
        super().notify(toast.message, **toast.settings)

    def action_messages(self) -> None:
        """List the messages of the session."""
        self.push_screen(MessagesDialog([*self.toasts.sent], self.toasts.count))

    def complain(self, error: TreegenError) -> None:
        """Show what did not work and what to do about it."""
        self.notify(f"{error.message}\n{error.tip}".strip(), severity="error", timeout=8)
