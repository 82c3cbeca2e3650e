"""Theme and layout: taken from the reviewer's preferences, and kept there when they are changed."""

from dataclasses import replace
from typing import Any, Final

from textual.theme import Theme

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.preferences import Layout, Preferences, load_preferences, save_preferences

_BESIDE: Final = 150  # columns from which there is room for the details beside the panes
_BELOW: Final = 36  # lines from which there is room for them below


class AppearanceFlow:
    """The theme, and where the details are.

    Attributes:
        preferences: as they are in the file.
    """

    def __init__(self, context: ReviewContext, theme: str | None = None) -> None:
        """Prepare; a theme that is given is for this review alone."""
        self.context, self._given = context, theme
        self.preferences = Preferences()
        self._toggled: bool | None = None  # shown or hidden by hand, in this review
        self._last = {True: "textual-dark", False: "textual-light"}  # by whether they are dark

    def take_up(self) -> None:
        """Take theme and layout from the preferences; a theme that is not known leaves the one that is shown."""
        self.preferences, wrong = load_preferences()
        if self._given:
            self.context.theme = self._given
        elif self.preferences.theme in self.context.available_themes:
            self.context.theme = self.preferences.theme
        elif not wrong:
            wrong = f"there is no theme {self.preferences.theme}"
        if wrong:
            self.context.notify(wrong, severity="warning", timeout=8)

    def place(self, width: int, height: int) -> Layout:
        """Return where the details are in a terminal of that size."""
        wanted = self.preferences.details
        roomy: Layout = "right" if width >= _BESIDE else "below"
        if wanted == "auto":
            wanted = roomy if width >= _BESIDE or height >= _BELOW else "hidden"
        if self._toggled is None:
            return wanted
        return ("below" if wanted == "hidden" else wanted) if self._toggled else "hidden"

    def toggle(self) -> None:
        """Show or hide the details."""
        size = self.context.size
        self._toggled = self.place(size.width, size.height) == "hidden"
        self.context.refresh_layout()

    def turn(self) -> None:
        """Put the details beside the panes or below them, and keep that."""
        size = self.context.size
        self._toggled = None
        self._keep(details="right" if self.place(size.width, size.height) == "below" else "below")
        self.context.refresh_layout()

    def theme_changed(self, theme: Theme) -> None:
        """Keep a theme that the reviewer has chosen."""
        self._last[theme.dark] = theme.name
        if theme.name not in (self.preferences.theme, self._given):
            self._keep(theme=theme.name)

    def toggle_dark(self) -> None:
        """Change from a dark theme to the last light one, or back."""
        self.context.theme = self._last[not self.context.current_theme.dark]

    def _keep(self, **changes: Any) -> None:
        self.preferences = replace(self.preferences, **changes)
        try:
            save_preferences(self.preferences)
        except TreegenError as error:
            self.context.complain(error)
