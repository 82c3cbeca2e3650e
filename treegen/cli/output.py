"""Printing: plain text that no name can colour or break, tables, progress on stderr."""

import sys
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.errors import TreegenError
from treegen.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE: Final = 1.0  # seconds before progress is shown


def plain(text: object) -> str:
    """Show control characters instead of sending them to the terminal; line feeds stay."""
    return printable(text, keep="\n")


def say(text: object = "") -> None:
    """Print one line of results on stdout."""
    click.echo(plain(text))


def tell(text: object) -> None:
    """Print one line on stderr that is not a result."""
    click.echo(plain(text), err=True)


def complain(message: str, tip: str) -> None:
    """Print an error and how to fix it, on stderr."""
    prefix = click.style("error:", fg="red", bold=True)
    click.echo(f"{prefix} {plain(message)}", err=True)
    if tip:
        click.echo(f"  {plain(tip)}", err=True)


def report(error: TreegenError) -> None:
    """Print why a command ended early, on stderr: an error, or what a person has to do next."""
    if error.exit_code:
        complain(error.message, error.tip)
    else:
        tell(f"{error.message}\n  {error.tip}")


def print_json(data: Any) -> None:
    """Print a document on stdout."""
    import json

    click.echo(json.dumps(data, ensure_ascii=False, indent=2))


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """Print columns on stdout, as wide as their widest cell; the columns with an index in `right` are right-aligned."""
    from rich.cells import cell_len

    cells = [[plain(c).replace("\n", " ") for c in row] for row in [head, *rows]]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(head))]
    for number, row in enumerate(cells):
        parts = [
            " " * (w - cell_len(c)) + c if i in right else c + " " * (w - cell_len(c))
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        line = "  ".join(parts).rstrip()
        click.echo(click.style(line, bold=True) if number == 0 else line)


def percent(value: float | None) -> str:
    """Format a share as a percentage with one decimal."""
    return "-" if value is None else f"{100 * value:.1f} %"


def interval(bounds: Sequence[float] | None) -> str:
    """Format an interval of shares as percentages."""
    return "" if bounds is None else f"[{100 * bounds[0]:.1f}, {100 * bounds[1]:.1f}]"


class ProgressLine:
    """Progress with a rate for tasks over a second: a bar on a terminal, else a line when a task ends."""

    def __init__(self) -> None:
        self._started: dict[str, float] = {}
        self._bar: Progress | None = None
        self._tasks: dict[str, TaskID] = {}

    def __call__(self, task: str, done: int, total: int) -> None:
        """Report that `done` of `total` steps of a task are finished."""
        now = time.monotonic()
        started = self._started.setdefault(task, now)
        if sys.stderr.isatty() and (task in self._tasks or now - started > _PATIENCE or done < total == 1):
            self._show(task, done, total)
        if done >= total and task in self._started:  # several threads may wait for the same
            del self._started[task]
            self._end(task, total, now - started)

    def tell(self, text: str) -> None:
        """Print a line on stderr, above the bar if there is one."""
        if self._bar is None:
            tell(text)
        else:
            self._bar.console.print(plain(text), markup=False, highlight=False, soft_wrap=True)

    def _show(self, task: str, done: int, total: int) -> None:
        if self._bar is None:
            self._bar = _waiting() if total == 1 else _counting()
            self._bar.start()
        if task not in self._tasks:
            self._tasks[task] = self._bar.add_task(task, total=total, rate="")
        elapsed = time.monotonic() - self._started[task]
        rate = f"{done / elapsed:.0f}/s" if total > 1 and elapsed > 0 else ""
        self._bar.update(self._tasks[task], completed=done, total=total, rate=rate)

    def _end(self, task: str, total: int, seconds: float) -> None:
        task_id = self._tasks.pop(task, None)
        if self._bar is not None and task_id is not None:
            self._bar.remove_task(task_id)
        if self._bar is not None and not self._tasks:
            self._bar.stop()
            self._bar = None
        if seconds > _PATIENCE and total > 1:
            tell(f"{task}: {total} in {seconds:.1f} s ({total / seconds:.0f}/s)")


def _waiting() -> "Progress":
    """Return the display of a single step of unknown duration."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    text = TextColumn("{task.description}", markup=False)
    return Progress(SpinnerColumn(), text, TimeElapsedColumn(), console=Console(stderr=True), transient=True)


def _counting() -> "Progress":
    """Return the display of many steps."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
