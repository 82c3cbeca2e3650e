"""`treegen ask`."""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from treegen.cli.options import PATH, TREE, EncoderChoice, domain_option, encoder_options, open_workspace

if TYPE_CHECKING:
    from treegen.vcs.tree_names import TreeName
    from treegen.workflow.ask import GuidedQuestions, Question

_HELP: Final = "a number or a word answers; 2? guesses; - not sure or not visible; b back; q quit"
_PICTURE, _GAP, _COLUMNS = 160, 8, 20  # an example: pixels, and columns of the terminal
_LEAST: Final = 0.0005  # probability of a candidate that is shown: else it reads 0.0 %
_NO_ANSWER: Final = ("", "-", "u", "unsure", "not sure", "cannot see", "not visible")
_SHOWN: Final = 5  # candidates below each answer
_REASONS: Final = {
    "threshold": "that is probable enough",
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
    from treegen.text import counted

    stop, classes, groups = questions.stop, len(questions.tree.classes), len(questions.tree.groups)
    ends = f"when a class is {percent(stop.threshold)} probable" if stop.threshold < 1 else "when no question helps"
    say(
        f"{counted(classes, 'class', 'classes')}, {counted(groups, 'question')}. It ends {ends}, after "
        f"{stop.questions:.1f} questions on average when simulated."
    )
    say(f"Reply: {_HELP}.")
    if questions.plausible < classes:
        say(f"By the image: {_candidates(questions)}")
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
            say(f"   {error}; {error.tip}" if error.tip else f"   {error}")
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
    if words.casefold() in _NO_ANSWER:
        return None
    number = int(words) - 1 if words.isdecimal() else -1
    return number if 0 <= number < len(question.group.options) else words


def _candidates(questions: "GuidedQuestions") -> str:
    from treegen.cli.output import percent
    from treegen.text import counted

    likely = [(name, share) for name, share in questions.candidates[:_SHOWN] if share >= _LEAST]
    shown = ", ".join(f"{name} {percent(share)}" for name, share in likely)
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
    _draw(result.pictures)


def _draw(paths: Sequence[Path]) -> None:
    """Draw pictures side by side, on a terminal in colour."""
    from treegen.cli.output import colour_setting
    from treegen.extras import missing_modules

    is_terminal = sys.stdin.isatty() and sys.stdout.isatty() and colour_setting() is None
    if not paths or not is_terminal or missing_modules("review"):
        return
    columns = min(_COLUMNS * len(paths), os.get_terminal_size(sys.stdout.fileno()).columns - 1)
    if columns < len(paths):  # a terminal may have no size
        return
    from PIL import Image as Pillow
    from PIL import ImageOps
    from rich.console import Console

    from treegen.images import WHOLE, open_image
    from treegen.review.terminal_answers import await_answers

    await_answers()
    from textual_image.renderable import Image  # only now: it asks the terminal while it is imported

    row = Pillow.new("RGB", (len(paths) * _PICTURE + (len(paths) - 1) * _GAP, _PICTURE), "white")
    for number, path in enumerate(paths):
        with suppress(ValueError):  # it was there when the images were listed
            picture = ImageOps.contain(open_image(path, WHOLE), (_PICTURE, _PICTURE))
            row.paste(picture, (number * (_PICTURE + _GAP), (_PICTURE - picture.height) // 2))
    Console().print(Image(row, width=columns, height="auto"))


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
            _send(event="error", message=f"{error}; {error.tip}" if error.tip else str(error))
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
