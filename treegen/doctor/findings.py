"""The result of one examination."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one examination.

    Attributes:
        topic: `images`, `packages`, `language`, `vision`, `terminal` or `git`.
        name: what was examined.
        state: `ok`; `off`, for something optional; or `missing`, for something the domain or the command line names.
        message: the result. Never a key, only whether there is one.
        tip: how to fix it; empty if there is nothing to fix.
    """

    topic: Literal["images", "packages", "language", "vision", "terminal", "git"]
    name: str
    state: Literal["ok", "off", "missing"]
    message: str
    tip: str = ""
