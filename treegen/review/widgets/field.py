"""A line of text to write in, which shows what a terminal would obey instead of sending it there."""

from textual.widgets import Input

from treegen.tree.keywords import printable


class Field(Input):
    """An input in which control characters, also pasted ones, are escapes that can be read."""

    def validate_value(self, value: str) -> str:
        """Escapes what is not printable."""
        return printable(value)
