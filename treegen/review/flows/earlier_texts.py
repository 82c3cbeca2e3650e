"""Feedback that was sent before, for the up arrow."""

import json
from typing import Final

from treegen.review.context import ReviewContext

_STORED_AS: Final = "feedback sent"
_MOST: Final = 50


class EarlierTexts:
    """The texts that were sent, oldest first, and the place in them; behind the last is what is being written."""

    def __init__(self, context: ReviewContext) -> None:
        self._context = context
        self._place: int | None = None  # that of the text that is shown; `None` behind the last
        self._draft = ""

    @property
    def _texts(self) -> list[str]:
        return list(json.loads(self._context.review.session.stored_text(_STORED_AS) or "[]"))

    def add(self, text: str) -> None:
        """Keep a text that is sent; one that was sent before becomes the last."""
        texts = [each for each in self._texts if each != text]
        self._context.review.session.store_text(_STORED_AS, json.dumps([*texts, text][-_MOST:]))
        self._place = None

    def move(self, step: int, shown: str) -> str | None:
        """Return the text before (-1) or behind (1) the one that is shown; `None` if there is none."""
        texts = self._texts
        if self._place is None or self._place >= len(texts) or texts[self._place] != shown:
            self._place, self._draft = len(texts), shown  # it was changed: from here on it is the draft
        place = self._place + step
        if not 0 <= place <= len(texts):
            return None
        self._place = place
        return self._draft if place == len(texts) else texts[place]
