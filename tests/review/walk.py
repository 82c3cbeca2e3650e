"""A walk through every panel and dialog of the review, at one size; each stop is drawn in a dark and a light theme."""

import asyncio
import json
import re
from collections.abc import Iterator, Mapping, Sequence, Set
from pathlib import Path
from typing import Any, Final
from xml.sax.saxutils import escape

import pytest
from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.pilot import Pilot
from textual.widgets import Input, TextArea
from textual_image._terminal import CellSize, get_cell_size
from textual_image.widget import HalfcellImage

from tests.conftest import TREE
from tests.review.conftest import Player
from tests.review.settling import settle_by_the_loop
from tests.waiting import PATIENCE
from tests.workflow.test_second_review import answer_all
from treegen.history import checkpoints, sessions, store
from treegen.review.app import ReviewApp, open_app
from treegen.review.flows import browsing, detail, scoring
from treegen.review.screens import picture as full_size
from treegen.review.widgets import detail as detail_panel
from treegen.review.widgets import images
from treegen.tree.document import content_of
from treegen.workflow import approve
from treegen.workflow.demo import lay_out

THEMES: Final = ("textual-dark", "textual-light")
#: place -> the keys that lead there from the place before; escape leaves a dialog, and the text of ask
WALK: Final[Mapping[str, tuple[str, ...]]] = {
    "groups": ("1", "shift+tab"),
    "options": ("1", "j"),
    "rules": ("2", "j", "j", "l"),
    "search": ("slash", *"or"),
    "heat-map": ("escape", "escape", "2", "H"),
    "problems": ("H", "3"),
    "score": ("4",),
    "history": ("5",),
    "revision": ("G",),
    "images": ("6",),
    "thumbnails": ("v",),
    "picture": ("z",),
    "confusion": ("escape", "v", "8", "w"),
    "ask": ("7",),
    "proposals": ("escape",),
    "rename": ("1", "r"),
    "re-point": ("escape", "2", "l", "enter"),
    "delete": ("escape", "1", "d"),
    "changes": ("escape", "C"),
    "compare-with": ("b",),
    "approve": ("escape", "escape", "S"),
    "agreement": ("escape", "equals_sign"),
    "adjudication": ("enter",),
    "keys": ("escape", "1", "question_mark"),
    "finder": ("escape", "ctrl+p", *"tor"),
    "jump": ("escape", "o"),
    "details": ("escape", "1", "i"),
}
#: of these, with the most cells to draw, none is at the largest size
DIALOGS: Final = {
    "search",
    "picture",
    "rename",
    "re-point",
    "delete",
    "changes",
    "compare-with",
    "approve",
    "agreement",
    "adjudication",
    "finder",
    "jump",
    "details",
}
#: places of a review by a second reviewer, and of a file that cannot be parsed
APART: Final = ("second-review", "broken-file")
_CELL: Final = (10, 20)  # width and height, in pixels
_NOW: Final = "2026-01-05T12:00:00Z"


def freeze(patch: pytest.MonkeyPatch, config: Path) -> None:
    """Let nothing of this machine, its clock, and its person be seen."""
    settle_by_the_loop(patch)
    for module in (store, sessions, checkpoints, approve):
        patch.setattr(module, "now", lambda: _NOW)
    for module, name in ((detail, "_REST"), (detail, "_PICTURES"), (browsing, "_REST"), (scoring, "_PATIENCE")):
        patch.setattr(module, name, 0)
    for shown in (detail_panel, images, full_size):
        patch.setattr(shown, "Image", HalfcellImage)
    patch.setattr(get_cell_size, "_result", CellSize(*_CELL), raising=False)
    patch.setenv("XDG_CONFIG_HOME", str(config))
    for role in ("AUTHOR", "COMMITTER"):
        patch.setenv(f"GIT_{role}_NAME", "Ada")
        patch.setenv(f"GIT_{role}_EMAIL", "ada@example.org")


async def at_rest(app: ReviewApp, pilot: Pilot[None]) -> None:
    """Wait until the score is that of the tree, and the details, pictures and effects are there."""

    def busy() -> bool:
        working = any(not worker.is_finished and worker.group != "keys" for worker in app.workers)
        return working or (app.review.can_score and (app.review.measured is None or app.review.stale))

    async with asyncio.timeout(PATIENCE):
        await pilot.pause()
        while busy():
            await asyncio.sleep(0.01)
            await pilot.pause()


def prepare(folder: Path) -> Path:
    """Lay out the sketchbook with a tree in it that is scored, approved, changed since, and answered by a second."""
    lay_out(folder, count=8)
    domain = folder / "domain.toml"
    domain.write_text(re.sub(r"^model = .*$", 'model = "manual"', domain.read_text(), flags=re.MULTILINE))
    path = folder / "tree.json"
    path.write_text(TREE, encoding="utf-8")
    answer_all(path, "Grace", ("Abrosk", "colour", "gray"), ("Quillip", "colour", "blue"), ("Abrosk", "size", None))
    asyncio.run(_worked_on(path))
    return path


async def _worked_on(path: Path) -> None:
    """Approve, change and mark as a reviewer does."""
    app = open_app(path)
    with app.review:
        async with app.run_test(size=(120, 40)) as pilot:
            player = Player(app, pilot)
            for keys in (
                ("ctrl+s",),
                ("S", "enter"),
                ("1", "r", "ctrl+u", *"snow white", "enter"),
                ("2", "t", "c", *"is it ever gray?", "enter", "l", "enter", "down", "enter"),
                ("ctrl+s",),
            ):
                await at_rest(app, pilot)
                await player.press(*keys)
            await at_rest(app, pilot)


