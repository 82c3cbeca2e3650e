"""Printing: plain text that no name can colour or break, wrapped on terminals; tables; progress on stderr."""

import os
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TextIO

import click

from treegen.errors import TreegenError
from treegen.text import printable

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

_PATIENCE: Final = 1.0  # seconds before progress is shown


def plain(text: object) -> str:
    """Show control characters instead of sending them to the terminal; line feeds stay."""
    return printable(text, keep="\n")


def colour_setting() -> bool | None:
    """Return `False` if NO_COLOR or TERM=dumb forbids colours, else `None`: in colour on a terminal only."""
    return False if os.environ.get("NO_COLOR") or is_dumb() else None


def is_dumb() -> bool:
    """Whether the terminal obeys no escape sequences."""
    return os.environ.get("TERM", "").lower() in ("dumb", "unknown")


def is_watched() -> bool:
    """Whether stderr is a terminal on which something can be repainted."""
    return sys.stderr.isatty() and not is_dumb()


def say(text: object = "") -> None:
    """Print a line of results on stdout."""
    print_line(plain(text))


def tell(text: object) -> None:
    """Print a line on stderr that is not a result."""
    print_line(plain(text), err=True)


def complain(message: str, tip: str) -> None:
    """Print an error and how to fix it, on stderr."""
    print_line(f"{click.style('error:', fg='red', bold=True)} {plain(message)}", err=True)
    if tip:
        print_line(f"  {plain(tip)}", err=True)


def print_document(content: str | bytes) -> None:
    """Print the content of a file on stdout: unchanged into pipes and files, and as `plain` text on a terminal."""
    is_shown = isinstance(content, str) and sys.stdout.isatty()
    click.echo(plain(str(content).replace("\r\n", "\n")) if is_shown else content, nl=False)


def print_line(text: str, *, err: bool = False, colour: bool | None = None) -> None:
    """Print text that may be styled: wrapped at words on a terminal, unchanged into pipes and files."""
    width = _columns(sys.stderr if err else sys.stdout)
    click.echo(wrapped(text, width) if width else text, err=err, color=colour_setting() if colour is None else colour)


def _columns(stream: TextIO | None) -> int:
    """Return the width of a terminal; 0 if the stream is not one."""
    if stream is None or stream.closed or not stream.isatty():
        return 0
    try:
        return int(os.environ.get("COLUMNS") or os.get_terminal_size(stream.fileno()).columns)
    except (OSError, ValueError):
        return 0


def wrapped(text: str, width: int) -> str:
    """Break lines at spaces to fit a width in cells; what continues is indented by two more. Long words stay whole."""
    return "\n".join(line for paragraph in text.split("\n") for line in _wrapped_line(paragraph, width))


def _wrapped_line(text: str, width: int) -> Iterable[str]:
    from rich.cells import cell_len

    indent = text[: len(text) - len(text.lstrip(" "))]
    line, used = "", 0
    for word in text[len(indent) :].split(" "):  # styles enclose whole words
        size = cell_len(click.unstyle(word))
        if line and used + 1 + size > width:
            yield line
            line, used = f"{indent}  {word}", len(indent) + 2 + size
        elif line:
            line, used = f"{line} {word}", used + 1 + size
        else:
            line, used = indent + word, len(indent) + size
    yield line


def report(error: TreegenError) -> None:
    """Print why a command ended early, on stderr: an error, or what a person has to do next."""
    if error.exit_code:
        complain(error.message, error.tip)
    else:
        tell(f"{error.message}\n  {error.tip}")


def print_json(data: Any) -> None:
    """Print a document on stdout."""
    import json

    text = json.dumps(data, ensure_ascii=False, indent=2)
    click.echo(text.encode(errors="backslashreplace").decode())  # bytes of file names that are not UTF-8


def table(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> None:
    """Print columns on stdout; see `table_lines`."""
    title, *lines = table_lines(head, rows, right=right)
    for line in (click.style(title, bold=True), *lines):
        click.echo(line, color=colour_setting())


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Columns to print; those with an index in `right` are right-aligned."""

    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    right: Sequence[int] = ()

    def print(self) -> None:
        """Print it on stdout."""
        table(self.head, self.rows, right=self.right)


def fits(each: Table) -> bool:
    """Whether a table is no wider than the terminal; what is not one takes any."""
    from rich.cells import cell_len

    width = _columns(sys.stdout)
    return not width or max(map(cell_len, table_lines(each.head, each.rows, right=each.right))) <= width


def table_lines(head: Sequence[str], rows: Iterable[Sequence[object]], *, right: Sequence[int] = ()) -> list[str]:
    """Format columns as wide as their widest cell; the columns with an index in `right` are right-aligned."""
    from rich.cells import cell_len

    cells = [[plain(c).replace("\n", " ") for c in row] for row in [head, *rows]]
    widths = [max(cell_len(row[i]) for row in cells) for i in range(len(head))]
    return [
        "  ".join(
            " " * (w - cell_len(c)) + c if i in right else c + " " * (w - cell_len(c))
            for i, (c, w) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


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
        if context := click.get_current_context(silent=True):
            context.call_on_close(self.close)  # an error must not be printed beside the bar

    def close(self) -> None:
        """Remove the bar, if there is one."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
            self._tasks.clear()

    def __call__(self, task: str, done: int, total: int) -> None:
        """Report that `done` of `total` steps of a task are finished."""
        now = time.monotonic()
        started = self._started.setdefault(task, now)
        if is_watched() and (task in self._tasks or now - started > _PATIENCE or done < total == 1):
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
    return Progress(SpinnerColumn(), text, TimeElapsedColumn(), console=Console(file=sys.stderr), transient=True)


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
