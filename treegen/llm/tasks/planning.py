"""What a draft will ask for, before anything is asked: its requests as far as they are known, and what they may cost.

Repairs, continuations and what separates equal rules come on top: nobody knows them beforehand.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from treegen.config.domain import Domain
from treegen.config.settings import LlmSettings
from treegen.llm.chat.estimate import Estimate, estimate
from treegen.llm.chat.interface import Message
from treegen.llm.reading.batch_parser import Plain
from treegen.llm.tasks.batched_draft import Pictures, groups_part, rules_parts
from treegen.llm.tasks.describe import description_parts
from treegen.llm.tasks.draft import draft_request, wanted_groups
from treegen.llm.tasks.likeness import Pair
from treegen.llm.tasks.part_maker import Part, PartStore

_OPTIONS: Final = 7  # of a group, about
_OPTION: Final = "a long red tail"  # of about the usual length
_DESCRIPTION: Final = "A long-tailed thing with a dark head, a pale belly and red feet, on bare ground. " * 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """One request: its messages, and an answer of about the expected length."""

    request: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftPlan:
    """The requests of a draft.

    Attributes:
        open: those that are still to be made.
        finished: how many an earlier run has made.
    """

    open: tuple[Planned, ...]
    finished: int = 0

    @property
    def total(self) -> int:
        """How many requests the whole draft takes."""
        return len(self.open) + self.finished

    def estimate(self, settings: LlmSettings) -> Estimate:
        """Add up the estimates of all requests that are still to be made; the first call takes seconds."""
        return _sum(estimate(settings, planned.request, planned.answer) for planned in self.open)


def plan_draft(
    domain: Domain,
    store: PartStore,
    *,
    size: int | None = None,
    pictures: Pictures | None = None,
    confused: Sequence[Pair] = (),
) -> DraftPlan:
    """Plan a draft.

    Args:
        domain: with its notes.
        store: finished steps of an earlier run.
        size: classes whose rules are requested together; `None` if the tree is requested as a whole.
        pictures: class -> its pictures, if they are described first.
        confused: as for `draft_in_parts`.
    """
    steps: list[Planned] = []
    finished = 0

    def plan(parts: Iterable[Part], answer: str, *, known: bool = True) -> list[str]:
        nonlocal finished
        values = []
        for part in parts:
            value = store.get(part.name, part.key) if known else None
            if value is None:
                steps.append(Planned(request=part.request, answer=answer))
            else:
                finished += 1
                values.append(value)
        return values

    described: dict[str, str] = {}
    batches = description_parts(domain, pictures, confused) if pictures else []
    for value in plan(batches, _DESCRIPTION * (1 + len(domain.classes) // max(1, len(batches)))):
        described |= json.loads(value)
    complete = len(described) == sum(bool(urls) for urls in (pictures or {}).values())
    texts = described if complete else dict.fromkeys(pictures or (), _DESCRIPTION)
    groups = _groups(domain)
    if size is None:
        answer = {"classification_groups": groups, "rules": _rules(domain.classes, groups)}
        steps.append(Planned(request=draft_request(domain, texts), answer=json.dumps(answer)))
        return DraftPlan(open=tuple(steps), finished=finished)
    found = plan([groups_part(domain, texts)], json.dumps(groups), known=complete)
    groups = json.loads(found[0]) if found else groups
    plan(
        rules_parts(domain, groups, size, texts, confused),
        json.dumps(_rules(domain.classes[:size], groups)),
        known=bool(found),
    )
    return DraftPlan(open=tuple(steps), finished=finished)


def _groups(domain: Domain) -> Plain:
    """Return groups of about the expected number and length."""
    count = sum(wanted_groups(len(domain.classes))) // 2
    group = {"prompt": f"This {domain.noun} has {{}}.", "options": [_OPTION] * _OPTIONS}
    return {f"visible feature {number}": group for number in range(count)}


def _rules(classes: Sequence[str], groups: Mapping[str, object]) -> Plain:
    return {name: dict.fromkeys(groups, 0) for name in classes}


def _sum(estimates: Iterable[Estimate]) -> Estimate:
    """Add estimates; what one of them does not know is unknown."""
    listed = list(estimates)

    def total(name: str) -> float | None:
        values = [getattr(each, name) for each in listed]
        return None if None in values or not values else sum(values)

    tokens = {name: None if (n := total(name)) is None else int(n) for name in ("prompt_tokens", "completion_tokens")}
    return Estimate(**tokens, cost=total("cost"), pictures=sum(each.pictures for each in listed))