async def walk(path: Path, size: tuple[int, int], left_out: Set[str] = frozenset()) -> dict[str, str]:
    """Return place -> picture."""
    pictures: dict[str, str] = {}
    app = open_app(path)
    with app.review:
        async with app.run_test(size=size) as pilot:  # without messages: how long one is shown depends on the clock
            player = Player(app, pilot)
            await at_rest(app, pilot)
            for place, keys in WALK.items():
                await player.press(*keys)
                if place == "proposals":
                    await _propose(player)
                if place not in left_out:
                    pictures[place] = await draw(app, pilot, keys if place == "finder" else ())
    for place, opened in (("second-review", open_app(path, second="Edith")), ("broken-file", open_app(_broken(path)))):
        with opened.review:
            async with opened.run_test(size=size) as pilot:
                pictures[place] = await draw(opened, pilot)
    return pictures


async def _propose(player: Player) -> None:
    """Paste an answer that proposes three changes."""
    await player.press("F")
    await player.write("make it better")
    await player.press("ctrl+g")
    await player.until(lambda: player.app.clipboard)
    data: dict[str, Any] = content_of(player.tree)
    data["classification_groups"]["form"]["prompt"] = "It looks like {}."
    data["rules"]["Zandoor"]["colour"] = 0
    data["rules"]["Yaffin"]["mark"] = 3
    await player.write(json.dumps(data))
    await player.press("ctrl+g")
    await player.until(lambda: player.app.feedback.proposal_review and player.app.feedback.proposal_review.previews)


def _broken(path: Path) -> Path:
    broken = path.with_name("broken.json")
    broken.write_text(TREE.replace('"options": ["tiny"', '"options" ["tiny"'), encoding="utf-8")
    return broken


async def draw(app: ReviewApp, pilot: Pilot[None], again: Sequence[str] = ()) -> str:
    """Return the screen in both themes, as one picture; with keys where an open screen keeps its colours."""
    screens = {}
    for number, theme in enumerate(THEMES if app.theme == THEMES[0] else THEMES[::-1]):
        if again and number:
            await pilot.press("escape")
        app.theme = theme
        await at_rest(app, pilot)
        if again and number:
            await pilot.press(*again[1:])
            await at_rest(app, pilot)
        for field in (*app.screen.query(Input), *app.screen.query(TextArea)):
            field.cursor_blink = False
            field._cursor_visible = field.has_focus
        await pilot.pause()
        screens[theme] = _painted(app)
        while True:  # what follows the layout, such as the size of thumbnails, may be painted a moment later
            await at_rest(app, pilot)
            repainted = _painted(app)
            if repainted == screens[theme]:
                break
            screens[theme] = repainted
    return picture({theme: screens[theme] for theme in THEMES}, app.size)


def _painted(app: ReviewApp) -> list[list[Segment]]:
    update: Any = app.screen._compositor.render_update(full=True, screen_stack=app._background_screens, simplify=True)
    return [[segment for strip in line for segment in strip] for line in update.strips]


def picture(screens: Mapping[str, Sequence[Sequence[Segment]]], size: tuple[int, int]) -> str:
    """Return a small SVG of the same screen in several themes, one below the other.

    Textual's own has 200 KB, most of it in the pictures; all panels at all sizes would be 30 MB.
    """
    width, height = size
    classes: dict[str, str] = {}
    drawn = []
    for number, (theme, lines) in enumerate(screens.items()):
        drawn.append(f'<g id="{theme}" transform="translate(0 {number * height * _CELL[1]})">')
        drawn += [mark for y, line in enumerate(lines) for mark in _line(line, y, classes)]
        drawn.append("</g>")
    styles = [f".{name}{{{css}}}" for css, name in classes.items()]
    box = f"0 0 {width * _CELL[0]} {len(screens) * height * _CELL[1]}"
    head = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}">',
        "<style>text{font:16.6px DejaVu Sans Mono,monospace;white-space:pre}",
    ]
    return "\n".join([*head, *styles, "</style>", *drawn, "</svg>", ""])


def _line(line: Sequence[Segment], y: int, classes: dict[str, str]) -> Iterator[str]:
    """Yield the backgrounds and texts of a line; `classes` are those of the styles so far."""
    at, bottom = 0, (y + 1) * _CELL[1]
    for text, style, _ in line:
        x, width = at, cell_len(text)
        at += width
        if style is None:
            continue
        front, back, others = _css(style, is_picture="▀" in text)
        name = classes.setdefault(f"fill:{back}", f"s{len(classes)}")
        yield f'<path class="{name}" d="M{x * _CELL[0]} {bottom}v-{_CELL[1]}h{width * _CELL[0]}v{_CELL[1]}z"/>'
        if words := text.strip():
            x += len(text) - len(text.lstrip())
            name = classes.setdefault(f"fill:{front}{others}", f"s{len(classes)}")
            yield f'<text class="{name}" x="{x * _CELL[0]}" y="{bottom - 5}">{escape(words)}</text>'


def _css(style: Style, *, is_picture: bool) -> tuple[str, str, str]:
    """Return the colours of text and background, and what else is said of the text."""
    front, back = (color.get_truecolor().hex if color else "#888888" for color in (style.color, style.bgcolor))
    if style.reverse:
        front, back = back, front
    if is_picture:  # 4096 colours are enough of it
        front, back = (f"#{color[1]}{color[3]}{color[5]}" for color in (front, back))
    others = (";font-weight:bold" * bool(style.bold), ";font-style:italic" * bool(style.italic))
    return front, back, "".join(others) + ";text-decoration:underline" * bool(style.underline)
