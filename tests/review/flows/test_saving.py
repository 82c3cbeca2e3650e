"""Saving, and somebody else's writing into the same file."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.review.conftest import Open, Player
from treegen.review.app import open_app
from treegen.review.widgets.panes import ProblemsPane
from treegen.tree.document import dump, tree_from

pytestmark = pytest.mark.anyio


def written(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def somebody_writes(path: Path, colour: str) -> None:
    """Another program renames the first colour."""
    data = written(path)
    data.pop("digest", None)
    data["classification_groups"]["colour"]["options"][0] = colour
    path.write_text(dump(tree_from(data)))


async def save(player: Player, said: str = "saved tree.json") -> None:
    await player.press("ctrl+s")
    await player.until(lambda: said in player.said)


async def test_saving_writes_the_canonical_text_and_says_so(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("d")
        assert "unsaved" in player.screen.splitlines()[0]
        await save(player)
        assert unseen.read_text() == dump(player.tree)
        assert player.screen.splitlines()[0].rstrip().endswith(" saved")
        assert "colour" not in written(unseen)["classification_groups"]


async def test_quitting_with_unsaved_work_leaves_the_file_and_keeps_the_work(play: Open, unseen: Path) -> None:
    text = unseen.read_text()
    async with play(unseen) as player:
        await player.press("d", "q")
    assert unseen.read_text() == text
    async with play(unseen) as player:
        await save(player)
    assert "colour" not in written(unseen)["classification_groups"]


@pytest.mark.slow
async def test_a_save_over_somebody_elses_work_asks_and_merges(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("j", "p")
        await player.answer("It looks like {}.")
        somebody_writes(unseen, "ivory")
        await player.press("ctrl+s")
        await player.until(lambda: "changed by somebody else" in player.screen)
        assert written(unseen)["classification_groups"]["form"]["prompt"] != "It looks like {}.", "nothing written yet"
        await player.press("enter")
        await player.until(lambda: "saved tree.json" in player.said)
        groups = written(unseen)["classification_groups"]
        assert groups["form"]["prompt"] == "It looks like {}."
        assert groups["colour"]["options"][0] == "ivory"
        assert player.word("Abrosk", "colour") == "ivory"
        assert unseen.read_text() == dump(player.tree)


async def test_a_save_may_go_over_somebody_elses_work_which_is_kept(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("d")
        somebody_writes(unseen, "ivory")
        await player.press("ctrl+s")
        await player.until(lambda: "changed by somebody else" in player.screen)
        await player.press("down", "enter")
        await player.until(lambda: "saved tree.json" in player.said)
        assert "colour" not in written(unseen)["classification_groups"]
        kept = player.app.review.session.store.revisions()
        assert any('"ivory"' in revision.tree for revision in kept)


@pytest.mark.parametrize("keys", [("down", "down", "enter"), ("escape",)])
@pytest.mark.slow
async def test_a_save_may_wait_and_nothing_is_written(play: Open, unseen: Path, keys: tuple[str, ...]) -> None:
    async with play(unseen) as player:
        await player.press("d")
        somebody_writes(unseen, "ivory")
        theirs = unseen.read_text()
        await player.press("ctrl+s")
        await player.until(lambda: "changed by somebody else" in player.screen)
        await player.press(*keys)
        assert unseen.read_text() == theirs
        assert "unsaved" in player.screen.splitlines()[0]
        assert len(player.labels) == 1


async def test_what_a_merge_cannot_decide_is_shown_among_the_problems_and_not_saved(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("enter", "r")
        await player.answer("cream")
        somebody_writes(unseen, "ivory")
        theirs = unseen.read_text()
        await player.press("ctrl+s")
        await player.until(lambda: "changed by somebody else" in player.screen)
        await player.press("enter")
        await player.until(lambda: "could not be decided" in player.said)
        assert player.at == "problems"
        assert "TG305" in {p.code for p in player.app.review.problems}
        assert unseen.read_text() == theirs
        undecided = player.tree
        player.grid("problems").put_cursor(
            next(n for n, p in enumerate(player.app.query_one("#problems", ProblemsPane).problems) if p.code == "TG305")
        )
        await player.press("enter", "down", "enter")
        assert player.word("Abrosk", "colour") == "ivory"
        assert len(player.tree.conflicts) == len(undecided.conflicts) - 1
        assert unseen.read_text() == theirs
        await player.press("u")
        assert player.tree == undecided
        await player.press("u")
        assert player.options("colour")[0] == "cream"


@pytest.mark.slow
@pytest.mark.parametrize("text", ["{not json", "[1, 2]", ""])
async def test_a_file_that_is_no_tree_any_more_loses_nothing(play: Open, unseen: Path, text: str) -> None:
    async with play(unseen) as player:
        await player.press("d")
        mine = player.tree
        unseen.write_text(text)
        await player.press("ctrl+s")
        await player.until(lambda: "changed by somebody else" in player.screen)
        assert "write mine over it" in player.screen
        await player.press("up", "escape")
        assert unseen.read_text() == text
        assert player.tree == mine
        assert len(player.labels) == 1


async def test_a_file_that_is_gone_is_written_again(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("d")
        unseen.unlink()
        await player.press("ctrl+s")
        await player.until(lambda: "changed by somebody else" in player.screen or "saved" in player.said)
        if len(player.app.screen_stack) > 1:
            await player.press("enter")
        await player.until(lambda: "saved tree.json" in player.said)
        assert unseen.read_text() == dump(player.tree)


@pytest.mark.parametrize("text", ["<<<<<<< HEAD\n{}\n=======\n", "\udc80"])
async def test_what_is_not_a_tree_can_be_written_over_and_is_kept(play: Open, unseen: Path, text: str) -> None:
    data = text.encode(errors="surrogateescape")
    async with play(unseen, (120, 40)) as player:
        await player.press("J")
        unseen.write_bytes(data)
        await player.press("ctrl+s", "down", "enter")
        await player.until(lambda: "saved tree.json" in player.said)
        assert unseen.read_text() == dump(player.tree)
        (kept,) = unseen.parent.glob(".treegen/overwritten-*")
        assert kept.read_bytes() == data


async def test_the_tree_can_be_saved_under_another_name_but_not_over_another_file(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("J")
        unseen.write_text("<<<<<<< HEAD\n", encoding="utf-8")
        for name, told in (("domain.toml", "exists"), ("mine.json", "saved as mine.json")):
            await player.press("ctrl+s", "down", "down", "down", "enter")
            await player.answer(name)
            assert told in player.said
        assert unseen.with_name("mine.json").read_text() == dump(player.tree)
        assert unseen.read_text() == "<<<<<<< HEAD\n"
        assert player.app.review.session.unsaved


async def test_two_reviews_of_one_file_have_their_own_steps_and_the_second_to_save_is_told(
    play: Open, unseen: Path
) -> None:
    other = open_app(unseen)
    async with play(unseen) as player:
        await player.press("d")
        assert other.review.session.steps == ()
        other.review.session.become("theirs", tree_from(json.loads(unseen.read_text().replace('"white"', '"ivory"'))))
        other.review.session.save()
        await player.press("ctrl+s")
        await player.until(lambda: "changed by somebody else" in player.screen)
    other.review.close()


@pytest.mark.slow
async def test_locked_groups_and_classes_are_marked_and_stay_locked(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("j", "L")
        assert "* form" in player.screen
        await player.press("2", "L")
        assert "* Abrosk" in player.screen
        await player.press("q")
    async with play(unseen) as player:
        assert player.app.review.session.locks == {"group form", "class Abrosk"}
        assert "* form" in player.screen
        await player.press("j", "L")
        assert "* form" not in player.screen
        assert player.app.review.session.locks == {"class Abrosk"}


async def test_a_lock_follows_a_new_name_and_back(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("L", "r")
        await player.answer("hue")
        assert "* hue" in player.screen
        await player.press("u")
        assert "* colour" in player.screen
