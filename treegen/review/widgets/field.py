"""A line of text to write in, which shows what a terminal would obey instead of sending it there."""

from textual.events import Key
from textual.widgets import Input

from treegen.text import printable


class Field(Input):
    """An input in which control characters, also pasted ones, are escapes that can be read."""

    def validate_value(self, value: str) -> str:
        """Escapes what is not printable."""
        return printable(value)

    async def on_key(self, event: Key) -> None:
        """Obeys the field's own keys in the order in which they are typed.

        An `Input` (Textual 8.2) inserts a character at once, but hands a key such as Ctrl-U up to the application:
        what was typed quickly behind it is there by then, and deleted with the rest.
        """
        bound = self._bindings.key_to_bindings.get(event.key, [])
        if bound and not event.is_printable:
            event.stop()
            event.prevent_default()
            await self.run_action(bound[0].action)
