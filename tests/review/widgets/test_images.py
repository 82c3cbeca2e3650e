"""The images pane: what is wrongly classified, its picture, the answers behind it, and the rule at fault."""

import json
from collections import Counter
from pathlib import Path

import pytest
from textual.widgets import Static
from textual_image.widget import Image

from tests.review.conftest import Open, Player
from treegen import Tree, load_tree
from treegen.files import hash_of
from treegen.history.checkpoints import Checkpoints
from treegen.history.store import Store
from treegen.review.widgets.images import ImagesPane
from treegen.tree.document import digest_of

pytestmark = pytest.mark.anyio


async def opened(player: Player) -> ImagesPane:
    await player.until(lambda: player.app.review.measured)
    await player.press("6")
    pane = player.app.query_one(ImagesPane)
    assert pane.mistakes, "this tree does not get all images right"
    return pane


@pytest.mark.slow
async def test_the_wrongly_classified_are_listed_with_picture_and_votes(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        pane = await opened(player)
        mistakes, votes = player.grid("mistakes"), player.grid("votes")
        assert player.at == "mistakes"
        counted = Counter(m.true for m in pane.mistakes)
        measured = player.app.review.measured
        assert measured
        assert {
            c["name"]: round(c["n"] * (1 - c["recall"])) for c in measured.dev["classes"] if c["recall"] < 1
        } == counted
        for row in (0, mistakes.count - 1):
            mistakes.put_cursor(row)
            await player.pilot.pause()
            one = pane.mistakes[row]
            assert mistakes.row_texts(row) == [one.true, one.predicted, one.at_fault.group, one.image.name]
            picture = player.app.query_one("#picture", Image)
            assert picture.image
            shown = {vote.group: votes.row_texts(n) for n, vote in enumerate(one.votes)}
            for group in player.tree.groups:
                _, seen, ours, theirs, _ = shown[group.name]
                assert seen.rpartition(" (")[0] in group.options
                assert [ours, theirs] == [player.word(c, group.name) or "-" for c in (one.true, one.predicted)]
            assert one.true in player.screen
            assert one.predicted in player.screen
        at = player.app.query_one("#picture", Image).region
        drawn = [line[at.x : at.right].strip() for line in player.screen.splitlines()[at.y : at.bottom]]
        assert len(drawn) >= 8
        assert all(drawn), "without a terminal's own pictures it is drawn in characters"


@pytest.mark.slow
async def test_enter_goes_to_the_rule_at_fault_or_to_the_chosen_group(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        pane = await opened(player)
        one = pane.mistake
        assert one
        await player.press("enter")
        assert player.at == "rules"
        assert player.app.selection.class_name == one.true
        assert player.app.selection.rule_group
        assert player.app.selection.rule_group.name == one.at_fault.group
        await player.press("6", "tab", "G", "enter")
        assert player.app.selection.class_name == one.true
        assert player.app.selection.rule_group.name == one.votes[-1].group


@pytest.mark.slow
async def test_the_name_of_the_file_is_copied(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        pane = await opened(player)
        await player.press("y")
        assert pane.mistake
        assert player.app.clipboard == pane.mistake.image.name


@pytest.mark.slow
@pytest.mark.parametrize("harm", ["missing", "corrupt"])
async def test_a_picture_that_cannot_be_shown_says_so(play: Open, tree_file: Path, harm: str) -> None:
    async with play(tree_file, (120, 40)) as player:
        pane = await opened(player)
        path = pane.mistakes[1].image.path
        if harm == "missing":
            path.unlink()
        else:
            path.write_bytes(b"no picture at all")
        await player.press("j")
        assert path.name in str(player.app.query_one("#broken").render())
        assert player.app.query_one("#picture", Image).image is None
        assert player.grid("votes").count == len(player.tree.groups)
        await player.press("k")
        assert player.app.query_one("#picture", Image).image
        assert not str(player.app.query_one("#broken").render())


async def test_without_images_it_says_what_is_missing(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("6")
        assert "names no images" in player.screen
        await player.press("enter", "tab", "enter", "j", "y")
        assert player.app.pane == "images"


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40)])
async def test_list_picture_and_votes_fit(play: Open, tree_file: Path, size: tuple[int, int]) -> None:
    async with play(tree_file, size) as player:
        await opened(player)
        at = {name: player.app.query_one(f"#{name}").region for name in ("mistakes", "frame", "votes")}
        assert all(region.height >= 6 and region.right <= size[0] for region in at.values())
        assert at["frame"].right <= at["votes"].x


@pytest.mark.slow
async def test_a_doubtful_label_shows_what_it_looks_like_and_what_a_vision_model_says(
    play: Open, tree_file: Path
) -> None:
    images, tree = tree_file.parent / "images", load_tree(tree_file)
    for number in range(4):
        (images / "Zandoor" / f"{number:03}.png").replace(images / "Nubbet" / f"z{number:03}.png")
    answers = {**{group.name: None for group in tree.groups}, "form": "a fish"}
    opinion = json.dumps({"model": "openai/eye", "seen": "A fish with antlers.", "answers": answers})
    with Store(tree_file) as store:
        for path in (images / "Nubbet").iterdir():
            key = [digest_of(Tree(domain=tree.domain, groups=tree.groups, rules=()))]
            Checkpoints(store).put(f"opinion {hash_of(path)}", key, opinion)
    async with play(tree_file, (120, 44)) as player:
        pane = await opened(player)
        mistakes, beside = player.grid("mistakes"), player.app.query_one("#beside")
        rows = {one.label_doubtful: row for row, one in enumerate(pane.mistakes) if one.true == "Nubbet"}
        mistakes.put_cursor(rows[True])
        await player.until(lambda: "openai/eye: A fish with antlers." in said(player))
        assert "openai/eye: A" in player.screen
        assert "model sees" in player.screen
        assert "a fish" in [player.grid("votes").text_at(row, 2) for row in range(len(tree.groups))]
        assert beside.display
        assert player.app.query_one("#instead", Image).image
        assert f"looks like {pane.mistakes[rows[True]].predicted}" in " ".join(said(player).split())
        others = [row for row, one in enumerate(pane.mistakes) if not one.label_doubtful]
        mistakes.put_cursor(others[0])
        await player.until(lambda: not beside.display)
        assert "looks like" not in said(player)


def said(player: Player) -> str:
    return str(player.app.query_one("#said", Static).content)
