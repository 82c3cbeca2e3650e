"""Changes to the unresolved merge conflicts. Conflicts are not content: `difference` ignores them."""

import json
from dataclasses import dataclass
from typing import Any, ClassVar

from treegen.text import quote
from treegen.tree.changes.interface import Change, ChangeError, MutableTree
from treegen.tree.model import Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class _OneConflict(Change):
    """A conflict that is added or removed.

    Attributes:
        place: its index in the tree, from 0.
    """

    place: int
    what: str
    ours_json: str
    theirs_json: str

    def _fields(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("place", "what", "ours_json", "theirs_json")}

    def _conflict(self) -> Conflict:
        return Conflict(what=self.what, ours_json=self.ours_json, theirs_json=self.theirs_json)


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictAdded(_OneConflict):
    """A conflict to resolve."""

    kind: ClassVar[str] = "conflict_added"

    def _describe(self) -> str:
        return f"to decide: {quote(self.what)}"

    def _make(self, draft: MutableTree) -> None:
        for text in (self.ours_json, self.theirs_json):
            _need_list(text)
        draft.conflicts.insert(self.place, self._conflict())

    def _inverse(self) -> "ConflictRemoved":
        return ConflictRemoved(**self._fields())


@dataclass(frozen=True, slots=True, kw_only=True)
class ConflictRemoved(_OneConflict):
    """A resolved conflict."""

    kind: ClassVar[str] = "conflict_removed"

    def _describe(self) -> str:
        return f"decided: {quote(self.what)}"

    def _make(self, draft: MutableTree) -> None:
        if self._conflict() not in draft.conflicts:
            raise ChangeError(f"there is no conflict {quote(self.what)}")
        draft.conflicts.remove(self._conflict())

    def _inverse(self) -> ConflictAdded:
        return ConflictAdded(**self._fields())


def _need_list(text: str) -> None:
    try:
        valid = isinstance(json.loads(text), list)
    except ValueError:
        valid = False
    if not valid:
        raise ChangeError(f"a side of a conflict must be a list of changes, not {quote(text)}")


def conflict_changes(before: tuple[Conflict, ...], after: tuple[Conflict, ...]) -> list[Change]:
    """Return the changes that lead from one list of conflicts to another."""

    def fields(place: int, c: Conflict) -> dict[str, Any]:
        return {"place": place, "what": c.what, "ours_json": c.ours_json, "theirs_json": c.theirs_json}

    removed = [ConflictRemoved(**fields(place, c)) for place, c in enumerate(before) if c not in after]
    added = [ConflictAdded(**fields(place, c)) for place, c in enumerate(after) if c not in before]
    return [*reversed(removed), *added]
