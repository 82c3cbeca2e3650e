"""The result of one examination."""

from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The result of one examination.

    Attributes:
        topic: `images`, `packages`, `language`, `vision`, `terminal` or `git`.
        name: what was looked at.
        state: `ok`; `off`, which one can do without; or `missing`, which the domain or the command line names.
        told: what was found. Never a key, only whether there is one.
        tip: what to do about it; empty where nothing need be done.
    """

    topic: Literal["images", "packages", "language", "vision", "terminal", "git"]
    name: str
    state: Literal["ok", "off", "missing"]
    told: str
    tip: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the finding as plain data."""
        return asdict(self)
