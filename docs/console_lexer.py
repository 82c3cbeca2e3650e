"""How `console` blocks are coloured: a line that starts with `$ ` is a command, every other line is output.

Pygments' own lexer guesses prompts: a line of output that starts with `island@1` is one for it. Lines of output that
are laid out in columns have a token of their own, so that a narrow window scrolls these and wraps the others.
"""

import re
from collections.abc import Iterator
from typing import Any

from pygments.lexer import Lexer
from pygments.lexers.shell import BashLexer
from pygments.token import Generic, Keyword, Name, Text
from sphinx.application import Sphinx

_COLUMNS = re.compile(r"\S {2,}\S|[│─]")


class ConsoleLexer(Lexer):  # type: ignore[misc]
    """Colours commands as shell and leaves output alone."""

    name = "Console"
    aliases = ("console",)

    def get_tokens_unprocessed(self, text: str) -> Iterator[tuple[int, Any, str]]:
        """Yield index, token and text of the parts of a block."""
        index, continues = 0, False
        for line in text.splitlines(keepends=True):
            is_command = line.startswith("$ ")
            if is_command:
                yield index, Generic.Prompt, "$ "
            if is_command or continues:
                start = index + 2 * is_command
                for at, token, value in BashLexer().get_tokens_unprocessed(line[2 * is_command :]):
                    if token in Name.Builtin or token in Keyword:  # `export` is a command of treegen too
                        token = Text
                    is_option = token is Text and value.startswith("-")
                    yield start + at, Name.Attribute if is_option else token, value
                continues = line.endswith("\\\n")
            else:
                yield (
                    index,
                    Generic.Output.Table if _COLUMNS.search(line.strip()) else Generic.Output,
                    line.rstrip("\n"),
                )
                yield index + len(line.rstrip("\n")), Text.Whitespace, "\n" * line.endswith("\n")
            index += len(line)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register the lexer in the place of Pygments' own."""
    app.add_lexer("console", ConsoleLexer)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
