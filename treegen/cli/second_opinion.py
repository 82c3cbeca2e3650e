"""The options of a second opinion by a vision model, and how its cascade is printed."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.conversation import LlmChoice
from treegen.cli.options import PATH

if TYPE_CHECKING:
    from treegen.workflow.cascade import CascadeScore
    from treegen.workflow.second import SecondModel
    from treegen.workflow.workspace import Workspace

_NAMES = ("api_base", "env_file", "fresh", "record", "max_calls", "max_tokens", "max_cost")


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondChoice:
    """The values of `second_options`; `None` leaves a value to the domain."""

    model: str | None
    below: float | None
    llm: LlmChoice


def second_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add --ask-model, --below and the options of its model, passed to the command as one `SecondChoice`, `second`."""

    @wraps(function)
    def with_choice(*args: Any, ask_model: str | None, below: float | None, **values: Any) -> Any:
        llm = LlmChoice(model=ask_model, tries=2, **{name: values.pop(name) for name in _NAMES})
        return function(*args, second=SecondChoice(model=ask_model, below=below, llm=llm), **values)

    command: Callable[..., Any] = with_choice
    for option in (
        click.option(
            "--record", type=PATH, metavar="FILE", help="Record its conversations, for --ask-model replay/FILE."
        ),
        click.option("--fresh", is_flag=True, help="Do not reuse its answers of earlier runs."),
        click.option("--max-cost", type=click.FloatRange(0), metavar="USD", help="Stop before its cost exceeds this."),
        click.option("--max-tokens", type=click.IntRange(1), metavar="N", help="Stop before it takes more tokens."),
        click.option("--max-calls", type=click.IntRange(1), metavar="N", help="Stop before more requests to it."),
        click.option("--env-file", type=PATH, metavar="FILE", help="Also read API keys from this file."),
        click.option("--api-base", metavar="URL", help="Address of its OpenAI-compatible server."),
        click.option(
            "--below",
            type=click.FloatRange(0, 1),
            metavar="SHARE",
            help="Ask where the most probable class is less probable than this; 0.8 by default, 0 asks about none.",
        ),
        click.option(
            "--ask-model",
            metavar="NAME",
            help="A vision model that also answers where CLIP is not sure: a litellm name, or replay/FILE.",
        ),
    ):
        command = option(command)
    return command


@contextmanager
def open_second(workspace: "Workspace", choice: SecondChoice) -> "Iterator[SecondModel | None]":
    """Open the vision model that the options or the domain name; `None` if neither does, or nothing is to be asked.

    What it is asked is announced on stderr before, and what it cost after.

    Raises:
        InputError: it cannot be asked about pictures, or the domain has no images.
        ModelError: it is known not to accept images.
        TrustError: the domain names one that its user has not allowed.
    """
    from treegen.cli.display import show_attempt
    from treegen.cli.output import tell
    from treegen.llm.chat import ResponseCache, open_chat
    from treegen.remote.addresses import destination
    from treegen.remote.budget import Budget
    from treegen.workflow.second import SecondModel, plan_sentence, refuse_unfit, second_settings

    domain = workspace.domain
    below = choice.below if choice.below is not None else domain.second.below if domain.second else 0.8
    if (choice.model is None and domain.second is None) or below == 0:
        yield None
        return
    second = second_settings(domain, choice.model)
    settings = choice.llm.settings(replace(domain, llm=second.llm))
    refuse_unfit(domain, settings)
    budget, responses = Budget(settings.caps), ResponseCache(workspace.path)
    where = f"{settings.model} at {destination(settings.model or '', settings.api_base)}"
    chat = open_chat(
        settings, domain.folder, responses=responses, fresh=choice.llm.fresh, record=choice.llm.record, budget=budget
    )
    try:
        yield SecondModel(
            workspace=workspace,
            tree=workspace.load()[0],
            chat=chat,
            settings=settings,
            below=below,
            images=second.images,
            tries=choice.llm.tries,
            responses=responses,
            on_plan=lambda purpose, count, each: tell(plan_sentence(where, purpose, count, each)),
            on_attempt=lambda attempt: show_attempt(attempt) if attempt.problems or attempt.failure else None,
        )
    finally:
        if budget.bill.calls:
            tell(f"spent: {budget.bill.words}")


def show_cascade(result: "CascadeScore") -> None:
    """Print accuracy and cost of the cascade at each threshold, beside CLIP alone."""
    from treegen.cli.output import interval, percent, say, table
    from treegen.text import counted, p_value
    from treegen.workflow.verdict import paired_points

    where = counted(result.n, f"{result.split} image")
    say(f"CLIP, then {result.model} below a probability, then a person ({where}, decision rule bayes)")
    rows = [
        ("CLIP alone", "0", "$0", f"{percent(result.clip['accuracy'])} {interval(result.clip['interval'])}", *[""] * 4)
    ]
    for step in result.steps:
        paired, decided = step.against_clip, step.decided
        rows.append(
            (
                f"below {percent(step.threshold)}",
                str(step.asked),
                _usd(step.cost),
                f"{percent(step.share['accuracy'])} {interval(step.share['interval'])}",
                paired_points(paired, "", "no difference shown"),
                p_value(paired["p"]),
                str(step.left),
                percent(decided["accuracy"]) if decided else "-",
            )
        )
    test = "p by cluster" if "clusters" in result.steps[0].against_clip else "McNemar"
    head = ("asked", "images", "cost", "right, 95 % interval", "against CLIP", test, "left", "right of the others")
    table(head, rows, right=(1, 2, 4, 6, 7))
    if failed := result.steps[-1].failed:
        say(f"{failed} of the asked images got no usable answer; CLIP's stays")
    say(
        "left: images that stay below the threshold, for a person; "
        f"learnt from {counted(result.learnt_from, 'dev image')}, {_usd(result.learning_cost)}"
    )


def _usd(cost: float | None) -> str:
    return "unknown" if cost is None else f"${cost:.4f}"
