"""The heat map of the rules, the confusion matrix, and the browser of images."""

import platform
import shutil
from pathlib import Path
from typing import Any

import pytest
from textual.theme import BUILTIN_THEMES
from textual_image.widget import Image

from tests.review.bursts import Screen
from tests.review.conftest import Open, Player
from tests.review.painted import least
from tests.review.test_contrast import THEMES
from tests.waiting import wait_until
from treegen.clip.diagnosis.confusion import confusion_matrix
from treegen.clip.diagnosis.group_report import GroupPredictions
from treegen.clip.diagnosis.observations import Observations
from treegen.errors import InputError
from treegen.images import LabelledImage
from treegen.review.contrast import LEAST
from treegen.review.flows import browsing
from treegen.review.screens.picture import PictureScreen
from treegen.review.widgets.confusion import ConfusionPane
from treegen.review.widgets.detail import Thumbnail
from treegen.review.widgets.grid import SHADES
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import RulesPane
from treegen.workflow.review_model import Measurement

pytestmark = pytest.mark.anyio


async def scored(player: Player) -> Observations:
    await player.until(lambda: not player.app.review.stale)
    measured = player.app.review.measured
    assert measured
    assert measured.observations
    return measured.observations


def matrix(player: Player) -> ConfusionPane:
    return player.app.query_one(ConfusionPane)


def pictures(player: Player) -> ImagesPane:
    return player.app.query_one(ImagesPane)


@pytest.mark.slow
async def test_the_heat_map_counts_how_often_clip_gives_each_answer_and_follows_an_edit(
    play: Open, tree_file: Path
) -> None:
    async with play(tree_file, (120, 40)) as player:
        seen = await scored(player)
        await player.press("2", "l", "H")
        pane = player.app.query_one(RulesPane)
        asked = seen.groups[0]

        def expected(name: str) -> str:
            mine = [i for i in range(len(seen.images)) if seen.class_of(i) == name]
            given = sum(asked.options[asked.answers[i]] == player.word(name, asked.name) for i in mine)
            return f"{100 * given / len(mine):.0f}"

        for row, name in enumerate(player.tree.classes):
            assert pane.text_at(row, 1).split() == [expected(name), *(player.word(name, asked.name) or "").split()]
        assert "% of dev images" in player.screen
        await player.press("y")
        assert player.app.clipboard == player.word(player.tree.classes[0], asked.name)
        await player.press("enter", "down", "enter")
        assert player.app.review.stale
        assert pane.text_at(0, 1).split()[0] == expected(player.tree.classes[0]), "the answers are those of before"
        await player.press("H")
        assert "%" not in pane.text_at(1, 1)


