"""A one-line input that shows control characters instead of sending them to the terminal."""

from textual.events import Key
from textual.widgets import Input

from treegen.text import printable


class Field(Input):
    """An input that escapes control characters, including pasted ones."""

    def validate_value(self, value: str) -> str:
        """Escape what is not printable."""
        return printable(value)

    async def on_key(self, event: Key) -> None:
        """Handle the field's own keys in the order in which they are typed.

        An `Input` (Textual 8.2) inserts a character at once, but passes a key such as Ctrl-U up to the application:
        text typed quickly after it has been inserted by then, and is deleted with the rest.
        """
        bound = self._bindings.key_to_bindings.get(event.key, [])
        if bound and not event.is_printable:
            event.stop()
            event.prevent_default()
            await self.run_action(bound[0].action)
