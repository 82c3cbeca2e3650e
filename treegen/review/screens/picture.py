"""One picture as large as the terminal, and the way to the next."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Center, Middle
from textual.widgets import Static
from textual_image.widget import Image

from treegen.images import LabelledImage
from treegen.review.details.detail import BAD, DIM, GOOD, line
from treegen.review.screens.dialogs import Dialog, Keys
from treegen.workflow.image_browser import BrowsedImage

if TYPE_CHECKING:
    from PIL.Image import Image as Pixels


class PictureScreen(Dialog[int]):
    """A picture; the answer is the number of the one that was seen last."""

    KEYS: ClassVar[Keys] = (("h l", "previous, next"), ("O", "system's viewer"), ("escape", "leave"))
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,z,enter", "leave", "Leave"),
        Binding("right,down,l,j,space,pagedown", "step(1)", "Next"),
        Binding("left,up,h,k,backspace,pageup", "step(-1)", "Previous"),
        Binding("O", "open", "Open"),
    ]

    def __init__(
        self,
        images: Sequence[BrowsedImage],
        at: int,
        read: "Callable[[LabelledImage], Pixels]",
        open_outside: Callable[[LabelledImage], None],
    ) -> None:
        """Build the screen.

        Args:
            images: those that are gone through, at least one.
            at: the first to show.
            read: returns a picture; raises ValueError if it cannot.
            open_outside: opens a picture in the system's viewer.
        """
        super().__init__()
        self._images, self._at, self._read, self._open = images, at, read, open_outside

    def compose(self) -> ComposeResult:
        """Compose a line above, the picture, and the keys."""
        yield Static(id="picture-title", markup=False)
        with Middle(id="picture-place"), Center():
            yield Image(id="full-picture")
        yield Static("", id="picture-broken", markup=False)
        yield self.keys_line()

    def on_mount(self) -> None:
        """Show the first picture."""
        self._show()

    def _show(self) -> None:
        each = self._images[self._at]
        picture, broken = self.query_one("#full-picture", Image), self.query_one("#picture-broken", Static)
        size = ""
        try:
            pixels = self._read(each.image)
        except ValueError as error:
            picture.image = None
            broken.update(f"{each.image.name}: {error}")
        else:
            picture.image = pixels
            size = f"  {pixels.width} x {pixels.height}"
            broken.update("")
        broken.display = picture.image is None
        right = each.mistake is None
        self.query_one("#picture-title", Static).update(
            line(
                (f"{self._at + 1} of {len(self._images)}  ", DIM),
                ("✓ " if right else "✗ ", GOOD if right else BAD),
                (each.true, "bold"),
                "" if right else f" taken for {each.predicted}",
                (f"  {each.image.name}{size}", DIM),
            )
        )

    def action_step(self, by: int) -> None:
        """Show the next or the previous picture."""
        at = min(max(self._at + by, 0), len(self._images) - 1)
        if at != self._at:
            self._at = at
            self._show()

    def action_open(self) -> None:
        """Open the picture in the system's viewer."""
        self._open(self._images[self._at].image)

    def action_leave(self) -> None:
        """Leave, to the picture that was seen last."""
        self.dismiss(self._at)