@pytest.mark.slow
async def test_a_cell_of_the_confusion_matrix_leads_to_its_images(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        seen = await scored(player)
        pairs = [(image.label, predicted) for image, predicted in zip(seen.images, seen.predictions, strict=True)]
        await player.press("8", "w")
        pane = matrix(player)
        true, predicted = confusion_matrix(*zip(*pairs, strict=True)).confused[0]
        assert pane.pair == (seen.classes[true], seen.classes[predicted])
        assert pane.number == pairs.count((true, predicted)) > 0
        words = f"{seen.classes[true]} taken for {seen.classes[predicted]}: {pane.number} of "
        assert words in player.screen
        for row in range(pane.count):
            counts = [int(text or 0) for text in pane.row_texts(row)[1:]]
            assert counts == [pairs.count((row, column)) for column in range(len(seen.classes))]
        await player.press("enter")
        shown = pictures(player).shown
        assert [each.index for each in shown] == [i for i, pair in enumerate(pairs) if pair == (true, predicted)]
        await player.press("8", "W", "w", "ampersand")
        await player.write(f'class="{seen.classes[true]}"')
        await player.press("enter")
        assert pane.count == 1
        assert pane.pair == (seen.classes[true], seen.classes[predicted]) or pane.number == 0
        await player.press("escape", "g", "end", "h", "h", "h", "h", "h", "h", "h", "h", "h", "h", "h", "h", "h")
        await player.press("enter")
        assert {each.true for each in pictures(player).shown} == {seen.classes[-1]}, "from its name all of the class"


@pytest.mark.slow
async def test_images_are_browsed_as_thumbnails_and_in_full_size(
    play: Open, tree_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with play(tree_file, (120, 40)) as player:
        seen = await scored(player)
        await player.press("6")
        pane = pictures(player)
        wrong = len(pane.shown)
        await player.press("w")
        assert len(pane.shown) == len(seen.images) - wrong
        assert all(each.mistake is None and each.true == each.predicted for each in pane.shown)
        assert player.grid("votes").count == len(player.tree.groups)
        await player.press("enter")
        assert player.app.selection.class_name == pane.shown[0].true, "no group is at fault, so its rules"
        await player.press("6", "w")
        assert [each.index for each in pane.shown] == list(range(len(seen.images)))

        def thumbnails() -> list[Thumbnail]:
            return [each for each in pane.page.query(Thumbnail) if each.display]

        def here() -> list[int]:
            return [n for n, each in enumerate(thumbnails(), pane.page.first) if each.has_class("here")]

        await player.press("v")
        await player.until(lambda: here() == [0])
        across = pane.page.across
        assert 1 < len(thumbnails()) < len(seen.images), "only what is seen is read"
        assert all(each.query_one(Image).image for each in thumbnails())
        await player.press("l", "j")
        await player.until(lambda: here() == [across + 1])
        await player.press("G")
        await player.until(lambda: here() == [len(seen.images) - 1])
        pane.shown[0].image.path.unlink()
        await player.press("g", "z")
        screen = player.app.screen
        assert isinstance(screen, PictureScreen)
        assert f"{pane.shown[0].image.name}: " in player.screen, "a picture that is gone says so"
        await player.press("l")
        assert screen.query_one("#full-picture", Image).image
        assert f"2 of {len(seen.images)}" in player.screen
        monkeypatch.setattr(shutil, "which", lambda name: None)
        await player.press("O", "escape")
        assert "so no viewer can be opened" in player.said
        assert pane.list.row == 1
        await player.press("ampersand", *"right &class=a", "enter")
        assert pane.shown
        assert all(each.mistake is None and "a" in each.true.casefold() for each in pane.shown)
        await player.press("escape", "v")
        await player.pilot.pause()
        assert pane.query_one("#picture", Image).image or pane.list.row == 0


async def test_the_viewer_gets_the_file_and_its_failure_is_told(
    play: Open, unseen: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    heard, viewer = tmp_path / "heard", tmp_path / "xdg-open"
    viewer.write_text(f'#!/bin/sh\necho "$1" > {heard}\nexit 4\n')
    viewer.chmod(0o755)
    monkeypatch.setattr(browsing, "viewer", lambda: [str(viewer)])
    monkeypatch.chdir(tmp_path)
    async with play(unseen, (120, 40)) as player:
        scored_as(player, observed(player.tree, ("one",), (0, 0), 2))
        await player.press("6", "w", "O")
        assert "0-0.png: No such file" in player.said
        Path("0-0.png").write_bytes(b"")
        await player.press("O")
        await player.until(lambda: "ended with 4" in player.said)
        assert Path(heard.read_text().strip()) == Path("0-0.png").resolve()


def test_without_a_display_or_a_viewer_one_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    with pytest.raises(InputError, match="no display"):
        browsing.viewer()
    monkeypatch.setenv("DISPLAY", ":0")
    assert browsing.viewer() == ["xdg-open"]
    monkeypatch.setattr(platform, "system", lambda: "Darwin")
    monkeypatch.delenv("DISPLAY")
    assert browsing.viewer() == ["open"]


async def test_without_a_score_each_says_why(play: Open, unseen: Path) -> None:
    async with play(unseen, (120, 40)) as player:
        await player.press("2", "H")
        assert "no heat map: " in player.screen
        assert "names no images" in player.said
        await player.press("8")
        assert "names no images" in player.screen
        await player.press("w", "W", "enter", "y", "slash", "z", "enter", "j", "l")
        await player.press("6", "w", "v", "z", "O", "j", "enter", "v")
        assert "no image is under the cursor" in player.said
        assert "names no images" in player.screen


def observed(tree: Any, classes: tuple[str, ...], predictions: tuple[int, ...], per_class: int) -> Measurement:
    """A score of that many classes, of pictures that are not there."""
    import numpy as np

    images = tuple(
        LabelledImage(path=Path(f"{k}-{n}.png"), label=k) for k in range(len(classes)) for n in range(per_class)
    )
    group, size = tree.groups[0], len(images)
    zeros, ones = np.zeros(size, dtype=np.int64), np.ones(size)
    asked = GroupPredictions(
        name=group.name,
        options=group.options,
        matrix=np.zeros((len(classes), len(group.options))),
        rows=np.array([image.label for image in images]),
        names=classes,
        expected=zeros,
        answers=zeros,
        seconds=zeros,
        confidence=ones,
        odds=ones,
    )
    seen = Observations(images=images, classes=classes, predictions=predictions, groups=(asked,))
    dev: Any = {"accuracy": 0.5, "interval": [0.4, 0.6], "n": size, "classes": [], "groups": []}
    return Measurement(tree=tree, dev=dev, observations=seen)


def scored_as(player: Player, measured: Measurement) -> None:
    player.app.review.missing = ""
    player.app.review.measured = measured


@pytest.mark.slow
async def test_every_shade_is_readable_in_every_theme(play: Open, unseen: Path) -> None:
    bad = []
    async with play(unseen, (120, 40)) as player:
        names = player.tree.classes
        predictions = tuple(k if n < k else (k + 1) % len(names) for k in range(len(names)) for n in range(len(names)))
        scored_as(player, observed(player.tree, names, predictions, len(names)))
        for keys in (("2", "H"), ("8", "j", "l")):
            await player.press(*keys)
            for theme in THEMES:
                player.app.theme = theme
                await player.pilot.pause()
                ratio, text = least(player.app)
                if ratio < LEAST:
                    bad.append(f"{theme}, {keys}: {text} {ratio:.2f}")
        tones = {f"{kind}{n}" for kind in ("good", "bad") for n in range(1, SHADES + 1)}
        shades = {player.grid("rules")._style(tone).bgcolor for tone in tones}
        assert len(shades) == len(tones)
        player.app.theme = next(name for name, theme in BUILTIN_THEMES.items() if theme.ansi)
        await player.pilot.pause()
        assert "taken for" in player.screen
    assert not bad, "\n".join(bad)


@pytest.mark.slow
async def test_three_hundred_classes_scroll_and_one_is_a_matrix_too(play: Open, unseen: Path) -> None:
    async with play(unseen, (80, 24)) as player:
        many = tuple(f"class {k} [bold]字" for k in range(300))
        predictions = tuple((k + n % 2) % 300 for k in range(300) for n in range(4))
        scored_as(player, observed(player.tree, many, predictions, 4))
        await player.press("8", "G", *"l" * 30)
        pane = matrix(player)
        assert (pane.row, pane.column) == (299, 30)
        assert "class 299 [bold]字 taken for class 29" in pane.words
        await player.press("w")
        assert pane.number == 2
        await player.press("ampersand")
        await player.write('class="class 7 [bold]字"')
        await player.press("enter")
        assert pane.count == 1
        assert len(pane.predicted) == 2, "of the columns, those that the rows are taken for"
        await player.press("escape")
        player.app.review.measured = observed(player.tree, ("one",), (0, 0), 2)
        await player.press("1", "8", "l", "w")
        assert pane.row_texts(0) == ["one", "2"]
        assert "no image of these classes is wrongly classified" in player.said


@pytest.mark.slow
@pytest.mark.parametrize("size", [(80, 24), (120, 40), (200, 60)])
async def test_heads_of_the_matrix_fit(play: Open, unseen: Path, size: tuple[int, int]) -> None:
    async with play(unseen, size) as player:
        names = player.tree.classes
        scored_as(player, observed(player.tree, names, tuple(range(len(names))), 1))
        await player.press("8")
        await player.pilot.pause()
        pane, first = matrix(player), names[0]
        at = len("Abrosk G") + 2
        down = "".join(pane.render_line(y).text[at] for y in range(20))
        assert first[:4] in down.replace(" ", "")
        assert "8 con" in player.screen.splitlines()[1]
        assert all(name in player.screen for name in names[:9])


@pytest.mark.terminal
def test_the_keys_work_in_a_real_terminal(tree_file: Path) -> None:
    screen = Screen(tree_file, "true")
    try:
        screen.shows("n=52")
        screen.type(b"2H")
        wait_until(lambda: any("% of dev" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"8w")
        wait_until(
            lambda: any(" taken for " in line and " of 4" in line for line in screen.lines), lambda: screen.lines
        )
        screen.type(b"\rv")
        wait_until(lambda: any("thumbnails 1 to" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"z")
        wait_until(lambda: any("system's viewer" in line for line in screen.lines), lambda: screen.lines)
        screen.type(b"q")
        wait_until(lambda: any("thumbnails 1 to" in line for line in screen.lines), lambda: screen.lines)
        assert screen.leave() == 0
    finally:
        screen.close()
