"""When a Textual application has done what a key asks for: its event loop says so, and no clock."""

import asyncio
from typing import Any, Final

import pytest
from textual._context import active_app

_QUIET: Final = 3  # turns of the event loop in a row in which nothing else was ready


async def settled(*_: float) -> None:
    """Until the event loop has nothing to do but to wait, also for what the next frames bring.

    Textual's own waits for a process that uses no processor, three times for each key: always 60 ms, and three seconds
    while a thread scores.
    """
    await _nothing_ready()
    for _frame in range(2):
        app: Any = active_app.get(None)
        if app is None or not app._running or not app._screen_stack:
            return
        app.screen._on_timer_update()
        await _nothing_ready()


async def _nothing_ready() -> None:
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]
    quiet = 0
    while quiet < _QUIET:
        await asyncio.sleep(0)
        quiet = 0 if ready else quiet + 1


def settle_by_the_loop(patch: pytest.MonkeyPatch) -> None:
    """Has a pilot, and the keys it presses, wait so."""
    for module in ("app", "pilot"):
        patch.setattr(f"textual.{module}.wait_for_idle", settled)
