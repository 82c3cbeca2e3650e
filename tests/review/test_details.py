"""The detail panel: what the cursor is on, in words and in pictures; where there is room, or after a key."""

from pathlib import Path

import pytest
from textual.widgets import Static

from tests.review.conftest import Open, Player
from treegen.review.preferences import load_preferences
from treegen.review.widgets.body import Body
from treegen.review.widgets.detail import DetailPanel, Thumbnail
from treegen.review.widgets.panes import ProblemsPane

pytestmark = pytest.mark.anyio


def text(player: Player) -> str:
    return str(player.app.query_one("#detail-lines", Static).content)


def title(player: Player) -> str:
    return player.app.query_one(DetailPanel).border_title or ""


def pictures(player: Player) -> list[Thumbnail]:
    return [each for each in player.app.query(Thumbnail) if each.display]


async def shows(player: Player, *parts: str) -> None:
    await player.until(lambda: all(part in text(player) for part in parts))


@pytest.mark.slow
async def test_groups_options_and_classes_are_shown_with_numbers_and_pictures(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (200, 60)) as player:
        await player.until(lambda: not player.app.review.stale)
        measured = player.app.review.measured
        assert measured
        assert measured.observations
        group = player.tree.groups[0]
        diagnosis = measured.group(group.name)
        assert diagnosis
        await shows(player, group.prompt.replace("{}", group.options[0]), "without it", *group.options)
        await player.until(lambda: pictures(player))

        await player.press("enter")
        right, wrong = measured.observations.taken_for(group.name, group.options[0])
        known = diagnosis["options"][0]
        assert len(right) == round(known["accuracy"] * known["n"]), "what is right is what is recognised"
        await shows(player, f"recognised in {len(right)} of {known['n']}", f"{len(wrong)} wrong")
        marks = {str(each.query_one(Static).content)[0] for each in pictures(player)}
        await player.until(lambda: marks <= {"✓", "✗"})

        await player.press("2", "right")
        name = player.tree.classes[0]
        of = measured.class_(name)
        assert of
        words = [player.word(name, each.name) or "-" for each in player.tree.groups]
        await shows(player, *words, f"n={of['n']}", "recognised")
        assert title(player).strip() == name
        for asked, word in zip(measured.observations.groups, words, strict=True):
            mine = [i for i, _ in enumerate(asked.answers) if measured.observations.class_of(i) == name]
            if word != "-":
                seen = sum(asked.options[asked.answers[i]] == word for i in mine)
                assert f"{seen}/{len(mine)}" in next(row for row in text(player).splitlines() if asked.name in row)


async def test_a_small_terminal_shows_the_details_after_a_key(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:

        def is_shown() -> bool:
            return bool(player.app.query_one(DetailPanel).display)

        assert not is_shown()
        await player.press("i")
        assert is_shown()
        await shows(player, player.tree.groups[0].prompt.replace("{}", player.tree.groups[0].options[0]))
        await player.press("j")
        await shows(player, player.tree.groups[1].prompt.partition("{}")[0])
        await player.press("i")
        assert not is_shown()
        assert load_preferences()[0].details == "auto"


async def test_the_details_stand_beside_the_panes_or_below_and_that_is_kept(play: Open, unseen: Path) -> None:
    for size, beside in (((200, 60), True), ((120, 40), False)):
        async with play(unseen, size) as player:
            assert player.app.query_one(Body).has_class("beside") == beside
    async with play(unseen, (200, 60)) as player:
        await player.press("I")
        assert not player.app.query_one(Body).has_class("beside")
    async with play(unseen, (200, 60)) as player:
        assert not player.app.query_one(Body).has_class("beside")
        detail, panes = (player.app.query_one(name).region for name in ("#detail", "#panes"))
        assert detail.y >= panes.bottom


async def test_a_problem_is_shown_whole_with_its_fix(play: Open, unseen: Path) -> None:
    unseen.write_text(unseen.read_text().replace('"stripes"', '" stripes "'), encoding="utf-8")
    async with play(unseen, (120, 40)) as player:
        await player.press("3")
        problems = player.app.query_one(ProblemsPane).problems
        await shows(player, problems[0].message)
        assert problems[0].code in title(player)
        fixed = next(problem for problem in problems if problem.fix)
        player.grid("problems").put_cursor(problems.index(fixed))
        assert fixed.fix
        await shows(player, fixed.fix.summary)


async def test_steps_and_revisions_are_shown_with_their_changes_in_words(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("r")
        await player.answer("shade")
        await player.press("ctrl+s", "J", "5")
        step = player.app.review.session.steps[1]
        await shows(player, step.changes[0].sentence)
        await player.press("j")
        await shows(player, '"shade"')
        await player.press("j")
        await player.until(lambda: "revision" in title(player))
        await shows(player, 'renamed to "shade"')


async def test_no_key_is_lost_in_the_details_and_they_scroll(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:
        await player.press("i")
        await shows(player, "its options")
        player.app.query_one("#detail-text").focus()
        before = text(player)
        await player.press("down", "a", "d", "r")
        assert len(player.app.screen_stack) == 1
        assert player.labels == []
        assert text(player) == before
