"""`treegen review`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

import click

from treegen.cli.options import BROKEN_TREE_FILE, PATH, EncoderChoice, domain_option, encoder_options
from treegen.cli.output import complain, is_dumb
from treegen.errors import InputError

if TYPE_CHECKING:
    from textual.app import App

    from treegen.config.domain import Domain

T = TypeVar("T")
_BUG: Final = 70  # the exit code of a bug in treegen
_BY_SIGNAL: Final = 128  # an exit code above it is this plus the signal's number


@click.command("review")
@click.argument("tree", type=BROKEN_TREE_FILE, default=".")
@domain_option
@click.option("--model", metavar="NAME", envvar="TREEGEN_MODEL", help="The language model for feedback.")
@click.option("--api-base", metavar="URL", help="Address of an OpenAI-compatible server.")
@click.option("--env-file", type=PATH, metavar="FILE", help="Also read API keys from this file.")
@click.option("--readonly", "read_only", is_flag=True, help="Only look: nothing is edited, saved or asked.")
@click.option("--second", metavar="NAME", help="A blind second review: answer without seeing the rules.")
@click.option("--theme", metavar="NAME", help="Colours for this review, such as nord or textual-light.")
@encoder_options
def command(
    tree: Path,
    domain_path: Path | None,
    model: str | None,
    api_base: str | None,
    env_file: Path | None,
    read_only: bool,
    second: str | None,
    theme: str | None,
    encoder: EncoderChoice,
) -> None:
    """Review TREE (./tree.json) in the terminal: edit with keys and undo, see CLIP's score after every step.

    Every step is stored next to the tree before it is shown: a session resumes where it was left, even after a crash.
    """
    from treegen.extras import require

    if second is not None:
        refuse_second(second, read_only=read_only)
    require("review")
    if not has_terminal():
        raise InputError(
            "treegen review needs a terminal for input and output",
            "run it without a pipe and without < > 2>, and not with TERM=dumb",
        )
    from treegen.review.terminal_answers import await_answers

    await_answers()
    from treegen.review.app import open_app
    from treegen.review.log_file import log_to

    with _ended_while_models_compute():
        settings = encoder.settings(_domain(domain_path or tree.parent)) if encoder.arguments else None
        app = open_app(
            tree,
            domain_path,
            model=model,
            api_base=api_base,
            env_file=env_file,
            encoder=settings,
            theme=theme,
            read_only=read_only,
            second=second or "",
        )
        with app.review, log_to(app.review.session.store.folder):
            _run(app)


def refuse_second(name: str, *, read_only: bool) -> None:
    """Refuse what cannot be the name of a second reviewer, or a second review that only looks.

    Raises:
        InputError: it is one of these.
    """
    from treegen.workflow.second_review import refuse_name

    refuse_name(name)
    if read_only:
        raise InputError("--second and --readonly exclude each other", "a second review answers questions")


@contextmanager
def _ended_while_models_compute() -> Iterator[None]:
    """End the process at the end without Python's clean-up if a model still computes.

    Native code that comes back into an interpreter that is being cleaned up aborts: "terminate called without an active
    exception", in most reviews that are left while images are embedded.
    """
    from treegen.review.background import is_busy

    alone = os.isatty(0)  # not within another program, which would be ended too
    try:
        yield
    except SystemExit as ended:
        if alone and is_busy():
            _end_at_once(ended.code)
        raise
    if alone and is_busy():
        _end_at_once(0)


def _end_at_once(code: object) -> None:
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 1)


def _domain(path: Path) -> "Domain | None":
    """Return the domain; `None` if it is missing or invalid, which the review says itself."""
    from treegen.config.domain import load_domain
    from treegen.errors import TreegenError

    try:
        return load_domain(path)
    except TreegenError:
        return None


def has_terminal() -> bool:
    """Return whether keys can be read and the screen be shown; Textual draws on stderr."""
    if is_dumb():
        return False
    streams = (sys.__stdin__, sys.__stdout__, sys.__stderr__)
    return all(stream is not None and not stream.closed and stream.isatty() for stream in streams)


def _run(app: "App[T]") -> "T | None":
    """Run an application; exit with an error if it crashed."""
    result = app.run()
    if app.return_code and app.return_code > _BY_SIGNAL:
        sys.exit(app.return_code)
    if app.return_code:
        complain("the review ended because of a bug in treegen", "every step is kept: start it again to continue")
        sys.exit(_BUG)
    return result
