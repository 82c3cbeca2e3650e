"""`treegen ask`."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.cli.options import PATH, TREE, EncoderChoice, domain_option, encoder_options, open_workspace

if TYPE_CHECKING:
    from treegen.vcs.tree_names import TreeName
    from treegen.workflow.ask import GuidedQuestions, Question

_HELP: Final = "a number or a word answers; 2? guesses; - not sure or not visible; b back; q quit"
_SHOWN: Final = 5  # candidates below each answer
_REASONS: Final = {
    "threshold": "it is as probable as was asked for",
    "no question helps": "no further question would help",
    "all asked": "all questions were asked",
    "ended early": "ended before all questions were asked",
}


@click.command("ask")
@click.argument("tree", type=TREE)
@click.argument("image", type=PATH, required=False)
@domain_option
@encoder_options
@click.option(
    "--answer-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Rate of wrong answers to expect of the person.",
)
@click.option(
    "--target-error",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="Accepted rate of wrong classes at the end: fewer questions the higher it is.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object per line, out and in, for other programs.")
def command(
    tree: "TreeName",
    image: Path | None,
    domain_path: Path | None,
    encoder: EncoderChoice,
    answer_error: float,
    target_error: float,
    as_json: bool,
) -> None:
    """Find the class by asking a person the questions of TREE, the most telling one first.

    With an IMAGE, CLIP's view of it comes first. A question can be answered "not sure"; answers can be taken back.

    With --json each line out has an `event`: `question` (group, prompt, options, candidates), `error` or `result`. Each
    line in is one of {"answer": OPTION, its index or null, "guess": true or false}, {"back": true} and {"quit": true}.
    """
    from treegen.workflow.ask import open_questions

    workspace = open_workspace(tree, domain_path, encoder)
    questions = open_questions(workspace, image, error=answer_error, target=target_error)
    (_ask_program if as_json else _ask_person)(questions)


def _ask_person(questions: "GuidedQuestions") -> None:
    from treegen.cli.output import percent, say
    from treegen.errors import InputError

    stop = questions.stop
    say(f"{len(questions.tree.classes)} classes, {len(questions.tree.groups)} questions; it ends when a class is")
    say(f"{percent(stop.threshold)} probable ({stop.questions:.1f} questions on average when simulated).")
    say(f"Reply: {_HELP}.")
    while (question := questions.question()) is not None:
        say()
        say(f"{question.number}. {question.group.name}: {question.group.prompt.replace('{}', '...', 1)}")
        for number, option in enumerate(question.group.options, 1):
            say(f"   {number} {option}")
        reply = _read_reply()
        if reply is None or reply in ("q", "quit"):
            break
        if reply in ("b", "back"):
            say("   the last answer was taken back" if questions.back() else "   there is no answer to take back")
            continue
        try:
            questions.answer(question, _option_of(reply, question), guess=reply.endswith("?"))
        except InputError as error:
            say(f"   {error}: {_HELP}")
            continue
        say(f"   {_candidates(questions)}")
    _show_result(questions)


def _read_reply() -> str | None:
    """Read one line; `None` at the end of the input."""
    click.echo("> ", nl=False)
    line = sys.stdin.readline()
    return line.strip() if line else None


def _option_of(reply: str, question: "Question") -> str | int | None:
    """Return the option that a line means: its words first, so that an option may be called 2."""
    words = reply.removesuffix("?").strip()
    options = {option.casefold(): option for option in question.group.options}
    if words.casefold() in options:
        return options[words.casefold()]
    if words in ("-", "u", "unsure", ""):
        return None
    number = int(words) - 1 if words.isdecimal() else -1
    return number if 0 <= number < len(question.group.options) else words


def _candidates(questions: "GuidedQuestions") -> str:
    from treegen.cli.output import percent
    from treegen.text import counted

    shown = ", ".join(f"{name} {percent(share)}" for name, share in questions.candidates[:_SHOWN])
    return f"{counted(questions.plausible, 'class', 'classes')} left: {shown}"


def _show_result(questions: "GuidedQuestions") -> None:
    from treegen.cli.output import percent, say
    from treegen.tree.model import look_title

    result = questions.result()
    say()
    shown = look_title(result.class_name, result.look)
    say(f"{shown}, {percent(result.probability)}: {_REASONS[result.reason]} ({result.questions} asked).")
    for group, option in result.rule:
        say(f"   {group}: {option or 'no answer'}")
    for path in result.pictures:
        say(f"   picture: {path}")


def _ask_program(questions: "GuidedQuestions") -> None:
    from dataclasses import asdict

    from treegen.errors import InputError

    lines = _requests()
    while (question := questions.question()) is not None:
        _send(
            event="question",
            number=question.number,
            group=question.group.name,
            prompt=question.group.prompt,
            options=question.group.options,
            gain=round(question.gain, 6),
            plausible=questions.plausible,
            candidates=[{"class": n, "probability": round(p, 6)} for n, p in questions.candidates[:_SHOWN]],
        )
        request = next(lines, {"quit": True})
        if request.get("quit"):
            break
        if request.get("back"):
            if not questions.back():
                _send(event="error", message="there is no answer to take back")
            continue
        try:
            questions.answer(question, _answer_in(request), guess=request.get("guess") is True)
        except InputError as error:
            _send(event="error", message=str(error))
    result = asdict(questions.result())
    result["class"], result["rule"] = result.pop("class_name"), dict(result["rule"])
    if not result["look"]:
        del result["look"]
    _send(event="result", **{**result, "pictures": [str(path) for path in result["pictures"]]})


def _answer_in(request: dict[str, Any]) -> str | int | None:
    from treegen.errors import InputError

    answer = request.get("answer", False)
    if answer is None or (isinstance(answer, str | int) and not isinstance(answer, bool)):
        return answer
    raise InputError('a line is {"answer": OPTION, index or null}, {"back": true} or {"quit": true}')


def _requests() -> Iterator[dict[str, Any]]:
    """Yield the lines that are JSON objects; report the others."""
    for line in sys.stdin:
        try:
            request = json.loads(line)
        except ValueError:
            request = None
        if isinstance(request, dict):
            yield request
        elif line.strip():
            _send(event="error", message=f"not a JSON object: {line.strip()[:80]}")


def _send(**event: Any) -> None:
    click.echo(json.dumps(event, ensure_ascii=False))
    sys.stdout.flush()
