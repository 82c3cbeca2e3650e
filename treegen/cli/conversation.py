"""A command's conversation with a language model: chosen by the options, with estimate, streaming display and bill."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from treegen.cli.partial_reply import ArrivingView
    from treegen.config.domain import Domain
    from treegen.config.settings import LlmSettings
    from treegen.llm.chat.estimate import Estimate
    from treegen.llm.chat.interface import Chat
    from treegen.llm.tasks.attempts import Attempt
    from treegen.llm.tasks.planning import DraftPlan
    from treegen.remote.budget import Budget
    from treegen.workflow.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmChoice:
    """The values of `llm_options`; `None` leaves a value to the domain."""

    model: str | None = None
    api_base: str | None = None
    tries: int = 4
    answers: tuple[Path, ...] = ()
    messages: Path | None = None
    env_file: Path | None = None
    fresh: bool = False
    record: Path | None = None
    max_calls: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None

    def settings(self, domain: "Domain") -> "LlmSettings":
        """Override the domain's settings with the command line's."""
        texts = {"model": _resolve_replay(self.model), "api_base": self.api_base, "env_file": self.env_file}
        limits = ("max_calls", "max_tokens", "max_cost")
        caps = {name: value for name in limits if (value := getattr(self, name)) is not None}
        overrides = {name: value for name, value in texts.items() if value}
        named = domain.llm.from_file - overrides.keys()
        limits_with = replace(domain.llm.caps, **caps)
        return replace(domain.llm, **overrides, caps=limits_with, from_file=named)  # type: ignore[arg-type]


def _resolve_replay(model: str | None) -> str | None:
    """Resolve a recording's name relative to the current folder, if it exists there, else leave it to the domain's."""
    kind, _, file = (model or "").partition("/")
    if kind == "replay" and Path(file).is_file():
        return f"replay/{Path(file).absolute()}"
    return model


@dataclass(slots=True)
class RequestCount:
    """Which request of a run is being made, of how many; `total` is 0 where nobody knows."""

    total: int = 0
    number: int = 0

    def next(self) -> str:
        """Count a request, and return what to print before it."""
        self.number += 1
        return f"request {self.number} of about {max(self.total, self.number)}: " if self.total > 1 else ""

    def counting(self, show: "Callable[[Attempt], None]") -> "Callable[[Attempt], None]":
        """Wrap a listener to count one request more for each reply with errors, and those that the cache answers."""
        from treegen.tree.validation.problems import errors_of

        def show_counted(attempt: "Attempt") -> None:
            self.total += bool(self.total and errors_of(attempt.problems))
            self.number += bool(attempt.reply and attempt.reply.cached)
            show(attempt)

        return show_counted


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An open conversation: the chat, its settings, the view that shows what is streamed, and the count of requests."""

    chat: "Chat"
    settings: "LlmSettings"
    view: "ArrivingView"
    requests: RequestCount = field(default_factory=RequestCount)


def announce_plan(exchange: Exchange, plan: "DraftPlan") -> None:
    """Count on the requests of a draft; print how many there are, and what they may cost, if there are several."""
    from treegen.cli.output import tell
    from treegen.text import counted

    exchange.requests.total, exchange.requests.number = plan.total, plan.finished
    if len(plan.open) < 2:
        return
    before = f" ({counted(plan.finished, 'more was', 'more were')} made by an earlier run)" if plan.finished else ""
    words = f"this draft takes about {len(plan.open)} requests{before}"
    estimate = plan.estimate(exchange.settings)
    if estimate.prompt_tokens is not None:
        words += f": {estimate.words} in all, and more if replies have to be repaired"
    exchange.view.say(words, tell)


@contextmanager
def open_exchange(
    workspace: "Workspace",
    choice: LlmChoice,
    *,
    budget: "Budget | None" = None,
    requested: set[str] | None = None,
    quiet: bool = False,
) -> Iterator[Exchange]:
    """Open a chat that reports on stderr the estimate of each request, the streamed reply, and finally the bill.

    Args:
        workspace: of the tree.
        choice: the options.
        budget: counts usage; a new one with the caps of the settings if not given.
        requested: as for `open_chat`.
        quiet: do not print estimates.

    Raises:
        InputError: no model is named, or a file cannot be read or written.
    """
    from treegen.cli.output import ProgressLine, tell
    from treegen.cli.partial_reply import reply_view
    from treegen.llm.chat import ResponseCache, open_chat
    from treegen.remote.addresses import destination
    from treegen.remote.budget import Budget

    settings = choice.settings(workspace.domain)
    budget, progress, requests = budget or Budget(settings.caps), workspace.progress, RequestCount()
    with reply_view(settings.model or "") as view:

        def announce(estimate: "Estimate") -> None:
            above = progress.tell if isinstance(progress, ProgressLine) else tell
            where = f"{settings.model} at {destination(settings.model or '', settings.api_base)}"
            view.say(f"{requests.next()}asking {where}: {estimate.words} before the answer", above)

        chat = open_chat(
            settings,
            workspace.domain.folder,
            answers=choice.answers,
            messages=choice.messages,
            responses=ResponseCache(workspace.path),
            fresh=choice.fresh,
            record=choice.record,
            budget=budget,
            on_request=None if quiet else announce,
            requested=requested,
        )
        try:
            yield Exchange(chat=chat, settings=settings, view=view, requests=requests)
        finally:
            view.pause()
            if budget.bill.calls:
                tell(f"spent: {budget.bill.words}")
