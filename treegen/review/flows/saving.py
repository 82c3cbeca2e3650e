"""Saving: what happens when somebody else wrote the file meanwhile is the reviewer's to say."""

from typing import TYPE_CHECKING

from treegen.errors import TreegenError
from treegen.review.screens.dialogs import ChoiceDialog
from treegen.session import ConflictError

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp


async def save(app: "ReviewApp") -> None:
    """Writes the file; if somebody else did meanwhile, asks what to do."""
    session = app.review.session
    try:
        session.save()
    except ConflictError as error:
        choices = [
            "merge theirs into mine, then save",
            "write mine over it (theirs is kept in the history)",
            "wait",
        ]
        chosen = await app.push_screen_wait(ChoiceDialog(error.message, choices))
        if chosen in (None, 2) or not _settle(app, merge=chosen == 0):
            return
    except TreegenError as error:
        app.complain(error)
        return
    app.notify(f"saved {session.path.name}", timeout=2, markup=False)
    app.changed()


def _settle(app: "ReviewApp", *, merge: bool) -> bool:
    """Merges with what is in the file, or goes over it. False if something is left to decide."""
    session = app.review.session
    try:
        if not merge:
            session.overwrite()
            return True
        merged = session.merge_file()
        if merged.clean:
            session.save()
            return True
    except TreegenError as error:
        app.complain(error)
        return False
    app.changed()
    app.action_pane("problems")
    app.notify("merged; what could not be decided is among the problems", severity="warning", timeout=8)
    return False
