"""Readable text: a filter over every painted line that keeps text at a contrast of 4.5:1, in any theme.

Themes are made by their authors, and colours are blended, dimmed and put on cursors: to choose readable ones widget by
widget would have to be done again for each theme. So the last step before the terminal looks at what is really painted.
"""

import re
from functools import lru_cache
from typing import Final

from rich.color import Color as RichColor
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.filter import LineFilter

#: the least contrast of text with its background (WCAG 2.2, 1.4.3, level AA)
LEAST: Final = 4.5
_STEPS: Final = 20  # from the colour itself to black or white
#: frames, bars, pictures in blocks and plots in dots are no text: quiet frames are to be quiet
_DRAWN: Final = re.compile(r"[\s\u2500-\u259f\u2800-\u28ff\U0001fb00-\U0001fbff]*")


def luminance(color: Color) -> float:
    """Return the relative luminance of a colour, 0 to 1.

    Source: WCAG 2.2, "relative luminance".
    """

    def linear(value: int) -> float:
        share = value / 255
        return share / 12.92 if share <= 0.04045 else float(((share + 0.055) / 1.055) ** 2.4)

    return 0.2126 * linear(color.r) + 0.7152 * linear(color.g) + 0.0722 * linear(color.b)


def contrast(one: Color, other: Color) -> float:
    """Return the contrast of two opaque colours, 1 to 21.

    >>> round(contrast(Color(0, 0, 0), Color(255, 255, 255)), 1)
    21.0
    """
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def readable(color: Color, background: Color) -> Color:
    """Return the nearest colour on the way to white or to black that is readable on the background."""
    if contrast(color, background) >= LEAST:
        return color
    ends = (Color(0, 0, 0), Color(255, 255, 255))
    end = max(ends, key=lambda each: contrast(each, background))
    mixed = (color.blend(end, step / _STEPS) for step in range(1, _STEPS))
    return next((each for each in mixed if contrast(each, background) >= LEAST), end)


class ReadableText(LineFilter):
    """Moves the colour of text away from its background where they are too close."""

    def apply(self, segments: list[Segment], background: Color) -> list[Segment]:
        """Return the segments of a line with readable styles."""
        behind = background.rich_color
        return [
            segment
            if segment.style is None or segment.control or _DRAWN.fullmatch(segment.text)
            else Segment(segment.text, readable_style(segment.style, behind))
            for segment in segments
        ]


@lru_cache(4096)
def readable_style(style: Style, behind: RichColor) -> Style:
    """Return a style whose text is readable; colours that the terminal chooses stay as they are.

    Args:
        style: of a text.
        behind: the background where the style has none.
    """
    back = style.bgcolor if style.bgcolor and not style.bgcolor.is_default else behind
    if style.color is None or style.color.triplet is None or back.triplet is None:
        return style
    color, background = Color.from_rich_color(style.color), Color.from_rich_color(back)
    if style.dim:  # the terminal would dim it: paint the same here, where it can be measured
        color, style = background.blend(color, 0.6), style + Style(dim=False)
    wanted = readable(color, background)
    return style + Style(color=wanted.rich_color)
