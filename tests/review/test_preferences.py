"""Theme and layout are kept for the next review, in the user's configuration folder."""

from pathlib import Path

import pytest

from tests.review.conftest import Open
from treegen.review.preferences import Preferences, load_preferences, preferences_path, save_preferences

pytestmark = pytest.mark.anyio


def test_what_is_saved_is_loaded() -> None:
    assert load_preferences() == (Preferences(), "")
    wanted = Preferences(theme="nord", details="below")
    save_preferences(wanted)
    assert load_preferences() == (wanted, "")


@pytest.mark.parametrize("text", ["theme = 3", "details = 'left'", "colour = 'red'", "theme = ", "\udc80"])
def test_a_bad_file_is_named_and_what_is_good_in_it_is_used(text: str) -> None:
    path = preferences_path()
    path.parent.mkdir(parents=True)
    path.write_bytes(text.encode(errors="surrogateescape"))
    preferences, wrong = load_preferences()
    assert preferences == Preferences()
    assert str(path) in wrong
    path.write_text(f"theme = 'nord'\ncolour = 1\n# {text!r}", encoding="utf-8")
    assert load_preferences()[0].theme == "nord"


async def test_a_theme_is_kept_for_the_next_review(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        assert player.app.theme == "textual-dark"
        player.app.theme = "dracula"
        await player.press("j")
        await player.press("D")
        assert player.app.theme == "textual-light"
        await player.press("D")
        assert player.app.theme == "dracula", "not another dark theme"
    async with play(unseen) as player:
        assert player.app.theme == "dracula"


async def test_preferences_that_cannot_be_used_or_kept_are_said_and_end_nothing(play: Open, unseen: Path) -> None:
    path = preferences_path()
    path.parent.mkdir(parents=True)
    path.write_text("theme = 'mauve'\n", encoding="utf-8")
    async with play(unseen) as player:
        assert "there is no theme mauve" in player.said
        path.unlink()
        path.mkdir()
        await player.press("D")
        assert "cannot be written" in player.said
        assert player.app.theme == "textual-light"
