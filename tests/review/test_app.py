"""The application around the edits: panes, search, jump, undo, keys, mouse, sizes."""

import json
from pathlib import Path
from typing import Any

import pytest
from textual.binding import Binding

from tests.review.conftest import Open, Player
from treegen.review.context import PANES
from treegen.review.screens.jump import JumpScreen
from treegen.review.widgets.feedback import FeedbackField, ProposalGrid
from treegen.review.widgets.grid import PaneGrid
from treegen.review.widgets.key_bindings import key_rows
from treegen.review.widgets.panes import GroupsPane, OptionsPane, ProblemsPane, RulesPane

pytestmark = pytest.mark.anyio

BROKEN = {
    "domain": "sketchbook",
    "classification_groups": {
        "colour": {"prompt": "It is so.", "options": ["white", "White", "green"]},
        "form": {"prompt": "It looks like {}.", "options": ["a snake", "a ball"]},
    },
    "rules": {"Abrosk": {"colour": 2, "form": 7}, "Wendle": {"colour": 2, "tail": 0}},
}


async def test_undo_and_redo_go_back_to_the_first_step_and_to_the_last(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        trees = [player.tree]
        for key in ("J", "J", "d", "d"):
            await player.press(key)
            trees.append(player.tree)
        for tree in reversed(trees[:-1]):
            await player.press("u")
            assert player.tree == tree
        await player.press("u")
        assert "nothing to undo" in player.said
        for tree in trees[1:]:
            await player.press("ctrl+y")
            assert player.tree == tree
        await player.press("ctrl+r")
        assert "nothing to do again" in player.said


@pytest.mark.slow
async def test_undo_and_redo_go_on_after_a_restart_of_the_application(play: Open, unseen: Path) -> None:
    text = unseen.read_text()
    async with play(unseen) as player:
        first = player.tree
        await player.press("d", "d", "u")
        left = player.tree
        await player.press("q")
    assert unseen.read_text() == text, "nothing was saved"
    async with play(unseen) as player:
        assert player.tree == left
        await player.until(lambda: "taken up where it was left" in player.said)
        await player.press("U")
        assert len(player.tree.groups) == 3
        await player.press("u", "u")
        assert player.tree == first


@pytest.mark.slow
async def test_undo_goes_back_behind_a_save_also_after_a_restart(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        first = player.tree
        await player.press("d", "ctrl+s")
        await player.until(lambda: "saved tree.json" in player.said)
        await player.press("q")
    async with play(unseen) as player:
        assert "unsaved" not in player.screen
        await player.press("u")
        assert player.tree == first
        assert "unsaved" in player.screen


async def test_every_pane_comes_with_its_number_and_has_the_keys(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        for number, name in enumerate(PANES, 1):
            await player.press("escape", str(number))  # which leaves the text of ask
            assert player.app.pane == name
            focused = player.app.focused
            assert focused is not None
            assert player.app.query_one(f"#{name}") in [focused, *focused.ancestors]


async def test_leaving_right_after_the_keys_go_elsewhere_ends_without_an_error(play: Open, unseen: Path) -> None:
    """The message about it comes when the hints are gone already."""
    async with play(unseen) as player:
        for name in ("rules", "groups"):
            player.app.screen.set_focus(player.grid(name))
            player.grid(name).put_cursor(1)
    assert not player.app.return_code


async def test_arrows_and_vim_keys_move_the_cursor_to_the_same_places(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2")
        rules = player.grid("rules")
        for arrows, letters, place in [
            ("down", "j", (1, 0)),
            ("right", "l", (1, 1)),
            ("end", "G", (12, 1)),
            ("up", "k", (11, 1)),
            ("left", "h", (11, 0)),
            ("home", "g", (0, 0)),
            ("pagedown", "ctrl+f", None),
            ("pageup", "ctrl+b", (0, 0)),
        ]:
            before = (rules.row, rules.column)
            await player.press(arrows)
            by_arrows = (rules.row, rules.column)
            assert place is None or by_arrows == place
            rules.put_cursor(*before)
            await player.press(letters)
            assert (rules.row, rules.column) == by_arrows


async def test_the_options_follow_the_cursor_of_the_groups(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        assert "purple" in player.screen
        await player.press("j")
        assert "an octopus" in player.screen
        assert "purple" not in player.screen
        assert "Orlith, Draquen" in player.screen


async def test_search_finds_rows_and_goes_on_in_both_directions(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "slash")
        await player.answer("ORANGE")
        rules = player.grid("rules")
        assert player.at == "rules"
        assert rules.row == 4
        await player.press("n")
        assert rules.row == 5
        await player.press("n")
        assert rules.row == 4, "from the last found back to the first"
        await player.press("N")
        assert rules.row == 5
        await player.press("slash")
        await player.answer("zzz")
        assert "nothing holds zzz" in player.said
        assert rules.row == 5


async def test_a_search_can_be_left(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "slash", "a", "b", "escape")
        assert player.at == "rules"
        assert not player.app.query_one("#search").display
        await player.press("j")
        assert player.grid("rules").row == 1


async def test_a_search_goes_to_the_first_row_while_it_is_typed_and_counts_them(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "j", "j", "j", "slash", "o", "r", "a", "n", "g")
        rules = player.grid("rules")
        assert rules.row == 4
        assert "1 of 2" in player.screen
        await player.press("e", "x")
        assert "none" in player.screen
        assert rules.row == 3, "where the search began"
        await player.press("backspace", "enter", "slash", "g", "r", "escape")
        assert rules.row == 4, "it was left"
        await player.press("n")
        assert rules.row == 5, "the one before goes on"


@pytest.mark.slow
async def test_jump_mode_puts_a_letter_on_every_pane_and_goes_there(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("o")
        assert isinstance(player.app.screen, JumpScreen)
        await player.press("s")
        assert player.at == "options"
        await player.press("o", "a")
        assert player.at == "groups"
        await player.press("o", "escape")
        assert player.at == "groups"
        assert len(player.app.screen_stack) == 1
        await player.press("2", "o")
        assert player.screen.count(" a ") >= 1
        await player.press("s")
        assert player.at == "rules"


async def test_the_command_palette_opens_and_knows_the_edits(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("ctrl+p")
        assert type(player.app.screen).__name__ == "CommandPalette"
        await player.write("score")
        await player.until(lambda: "Score on the test split" in player.screen)
        await player.write("move down")
        await player.until(lambda: "Move down" in player.screen)
        await player.press("enter")
        await player.until(lambda: player.labels)
        assert [g.name for g in player.tree.groups][:2] == ["form", "colour"]


@pytest.mark.slow
async def test_a_question_mark_lists_every_key(play: Open, unseen: Path) -> None:
    async with play(unseen, (100, 60)) as player:
        await player.press("question_mark")
        assert player.at == "keys-filter"
        told = {key.strip() for keys, _ in key_rows(player.app) for key in keys.split(",")}
        shown = {"slash": "/", "ampersand": "&", "question_mark": "?", "equals_sign": "="}
        kinds = (
            type(player.app),
            GroupsPane,
            OptionsPane,
            RulesPane,
            ProblemsPane,
            PaneGrid,
            FeedbackField,
            ProposalGrid,
        )
        bindings = [binding for kind in kinds for binding in kind.BINDINGS if isinstance(binding, Binding)]
        assert len(bindings) == sum(len(kind.BINDINGS) for kind in kinds)
        bound = [key for binding in bindings for key in binding.key.split(",")]
        assert {shown.get(key, key) for key in bound} <= told | {"enter"}
        assert len(told) > 50
        screen = player.screen
        for keys, what in key_rows(player.app)[:20]:
            assert keys in screen
            assert what in screen
        await player.press("escape")
        assert len(player.app.screen_stack) == 1


async def test_a_click_moves_the_cursor_and_a_second_one_chooses(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.click("#groups", 3, 4)
        assert player.app.selection.group
        assert player.app.selection.group.name == "scene"
        await player.click("#groups", 3, 4)
        assert player.at == "options"
        await player.press("2")
        rules = player.grid("rules")
        await player.click("#rules", rules._columns[0].width + 5, 4)
        assert (rules.row, rules.column) == (2, 1)
        assert player.labels == []


async def test_a_click_on_a_tab_shows_its_pane(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        at = player.app.query_one("#tabs").region
        line = player.screen.splitlines()[at.y]
        await player.click("#tabs", line.index("2 rul") - at.x + 2, 0)
        assert player.app.pane == "rules"


async def test_what_is_under_the_cursor_is_copied(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "l", "y")
        assert player.app.clipboard == "white"
        assert "copied white" in player.said


@pytest.mark.slow
async def test_light_and_dark(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        dark = player.app.screen.styles.background
        await player.press("D")
        assert player.app.theme == "textual-light"
        assert player.app.screen.styles.background != dark
        await player.press("D")
        assert player.app.theme == "textual-dark"


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (200, 60)])
async def test_nothing_needed_is_cut_off(play: Open, unseen: Path, size: tuple[int, int]) -> None:
    """All tabs, the state, and the keys that help next can be read at once."""
    async with play(unseen, size) as player:
        await player.press("d")
        lines = player.screen.splitlines()
        assert len(lines) == size[1]
        assert lines[0].rstrip().endswith("unsaved")
        assert "4 groups, 13 classes" in lines[0]
        for number, name in enumerate(PANES, 1):
            assert f"{number} {name if size[0] > 100 else name[:3]}" in lines[1]
        for pane in ("groups", *PANES):
            if pane != "groups":
                await player.press("escape", str(PANES.index(pane) + 1))
            last = player.screen.splitlines()[-1]
            assert ("escape leave the text" if pane == "ask" else "? keys") in last  # in a text, ? is a letter
            assert "q quit" in last
        await player.press("escape", "2")
        screen = player.screen
        assert all(name in screen for name in player.tree.classes)
        if size[0] == 200:
            assert all(group.name in screen for group in player.tree.groups)


async def test_dialogs_fit_into_a_small_terminal(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:
        await player.press("enter", "d")
        assert "2 classes have" in player.screen
        assert "no answer" in player.screen
        await player.press("escape", "question_mark")
        assert "─ keys " in player.screen
        await player.press(*"leave a")
        assert "leave a dialog" in player.screen


@pytest.mark.slow
async def test_enter_on_a_problem_goes_to_its_place(play: Open, tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(BROKEN))
    async with play(path) as player:
        await player.press("3")
        problems = player.app.query_one("#problems", ProblemsPane).problems
        places = [(p.code, p.pointer) for p in problems]
        await go_to(player, places.index(("TG112", "/rules/Abrosk/form")))
        assert player.at == "rules"
        assert player.app.selection.class_name == "Abrosk"
        assert player.app.selection.rule_group
        assert player.app.selection.rule_group.name == "form"
        await player.press("3")
        await go_to(player, places.index(("TG111", "/classification_groups/colour/options/1")))
        assert player.at == "options"
        assert player.app.selection.option == "White"


async def go_to(player: Player, row: int) -> None:
    player.grid("problems").put_cursor(row)
    await player.press("enter")


async def test_a_tree_with_errors_opens_and_is_repaired(play: Open, tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(BROKEN))
    async with play(path) as player:
        assert "?7" in (await shown(player, "2"))
        errors = [p for p in player.app.review.problems if p.severity == "error"]
        assert {"TG110", "TG111", "TG112", "TG202", "TG206"} <= {p.code for p in errors}
        await player.press("shift+tab", "p")
        await player.answer("It is {}.")
        await player.press("1", "j", "d", "2", "l", "l", "enter", "up")
        await player.press("enter")
        assert player.word("Abrosk", "colour") == "green"
        assert player.word("Abrosk", "form") == "a ball"
        assert not {"TG110", "TG111", "TG112"} & {p.code for p in player.app.review.problems}


async def shown(player: Player, pane: str) -> str:
    await player.press(pane)
    return player.screen


@pytest.mark.slow
async def test_a_certain_fix_is_made_by_a_key_on_its_problem(play: Open, tmp_path: Path) -> None:
    """An option that stands twice has no name of its own, so no other edit could reach it."""
    path = tmp_path / "tree.json"
    twice = {"colour": {"prompt": "It is {}.", "options": ["white", "white", "green"]}}
    rules = {"Abrosk": {"colour": 1}, "Wendle": {"colour": 2}}
    path.write_text(json.dumps({"domain": "d", "classification_groups": twice, "rules": rules}))
    async with play(path) as player:
        before = player.tree
        await player.press("enter", "j", "r")
        await player.answer("grey")
        assert player.tree == before, "which of the two is not said"
        await player.press("escape", "3", "g", "f")
        assert player.options("colour") == ("white", "green")
        assert (player.word("Abrosk", "colour"), player.word("Wendle", "colour")) == ("white", "green")
        await player.press("u")
        assert player.tree == before


async def test_a_problem_without_a_certain_fix_says_so(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("1", "a")
        await player.answer("teal")
        await player.press("3", "f")
        assert "no certain fix" in player.said
        assert len(player.labels) == 1


async def test_without_a_domain_it_says_what_is_missing_and_what_supplies_it(play: Open, tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(BROKEN))
    async with play(path) as player:
        assert "domain.toml" in player.said
        assert "treegen" in player.app.review.missing
        for pane in ("4", "6"):
            await player.press(pane)
            assert player.app.review.missing[:40] in player.screen
        await player.press("1", "s")
        assert len(player.app.screen_stack) == 1


async def test_a_domain_without_images_says_that_nothing_is_scored(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        assert "names no images" in player.said
        assert "[images]" in (await shown(player, "4"))
        await player.press("1", "J")
        assert len(player.labels) == 1


@pytest.mark.slow
async def test_edit_keys_do_nothing_where_what_they_would_change_is_not_seen(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        for pane in ("3", "4", "5", "6"):
            await player.press(pane, "a", "r", "d", "p", "m", "x", "J", "K", "L")
            assert len(player.app.screen_stack) == 1
        await player.press("2", "m")
        assert len(player.app.screen_stack) == 1
        assert player.labels == []
        assert not player.app.review.session.locks
        assert "groups, options and rules" in player.said


async def test_the_history_shows_a_revision_whose_score_did_not_look_at_the_test_split(
    play: Open, unseen: Path
) -> None:
    dev_only: Any = {"encoder": {"fingerprint": "f"}, "images": {"digest": "sha256:0"}, "dev": {"accuracy": 0.5}}
    whole: Any = {**dev_only, "test": {"accuracy": 0.25}}
    async with play(unseen, (120, 40)) as player:
        store = player.app.review.session.store
        for note, score in (("sealed", dev_only), ("open", whole)):
            revision = store.add_revision(player.tree, author="human", note=note, parent=None)
            store.add_score(revision.id, score)
        await player.press("5")
        # the row comes first; the panel below may show the same revision
        sealed, *_ = (line for line in player.screen.splitlines() if " sealed " in line)
        seen, *_ = (line for line in player.screen.splitlines() if " open " in line)
        assert "test" not in sealed
        assert "test 25.0 %" in seen
