"""Saving: if someone else wrote the file in the meantime, the reviewer decides."""

from functools import partial

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.flows.file_watch import changes_on_disk
from treegen.review.screens.dialogs import ChoiceDialog, TextDialog
from treegen.text import counted
from treegen.workflow.session import ConflictError


class SavingFlow:
    """The way of the tree into its file."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context
        self._restored = 0

    def tell_restored(self) -> None:
        """Report that the history was removed under the review, once for each time."""
        session = self.context.review.session
        if session.restored != self._restored:
            self._restored = session.restored
            text = (
                f"{session.store.folder.name} was removed while it was in use\nit is written again, with every step of "
                "this session"
            )
            self.context.notify(text, severity="warning", timeout=10)

    def save(self) -> None:
        """Write the file; if somebody else did meanwhile, ask what to do."""
        self.context.converse(partial(_save, self.context), "save")


async def _save(context: ReviewContext) -> None:
    session = context.review.session
    try:
        session.save()
    except ConflictError as error:
        choices = [
            "merge theirs into mine, then save",
            "write mine over it (theirs is kept in the history)",
            "wait",
            "save mine under another name",
        ]
        title = f"{error.message}\n{session.path.name} {changes_on_disk(session)}"
        chosen = await context.ask(ChoiceDialog(title, choices))
        if chosen == 3:
            await _save_as(context)
        if chosen in (None, 2, 3) or not _settle(context, merge=chosen == 0):
            return
    except TreegenError as error:
        context.complain(error)
        return
    errors = context.review.errors
    with_errors = f" with {counted(errors, 'error')}" if errors else ""
    context.notify(f"saved {session.path.name}{with_errors}", timeout=2)
    context.review.file_read()
    context.tree_changed()


async def _save_as(context: ReviewContext) -> None:
    """Write the tree beside its file, under a name that is asked for."""
    path = context.review.path
    name = await context.ask(TextDialog("The name of the file", f"{path.stem}-mine{path.suffix}"))
    if name and name.strip():
        context.review.session.save_as(path.with_name(name.strip()))
        context.notify(f"saved as {name.strip()}; the review goes on with {path.name}", timeout=5)


def _settle(context: ReviewContext, *, merge: bool) -> bool:
    """Merge with what is in the file, or write over it. False if something is left to decide."""
    session = context.review.session
    try:
        if not merge:
            session.overwrite()
            return True
        merged = session.merge_file()
        if merged.clean:
            session.save()
            return True
    except TreegenError as error:
        context.complain(error)
        return False
    context.tree_changed()
    context.show_pane("problems")
    context.notify("merged; what could not be decided is among the problems", severity="warning", timeout=8)
    return False
