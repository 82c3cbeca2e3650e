"""The file on disk: a change by somebody else is reported when it happens, with what changed."""

from pathlib import Path

import pytest

from tests.review.conftest import Open, Player

pytestmark = pytest.mark.anyio


async def looked(player: Player, text: str) -> None:
    """What the clock does every second."""
    player.app.file_watch.poll()
    await player.until(lambda: text in player.app.file_watch.changed)
    await player.pilot.pause()


async def test_a_change_on_disk_is_named_and_gone_after_merging(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        player.app.file_watch.poll()
        assert player.app.file_watch.changed == ""
        unseen.write_text(unseen.read_text().replace('"stripes"', '"bands"'), encoding="utf-8")
        await looked(player, "1 change: ")
        assert '"stripes"' in player.app.file_watch.changed
        assert '"bands"' in player.said
        assert "was changed on disk" in player.screen.splitlines()[0]
        await player.press("J", "ctrl+s")
        assert '"bands"' in player.screen, "the question says what they changed"
        await player.press("enter")
        await player.until(lambda: "saved tree.json" in player.said)
        player.app.file_watch.poll()
        await player.until(lambda: not player.app.file_watch.changed)
        assert "changed on disk" not in player.screen
        assert "bands" in player.options("mark")


@pytest.mark.parametrize(
    ("text", "told"), [(None, "was deleted"), ("<<<<<<< HEAD\n", "is not a tree"), ("[]", "is not a tree")]
)
async def test_a_file_that_is_gone_or_no_tree_is_reported(
    play: Open, unseen: Path, text: str | None, told: str
) -> None:
    async with play(unseen) as player:
        if text is None:
            unseen.unlink()
        else:
            unseen.write_text(text, encoding="utf-8")
        await looked(player, told)
        assert told in player.said
        assert "on disk" in player.screen.splitlines()[0]


async def test_the_same_tree_in_other_bytes_is_no_change_of_it(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        unseen.write_text(f"{unseen.read_text()}\n", encoding="utf-8")
        await looked(player, "the tree in it is the same")
        assert "changed on disk" not in player.screen
