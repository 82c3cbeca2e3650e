"""What is really painted: the contrast of each text with its background, on the screen of a running application."""

from collections.abc import Iterator
from typing import Any

from textual.app import App
from textual.color import Color

from treegen.review.contrast import contrast


def texts(app: App[Any]) -> Iterator[tuple[str, float]]:
    """Each painted text with its contrast; not frames, bars, pictures and plots."""
    for strip in app.screen._compositor.render_strips():
        for segment in strip:
            style = segment.style
            if style and style.color and style.bgcolor and any(_is_letter(c) for c in segment.text):
                text = "".join(c for c in segment.text if _is_letter(c))
                yield text, contrast(Color.from_rich_color(style.color), Color.from_rich_color(style.bgcolor))


def _is_letter(character: str) -> bool:
    """A slow, obvious rule: what a reader reads; block elements, box drawing and braille are drawings."""
    return not character.isspace() and not 0x2500 <= ord(character) <= 0x28FF


def least(app: App[Any]) -> tuple[float, str]:
    """The least contrast on the screen, and a text that has it."""
    return min(((ratio, text) for text, ratio in texts(app)), default=(21.0, ""))
