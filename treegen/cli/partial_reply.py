"""Groups and rules on the terminal while they stream in."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from treegen.cli.output import is_watched, plain
from treegen.text import counted

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from treegen.llm.chat.interface import OnText
    from treegen.llm.reading.partial import PartialReply
    from treegen.llm.tasks.attempts import Attempt
    from treegen.workflow.workspace import Workspace

_PAUSE: Final = 0.1  # seconds between repaints
_MOST_GROUPS: Final = 12
_LONGEST: Final = 100  # characters per line


class ArrivingView:
    """The reply so far, repainted in place on stderr; removed when the reply is complete.

    Requests run on several threads, and each may print a line: a lock lets one thread at a time paint or print.
    """

    def __init__(self, name: str, *, shown: bool) -> None:
        """Set up the view; `name` is the model, `shown` is false if nobody watches."""
        self._name, self._shown = name, shown
        self._live: Live | None = None
        self._lock = threading.RLock()
        self._painted = 0.0
        self._step = ""

    @contextmanager
    def steps_of(self, workspace: "Workspace") -> Iterator[None]:
        """Show the workspace's progress in this view meanwhile: two displays would overwrite each other."""
        before = workspace.progress
        if self._shown:
            workspace.progress = self._count
        try:
            yield
        finally:
            workspace.progress = before

    def _count(self, task: str, done: int, total: int) -> None:
        self._step = f"{task}: {done} of {total}" if total > 1 and done < total else ""

    @property
    def on_text(self) -> "OnText | None":
        """The listener for the reply; `None` if nobody watches, so that nothing is streamed."""
        return self._receive if self._shown else None

    def then(self, show: "Callable[[Attempt], None]") -> "Callable[[Attempt], None]":
        """Wrap a listener to remove the view before it shows an attempt."""

        def show_alone(attempt: "Attempt") -> None:
            with self._lock:
                self.pause()
                show(attempt)

        return show_alone

    def say(self, line: str, tell: Callable[[str], None]) -> None:
        """Print a line with `tell` in place of the view."""
        with self._lock:
            self.pause()
            tell(line)

    def pause(self) -> None:
        """Remove the view until more text arrives."""
        with self._lock:
            if self._live:
                self._live.stop()
                self._live = None

    def _receive(self, text: str) -> None:
        with self._lock:
            self._paint(text)

    def _paint(self, text: str) -> None:
        from treegen.llm.reading.partial import arrived

        if self._live is None:
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), transient=True, auto_refresh=False)
            self._live.start()
        if time.monotonic() - self._painted > _PAUSE:
            self._painted = time.monotonic()
            self._live.update(as_text(self._name, len(text), arrived(text), self._step), refresh=True)


def as_text(name: str, characters: int, partial: "PartialReply", step: str = "") -> "Text":
    """Format each group with its options, and the number of rules; names are neither markup nor escapes."""
    from rich.text import Text

    lines = [step] if step else []
    lines.append(f"{name}: {characters} characters" if characters else f"waiting for {name}")
    for group in partial.groups[-_MOST_GROUPS:]:
        lines.append(f"  {group.name}: {group.prompt} {', '.join(group.options)}")
    if partial.classes:
        lines.append(f"  {counted(len(partial.classes), 'rule')}, last {partial.classes[-1]}")
    printable_lines = (plain(line).replace("\n", " ") for line in lines)
    return Text("\n".join(line if len(line) <= _LONGEST else line[: _LONGEST - 1] + "…" for line in printable_lines))


@contextmanager
def reply_view(name: str) -> Iterator[ArrivingView]:
    """Yield a view for the duration of a conversation: on a terminal, and not for manual pasting."""
    view = ArrivingView(name, shown=is_watched() and name != "manual")
    try:
        yield view
    finally:
        view.pause()
