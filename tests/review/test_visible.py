"""What is shown is whole, or says that it goes on; details are of what has the keys, also behind a dialog."""

import re
from pathlib import Path

import pytest
from rich.cells import cell_len
from textual.widgets import Static
from textual_image.widget import Image

from tests.review.conftest import Open, Player
from tests.review.flows.test_feedback import proposed, reword_form
from tests.review.test_maps import observed, scored_as
from tests.review.widgets.test_grid import Table
from treegen.review.app import open_app
from treegen.review.screens.compare import CompareDialog
from treegen.review.screens.dialogs import Dialog
from treegen.review.widgets.detail import DetailPanel
from treegen.review.widgets.grid import Column, Grid

pytestmark = pytest.mark.anyio


def details_of(player: Player) -> str:
    return str(player.app.query_one("#detail-lines", Static).render())


def title_of_details(player: Player) -> str:
    return str(player.app.query_one(DetailPanel).border_title)


async def test_a_column_that_goes_on_at_the_right_ends_in_an_ellipsis() -> None:
    app = Table(cells=False)
    async with app.run_test(size=(20, 5)) as pilot:
        app.grid.fill(
            [Column(head="a", width=3), Column(head="b", width=30)], 2, lambda r, c: ("one", "x" * 9 * (3 - r))[c]
        )
        await pilot.pause()
        assert app.lines[1] == "one  xxxxxxxxxxxxxx…"
        assert app.lines[2] == "one  xxxxxxxxxxxxxx…"
        await pilot.press("right", "right")
        assert app.lines[1] == "one  " + "x" * 12 + "   "
        app.grid.fill([Column(head="", width=30)], 1, lambda r, c: "yesterday and tomorrow")
        app.grid.scroll_to(x=0, animate=False)
        await pilot.pause()
        assert app.lines[1] == "yesterday and tomor…"
        await pilot.press("right")
        assert app.lines[1].strip() == "y and tomorrow", "a single column scrolls too"


async def test_counts_in_a_frame_are_apart(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("t", "2", "t")
        assert "groups 5 · 1 of 5 reviewed" in player.screen
        assert "rules 13 classes, 5 groups · 1 of 13 reviewed" in player.screen


async def test_details_are_of_the_row_that_a_search_finds(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "slash", *"torv")
        assert player.app.selection.class_name == "Torvane"
        await player.until(lambda: title_of_details(player).startswith("Torvane"))


async def test_a_dialog_leaves_the_panes_and_their_details_as_they_are(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("1", "j")
        await player.until(lambda: title_of_details(player).startswith("green"))
        await player.press("r")
        assert isinstance(player.app.screen, Dialog)
        assert player.app.screen.styles.background.a == 0, "the panes are seen around it"
        assert player.app.selection.grid is not None
        assert player.app.selection.grid.id == "options"


async def test_an_approval_leaves_the_score_that_of_the_tree(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        scored_as(player, observed(player.tree, ("one",), (0, 0), 2))
        await player.press("S", "enter")
        if isinstance(player.app.screen, Dialog):
            await player.answer("Ann <ann@example.org>")
        await player.until(lambda: "approved by" in player.said)
        assert player.tree.review
        assert not player.app.review.stale
        await player.press("1", "r")
        await player.answer("shade")
        assert player.app.review.stale


async def test_all_that_can_be_chosen_is_seen_though_one_is_long(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:
        await player.press("1", "r")
        await player.answer(
            "a colour with a name that is longer than the dialog is wide, by some words more than a few"
        )
        await player.press("ctrl+s", "C")
        assert isinstance(player.app.screen, CompareDialog)
        assert player.app.screen.query_one(Grid).size.height < 6, "no larger than what it lists"
        await player.press("b")
        grid = player.app.screen.query_one(Grid)
        assert grid.max_scroll_y == 0


async def test_tabs_that_find_no_room_say_so(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        assert "8 confusion" in player.screen
        await player.press("question_mark")
        await player.pilot.pause()
        tabs = player.app.query_one("#tabs")
        assert tabs.render_line(0).text.rstrip().endswith("…")


@pytest.mark.slow
async def test_details_of_a_proposed_change_say_what_it_does_as_soon_as_that_is_known(
    play: Open, tree_file: Path
) -> None:
    domain = tree_file.with_name("domain.toml")
    domain.write_text(re.sub(r"^model = .*$", 'model = "manual"', domain.read_text(), flags=re.MULTILINE))
    async with play(tree_file, (120, 40)) as player:
        await player.until(lambda: player.app.review.measured)
        await proposed(player, reword_form)
        await player.until(lambda: "McNemar" in details_of(player))


async def test_a_file_that_cannot_be_read_offers_no_group_to_add(play: Open, unseen: Path) -> None:
    unseen.write_text("{")
    async with play(unseen, (120, 40)) as player:
        assert "cannot be read: 3 says why" in player.screen


async def test_a_second_reviewer_is_offered_no_key_that_is_refused(unseen: Path) -> None:
    app = open_app(unseen, second="Ada")
    with app.review:
        async with app.run_test(size=(120, 40)) as pilot:
            await pilot.pause()
            keys = Player(app, pilot).screen.splitlines()[-1]
    assert "enter" in keys
    assert "heat map" not in keys
    assert "look" not in keys


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_the_picture_of_an_image_is_whole(play: Open, tree_file: Path, size: tuple[int, int]) -> None:
    async with play(tree_file, size) as player:
        await player.until(lambda: player.app.review.measured is not None and not player.app.review.stale)
        await player.press("6")
        await player.pilot.pause()
        picture, frame = player.app.query_one("#picture", Image), player.app.query_one("#frame")
        assert picture.image
        assert 0 < picture.size.height <= frame.content_size.height
        assert 0 < picture.size.width <= frame.content_size.width


async def test_whether_it_is_saved_is_said_also_where_there_is_little_room(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:
        assert "sketchbook: 5 groups" in player.screen.splitlines()[0]
        player.app.file_watch.changed = "changed on disk by somebody else: one step"
        player.app.refresh_lines()
        await player.pilot.pause()
        first = player.screen.splitlines()[0].rstrip()
        assert first.endswith("changed on disk by somebody else  saved")
        assert "5 groups" not in first


async def test_what_fits_has_no_scroll_bar(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:
        grid = player.grid("options")
        width = max(cell_len(grid.text_at(row, 3)) for row in range(grid.count)) + sum(
            column.width + grid.GAP for column in grid._columns[:3]
        )
        assert grid.max_scroll_x == max(width - grid.scrollable_content_region.width, 0)
