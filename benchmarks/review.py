"""Speed of the review on a large tree: first paint, and from a key to the paint; as times and as ratios of one run.

Goals: 1,000 classes x 30 groups are painted within 1 s after imports, a key within 50 ms, and neither torch nor
litellm is loaded before the first paint.
"""

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from check import synthetic_tree

if TYPE_CHECKING:
    from rich.console import RenderableType
    from textual.screen import Screen

    from treegen.review.app import ReviewApp

HEAVY = ("torch", "litellm", "open_clip")
#: a key and the one that reverts it, so that each press has an effect
MOVES = {
    "cursor down or up": ("j", "k"),
    "cursor right or left": ("l", "h"),
    "last or first row": ("end", "home"),
    "an edit (move a class)": ("J", "K"),
    "undo or redo": ("u", "U"),
}
SIZES = ((13, 5, 8), (1_000, 30, 20))


async def key(app: "ReviewApp", name: str) -> float:
    """Return the seconds from a key until its effect is painted."""
    from textual.events import Key

    from treegen.review.widgets.grid import Grid

    grid, session = app.focused, app.review.session
    assert isinstance(grid, Grid)

    def state() -> tuple[int, ...]:
        return grid.row, grid.column, session.position

    before, painted, show, ended = state(), asyncio.Event(), app._display, 0.0

    def shown(screen: "Screen[Any]", renderable: "RenderableType | None") -> None:
        """The first paint after the change, before what the application leaves for later."""
        nonlocal ended
        show(screen, renderable)
        if state() != before and not painted.is_set():
            ended = time.perf_counter()
            painted.set()

    with patch.object(app, "_display", shown):
        began = time.perf_counter()
        app.post_message(Key(name, name if len(name) == 1 else None))
        async with asyncio.timeout(30):
            await painted.wait()
    return ended - began


async def several(app: "ReviewApp", runs: int, names: tuple[str, str]) -> list[float]:
    """Return the times of two keys, pressed in turn."""
    times = []
    for number in range(runs):
        times.append(await key(app, names[number % 2]))
        await asyncio.sleep(0.05)  # a person's pause: what waits for the paint is not part of the next key
    return times


async def measure(path: Path, runs: int) -> dict[str, list[float]]:
    from treegen.review.app import open_app

    began = time.perf_counter()
    app = open_app(path)
    painted = asyncio.Event()
    times: dict[str, list[float]] = {}
    async with app.run_test(size=(200, 60)) as pilot:
        app.call_after_refresh(painted.set)
        await painted.wait()
        times["open to first paint"] = [time.perf_counter() - began]
        loaded = [name for name in HEAVY if name in sys.modules]
        print(f"  heavy modules at the first paint: {', '.join(loaded) or 'none'}")
        await pilot.press("2")
        await pilot.pause()
        for what, names in MOVES.items():
            times[what] = await several(app, runs, names)
    app.review.close()
    return times


def main() -> None:
    parser = argparse.ArgumentParser(description="Time from a key to the paint of the review.")
    parser.add_argument("--runs", type=int, default=20, help="keys of each kind; their median is reported")
    runs = parser.parse_args().runs
    import treegen.review.app  # noqa: F401  imports are not part of the goal

    small: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        for size in SIZES:
            path = Path(folder) / f"{size[0]}.json"
            path.write_text(synthetic_tree(*size), encoding="utf-8")
            print(f"{size[0]} classes x {size[1]} groups x {size[2]} options")
            for what, times in asyncio.run(measure(path, runs)).items():
                middle = statistics.median(times)
                ratio = f"{middle / small[what]:4.1f} x the small tree" if what in small else ""
                small.setdefault(what, middle)
                print(f"  {what:<24}{1000 * middle:7.1f} ms, worst {1000 * max(times):7.1f} ms  {ratio}")


if __name__ == "__main__":
    main()
