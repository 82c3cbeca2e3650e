"""The finder of everything: each kind is bounded, what is left out is counted, and no search takes long."""

import random
from pathlib import Path

import pytest
from textual.command import CommandPalette
from textual.fuzzy import FuzzySearch

from tests.review.conftest import Open, Player
from tests.review.test_maps import observed, pictures, scored_as
from treegen.review.finder import TreeProvider, match
from treegen.tree.changes.edits import rename_group


async def hits(player: Player, query: str) -> list[tuple[str, str]]:
    """What is found, with its kind, in the order in which the palette asks."""
    provider = TreeProvider(player.app.screen)
    return [(hit.text or "", hit.help or "") async for hit in provider.search(query)]


@pytest.mark.anyio
async def test_all_images_are_found_and_those_left_out_are_counted(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        names = player.tree.classes
        predictions = (1, *(n // 100 for n in range(1, 1300)))
        scored_as(player, observed(player.tree, names, predictions, 100))
        found = await hits(player, "7-99.png")
        assert found == [("7-99.png", f"image of {names[7]}")], "which is rightly classified"
        assert (await hits(player, "0-0.png"))[0] == ("0-0.png", f"image of {names[0]}, taken for {names[1]}")
        found = await hits(player, ".png")
        assert len(found) == 51
        assert found[-1] == ("images: 1,250 more", "type more of the name")
        assert [await hits(player, "no such"), await hits(player, "\x1b")] == [[], []]
        await player.press("ctrl+p")
        await player.write("7-99.png")
        await player.until(lambda: f"image of {names[7]}" in player.screen)
        await player.press("enter")
        await player.until(lambda: player.app.screen_stack[-1] is player.app.screen_stack[0])
        await player.until(lambda: player.at == "mistakes")
        current = pictures(player).current
        assert current
        assert (current.image.name, current.true, pictures(player).which) == ("7-99.png", names[7], "all")


@pytest.mark.anyio
async def test_a_name_with_markup_is_found_and_shown(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        player.app.commit("rename", lambda: rename_group(player.tree, "colour", "[/] [red]"))
        await player.press("ctrl+p")
        await player.write("purple")
        await player.until(lambda: "option of [/] [red]" in player.screen)
        assert isinstance(player.app.screen, CommandPalette)


def test_the_search_agrees_with_a_slow_one_on_what_matches() -> None:
    dice, slow = random.Random(0), FuzzySearch()
    for _ in range(2000):
        name = "".join(dice.choices("aAbc -", k=dice.randrange(12)))
        query = "".join(dice.choices("abc-", k=dice.randrange(1, 5)))
        score, offsets = match(query, name)
        best, _ = slow.match(query, name)
        assert (score > 0) == (best > 0), (query, name)
        assert "".join(name[at] for at in offsets).lower() == (query if score else "")
        assert score >= best or query not in name.lower(), "in one piece it is as good as any"


def test_a_sentence_is_searched_at_once() -> None:
    """Every way to take these letters would never end."""
    assert match("e" * 30, "e x" * 1000 + "f")[0] > 0
    assert match("e" * 30 + "g", "e x" * 1000)[0] == 0
    assert match("i", "\u0130") == (0.0, ())
