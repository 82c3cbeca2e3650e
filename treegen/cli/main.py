"""The entry point: finds commands by name without importing the others, and turns every error into an exit code."""

import errno
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any, Final, NoReturn

import click

from treegen import __version__
from treegen.cli.output import colour_setting, complain, plain, report
from treegen.errors import TreegenError
from treegen.extras import explain_import_error
from treegen.text import did_you_mean, show

#: command -> one line of help. The module is treegen.cli.NAME with the attribute `command`.
COMMANDS: Final = {
    "demo": "Run the whole loop on the bundled domain, offline.",
    "start": "Make a scored tree from your pictures, step by step.",
    "init": "Write a commented domain.toml.",
    "draft": "Have a language model draft a tree.",
    "check": "List everything wrong with trees and domains.",
    "score": "Score a tree with CLIP.",
    "review": "Review a tree in the terminal.",
    "revise": "Send feedback to the language model.",
    "show": "Print a tree in words.",
    "diff": "List what changed between two trees, in words.",
    "merge": "Merge trees by names.",
    "resolve": "Resolve the conflicts of a merge.",
    "git-setup": "Make git show and merge trees.",
    "approve": "Sign a tree off.",
    "optimize": "Search for a tree that scores higher, with or without a language model.",
    "log": "List revisions with scores and costs.",
    "ask": "Find a class by asking a person, the most telling question first.",
    "restore": "Write an earlier revision back to its file.",
    "report": "Write a page on a tree: score, confusion, mistakes, revisions.",
    "compare": "Compare trees, revisions and encoders on the same images.",
    "classify": "Label images, with the answers behind each label.",
    "embed": "Embed and score any number of images.",
    "import": "Read another program's tree.",
    "export": "Write a tree in another format.",
    "doctor": "Check what works on this machine, and how to fix the rest.",
    "trust": "Allow a folder what needs your permission.",
    "schema": "Print the JSON Schema of a document.",
    "completion": "Print a script that completes commands in a shell.",
}
#: errors that a name, a permission or a full disk causes, wherever they are noticed
_LONGEST_NAME: Final = 300  # characters of a file in a message
_SURROUNDINGS: Final = {errno.ENAMETOOLONG, errno.EACCES, errno.EPERM, errno.ENOSPC, errno.EDQUOT, errno.EROFS}
_MODULES: Final = {"git-setup": "git_setup", "import": "import_file"}


class Commands(click.Group):
    """Imports a command's module only when it runs: `--help` stays fast."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        """Make the context that decides on colours for everything that click prints."""
        return super().make_context(info_name, args, parent, **{"color": colour_setting(), **extra})

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; a reader that closed the pipe, such as `head`, is not an error."""
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result
        except BrokenPipeError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order of the workflow, not alphabetically."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import and return the command."""
        if cmd_name not in COMMANDS:
            return None
        command: Any = import_module(f"treegen.cli.{_MODULES.get(cmd_name, cmd_name)}").command
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or suggest one."""
        if args[0] not in COMMANDS and not args[0].startswith("-") and not ctx.resilient_parsing:
            ctx.fail(f"there is no command {show(args[0])}{did_you_mean(args[0], tuple(COMMANDS), cutoff=0.6)}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Print the list of commands from the table, without importing any."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="treegen")
@click.option("--verbose", is_flag=True, help="Log requests, retries, migrations and embedding to stderr.")
@click.pass_context
def treegen(ctx: click.Context, verbose: bool) -> None:
    """Classification trees for CLIP-like models.

    An LLM drafts a tree, a schema checks it, a person corrects it, CLIP scores every revision.

    Exit codes: 0 done; 1 problems found; 2 wrong usage or unreadable input; 3 language model or encoder failed.
    """
    if verbose:
        ctx.with_resource(_log_to_stderr())


class _PlainFormatter(logging.Formatter):
    """Shows control characters instead of obeying them."""

    def format(self, record: logging.LogRecord) -> str:
        return plain(super().format(record))


class _NoteFormatter(_PlainFormatter):
    """Shows warnings of treegen as notes."""

    def format(self, record: logging.LogRecord) -> str:
        text = super().format(record)
        return f"note: {text}" if record.name.startswith("treegen.") else text


@contextmanager
def _log_to_stderr() -> Iterator[None]:
    """Write the log of treegen to stderr."""
    from treegen.review.log_file import attached

    handler = logging.StreamHandler()
    handler.setFormatter(_PlainFormatter("%(name)s: %(message)s"))
    with attached(handler):
        yield


def main() -> NoReturn:
    """Run the command line and exit. No traceback reaches the user; TREEGEN_DEBUG=1 shows it."""
    if logging.lastResort:  # it prints warnings unless a log is kept
        logging.lastResort.setFormatter(_NoteFormatter())
    try:
        code = treegen.main(prog_name="treegen", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except TreegenError as error:
        _reraise_in_debug()
        report(error)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        error.show(file=sys.stderr)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted", "")
        sys.exit(130)
    except ImportError as error:
        _reraise_in_debug()
        missing = explain_import_error(error)
        _report_bug(error) if missing is None else complain(missing.message, missing.tip)
        sys.exit(70 if missing is None else missing.exit_code)
    except OSError as error:
        _reraise_in_debug()
        if error.errno not in _SURROUNDINGS:
            _report_bug(error)
            sys.exit(70)
        name = str(error.filename or "a file")
        name = name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME // 2]}...{name[-_LONGEST_NAME // 2 :]}"
        complain(f"{name}: {error.strerror}", "check the name, its permissions and the disk")
        sys.exit(2)
    except Exception as error:  # the one boundary: a bug in treegen
        _reraise_in_debug()
        _report_bug(error)
        sys.exit(70)


def _report_bug(error: Exception) -> None:
    tip = "this is a bug in treegen; your files are unchanged. TREEGEN_DEBUG=1 shows the traceback"
    complain(f"unexpected {type(error).__name__}: {error}", tip)


def _reraise_in_debug() -> None:
    if os.environ.get("TREEGEN_DEBUG"):
        raise
