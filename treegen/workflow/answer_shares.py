"""How often CLIP gives the images of a class the answer of its rule: the heat map of the rules."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from treegen.tree.model import Tree

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.workflow.review_model import Measurement


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerShare:
    """How many dev images of a class get an option.

    Attributes:
        given: images for which CLIP picks the option.
        n: images of the class, at least 1.
        stale: the group was asked differently: its prompt or its options have changed since.
    """

    given: int
    n: int
    stale: bool

    @property
    def share(self) -> float:
        """The share, 0 to 1."""
        return self.given / self.n


class AnswerShares:
    """The shares of a tree, looked up by class, group and option.

    What CLIP answers depends on the groups alone. So a rule that was changed after the score has its share at once.
    """

    def __init__(self, tree: Tree, measured: "Measurement | None") -> None:
        """Count the answers.

        Args:
            tree: as it is now.
            measured: its last score, possibly of an earlier state; a stored one has no answers.
        """
        observations = measured.observations if measured else None
        self._classes = {name: k for k, name in enumerate(observations.classes)} if observations else {}
        self._options: dict[str, dict[str, int]] = {}
        self._counts: dict[str, NDArray[np.int64]] = {}
        self._stale: set[str] = set()
        if observations is None or measured is None:
            return
        for group in observations.groups:
            self._options[group.name] = {option: o for o, option in enumerate(group.options)}
            self._counts[group.name] = observations.answers_of(group)
            if tree.group(group.name) != measured.tree.group(group.name):
                self._stale.add(group.name)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self._counts)

    def of(self, name: str, group: str, option: str) -> AnswerShare | None:
        """Return how many images of a class get an option; `None` if it has none, or that option was not asked."""
        k, o = self._classes.get(name), self._options.get(group, {}).get(option)
        if k is None or o is None:
            return None
        row = self._counts[group][k]
        n = int(row.sum())
        return AnswerShare(given=int(row[o]), n=n, stale=group in self._stale) if n else None
