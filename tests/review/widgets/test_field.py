"""The field: keys are obeyed in the order in which they were typed."""

import pytest
from textual.app import App
from textual.events import Key

from treegen.review.screens.dialogs import TextDialog

pytestmark = pytest.mark.anyio


class Asking(App[None]):
    answer: str | None = None

    def on_mount(self) -> None:
        self.push_screen(TextDialog("The option", "white"), self._hear)

    def _hear(self, answer: str | None) -> None:
        self.answer = answer


async def test_what_is_typed_behind_ctrl_u_stays_however_quickly_it_comes() -> None:
    """All keys arrive in one piece, as over a slow line: the old text goes, the new one is taken."""
    app = Asking()
    async with app.run_test() as pilot:
        await pilot.pause()
        app.post_message(Key("ctrl+u", None))
        for character in "snow":
            app.post_message(Key(character, character))
        app.post_message(Key("enter", None))
        await pilot.pause()
        assert app.answer == "snow"
