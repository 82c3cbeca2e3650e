"""Each edit of a reviewer: its keys, what the tree is then, and that one undo takes all of it back."""

from pathlib import Path

import pytest

from tests.review.conftest import Open, Player
from treegen.review.screens.dialogs import ChoiceDialog, SeveralDialog, TextDialog
from treegen.tree.model import Tree

pytestmark = pytest.mark.anyio


async def is_one_step(player: Player, before: Tree) -> None:
    """Undo takes all of it back at once, redo makes it again."""
    after = player.tree
    assert after != before
    assert len(player.labels) == 1
    await player.press("u")
    assert player.tree == before
    await player.press("U")
    assert player.tree == after


@pytest.mark.slow
async def test_an_option_is_added_behind_the_cursor_and_all_rules_keep_their_words(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        words = {name: player.word(name, "colour") for name in before.classes}
        await player.press("enter", "j", "a")
        assert isinstance(player.app.screen, TextDialog)
        await player.answer("teal")
        assert player.options("colour")[:4] == ("white", "green", "teal", "orange")
        assert {name: player.word(name, "colour") for name in before.classes} == words
        await is_one_step(player, before)


async def test_an_option_is_renamed_and_its_classes_have_the_new_word(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("2", "1", "j", "r")
        await player.answer("leaf green")
        assert player.word("Wendle", "colour") == "leaf green"
        assert player.options("colour")[1] == "leaf green"
        await is_one_step(player, before)


async def test_enter_on_an_option_renames_it_too(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("enter", "enter")
        await player.answer("snow white")
        assert player.word("Abrosk", "colour") == "snow white"


@pytest.mark.slow
async def test_deleting_an_option_that_nobody_has_asks_nothing(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("enter", "a")
        await player.answer("teal")
        before = player.tree
        await player.press("j", "d")
        assert "teal" not in player.options("colour")
        assert len(player.labels) == 2
        await player.press("u")
        assert player.tree == before


@pytest.mark.slow
async def test_deleting_an_option_that_classes_have_asks_where_they_go(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("enter", "j", "d")
        assert isinstance(player.app.screen, ChoiceDialog)
        assert '2 classes have "green"' in player.screen
        await player.press(*"blu", "enter")
        assert "green" not in player.options("colour")
        assert player.word("Wendle", "colour") == player.word("Torvane", "colour") == "blue"
        assert player.word("Quillip", "colour") == "orange"
        await is_one_step(player, before)


async def test_the_classes_of_a_deleted_option_may_be_left_without_an_answer(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("enter", "d")
        await player.answer("no answer")
        assert player.word("Abrosk", "colour") is None
        assert dict(player.tree.rules[0].answers)["colour"] is None
        assert player.word("Wendle", "colour") == "green"


async def test_leaving_the_question_where_classes_go_deletes_nothing(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("enter", "j", "d", "escape")
        assert player.tree == before
        assert player.labels == []


async def test_options_are_merged_into_one(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("enter", "j", "m")
        assert isinstance(player.app.screen, ChoiceDialog)
        await player.press("down", "enter")
        assert player.options("colour")[:2] == ("white", "orange")
        assert player.word("Wendle", "colour") == player.word("Quillip", "colour") == "orange"
        await is_one_step(player, before)


@pytest.mark.slow
async def test_an_option_is_split_and_the_marked_classes_get_the_new_one(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("enter", "j", "x")
        await player.answer("moss green")
        assert isinstance(player.app.screen, SeveralDialog)
        assert "Torvane" in player.screen
        await player.press("j", "space", "enter")
        assert player.options("colour")[1:3] == ("green", "moss green")
        assert player.word("Wendle", "colour") == "green"
        assert player.word("Torvane", "colour") == "moss green"
        await is_one_step(player, before)


async def test_an_option_moves_and_the_cursor_moves_with_it(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("enter", "J")
        assert player.options("colour")[:2] == ("green", "white")
        assert player.word("Abrosk", "colour") == "white"
        assert player.app.selection.option == "white"
        await player.press("K")
        assert player.tree == before
        await player.press("K")
        assert len(player.labels) == 2, "at the edge nothing moves, and nothing is a step"


async def test_a_group_is_added_with_prompt_and_options(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("a")
        await player.answer("tail")
        assert "This creature has {}." in player.screen
        await player.answer("The creature's tail is {}.")
        await player.answer("long, short")
        assert [g.name for g in player.tree.groups][:2] == ["colour", "tail"]
        assert player.options("tail") == ("long", "short")
        assert player.tree.groups[1].prompt == "The creature's tail is {}."
        assert player.word("Abrosk", "tail") is None
        await is_one_step(player, before)


@pytest.mark.slow
async def test_a_group_is_renamed_and_the_rules_follow(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("r")
        await player.answer("hue")
        assert player.tree.groups[0].name == "hue"
        assert player.word("Abrosk", "hue") == "white"
        await is_one_step(player, before)


async def test_a_group_is_deleted_with_all_its_answers_and_comes_back_with_them(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("j", "d")
        assert [g.name for g in player.tree.groups] == ["colour", "scene", "mark", "size"]
        assert all(rule.get("form") is None for rule in player.tree.rules)
        await is_one_step(player, before)


async def test_a_group_moves(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("shift+down")
        assert [g.name for g in player.tree.groups][:2] == ["form", "colour"]
        assert player.app.selection.group
        assert player.app.selection.group.name == "colour"
        await is_one_step(player, before)


@pytest.mark.slow
async def test_a_prompt_is_edited(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("p")
        await player.answer("Its fur is {}.")
        assert player.tree.groups[0].prompt == "Its fur is {}."
        await is_one_step(player, before)


async def test_a_rule_is_pointed_elsewhere_from_the_matrix(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("2", "j", "l", "enter")
        assert isinstance(player.app.screen, ChoiceDialog)
        await player.press("down", "enter")
        assert player.word("Abrosk G", "colour") == "green"
        await is_one_step(player, before)


async def test_marked_classes_are_pointed_elsewhere_in_one_step(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("2", "l", "space", "j", "j", "v", "k", "space", "g", "space")
        rules = player.grid("rules")
        names = [rules.text_at(row, 0) for row in range(4)]
        assert names == ["Abrosk", "+ Abrosk G", "Wendle", "+ Torvane"]
        assert "+ Torvane" in player.screen
        await player.press("enter")
        assert "2 classes in colour" in player.screen
        await player.answer("pink")
        assert [n for n in player.tree.classes if player.word(n, "colour") == "pink"] == [
            "Abrosk G",
            "Torvane",
            "Draquen",
        ]
        assert "+ " not in player.screen
        await is_one_step(player, before)


async def test_marks_are_taken_off_by_escape_and_go_with_their_class(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "space", "space", "escape")
        assert player.grid("rules").row_texts(0)[0] == "Abrosk"
        await player.press("g", "space", "g", "d", "l", "enter")
        assert "Abrosk G in colour" in player.screen


async def test_a_rule_loses_its_answer_and_the_matrix_shows_words_not_indices(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "l")
        row = next(line for line in player.screen.splitlines() if "Quillip" in line)
        assert "orange" in row
        assert "a ball" in row
        await player.press("enter")
        await player.answer("no answer")
        assert dict(player.tree.rules[0].answers)["colour"] is None


async def test_a_class_is_added_with_the_answers_of_another(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("2", "a", *"quil", "enter")
        await player.answer("Quillip B")
        assert player.tree.classes[:2] == ("Abrosk", "Quillip B")
        assert player.word("Quillip B", "form") == "a ball"
        await is_one_step(player, before)


@pytest.mark.slow
async def test_a_class_is_added_without_answers(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "a", "enter")
        await player.answer("Sorrel")
        assert set(dict(player.tree.rules[1].answers).values()) == {None}


async def test_leaving_the_first_of_two_questions_leaves_both(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("2", "a", "escape")
        assert len(player.app.screen_stack) == 1
        assert player.labels == []


@pytest.mark.slow
async def test_a_class_is_renamed_and_deleted(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("2", "r")
        await player.answer("Abroskan")
        assert player.tree.classes[0] == "Abroskan"
        assert player.word("Abroskan", "colour") == "white"
        await player.press("d")
        assert player.tree.classes[0] == "Abrosk G"
        await player.press("u", "u")
        assert player.tree == before


async def test_a_class_moves(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press("2", "J")
        assert player.tree.classes[:2] == ("Abrosk G", "Abrosk")
        await is_one_step(player, before)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("keys", "text", "told"),
    [
        (("enter", "a"), "white", "already"),
        (("enter", "a"), "White", "same as"),
        (("enter", "a"), "   ", "blank"),
        (("enter", "a"), "it is {}", "{}"),
        (("enter", "r"), "green", "already"),
        (("r",), "form", "already"),
        (("p",), "no place", "{} exactly once"),
        (("p",), "two {} {}", "{} exactly once"),
        (("2", "r"), "Wendle", "already"),
        (("2", "r"), " ", "blank"),
        (("enter", "x"), "purple", "already"),
        (("a",), "scene", "already"),
    ],
)
async def test_a_text_that_would_be_wrong_says_why_while_typed_and_is_not_taken(
    play: Open, unseen: Path, keys: tuple[str, ...], text: str, told: str
) -> None:
    async with play(unseen) as player:
        before = player.tree
        await player.press(*keys)
        await player.write(text)
        assert told in player.screen
        await player.press("enter")
        assert isinstance(player.app.screen, TextDialog), "still asked"
        await player.press("escape")
        assert player.tree == before
        assert player.labels == []


async def test_an_edit_that_changes_nothing_is_no_step(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("enter", "r", "enter", "p", "enter")
        assert len(player.app.screen_stack) == 1
        assert player.labels == []


async def test_keys_on_an_empty_tree_say_what_to_do_and_break_nothing(play: Open, tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text('{"domain": "d", "classification_groups": {}, "rules": {}}')
    async with play(path) as player:
        assert "no group yet" in player.screen
        for pane in ("1", "2"):
            await player.press(pane, "d", "r", "p", "m", "x", "J", "K", "L", "enter", "y", "u", "U")
            assert len(player.app.screen_stack) == 1
        await player.press("2")
        assert "no class yet: a adds one" in player.screen
        await player.press("a", "enter")
        await player.answer("Newt")
        assert player.tree.classes == ("Newt",)
