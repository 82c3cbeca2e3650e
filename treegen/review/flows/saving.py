"""Saving: if someone else wrote the file in the meantime, the reviewer decides."""

from functools import partial
from pathlib import Path
from typing import Final

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.flows.external_editor import edit_file
from treegen.review.flows.file_watch import changes_on_disk, why_unreadable
from treegen.review.screens.dialogs import ChoiceDialog, TextDialog
from treegen.text import counted
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of
from treegen.workflow.session import ConflictError

_MERGE, _OVERWRITE, _ANOTHER, _EDITOR, _WAIT = "merge", "overwrite", "another", "editor", "wait"  # answers
_NAMED: Final = 6  # places that are named in a question


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
    if session.is_blank:
        await _save_blank(context)
        return
    if not await _confirm_readings(context):
        return
    try:
        session.save()
    except ConflictError as error:
        if not await _resolve(context, error):
            return
    _tell_saved(context)


def _tell_saved(context: ReviewContext) -> None:
    errors = context.review.errors
    with_errors = f" with {counted(errors, 'error')}" if errors else ""
    context.notify(f"saved {context.review.path.name}{with_errors}", timeout=2)
    context.review.file_read()
    context.tree_changed()


async def _resolve(context: ReviewContext, error: ConflictError) -> bool:
    """Ask what to do with what somebody else did to the file; return whether the tree is in it now."""
    session = context.review.session
    context.review.unreadable = why_unreadable(session)
    problem = context.review.file_problem
    kept, another, wait = "it is kept in .treegen/", "save mine under another name", "wait"
    if not session.path.exists():
        choices = {_OVERWRITE: "write it again", _ANOTHER: another, _WAIT: wait}
    elif problem:
        at = f" at line {problem.place.line}" if problem.place else ""
        choices = {
            _EDITOR: f"open it in the editor{at}",
            _OVERWRITE: f"write mine over it ({kept})",
            _WAIT: wait,
            _ANOTHER: another,
        }
    else:
        choices = {
            _MERGE: "merge theirs into mine, then save",
            _OVERWRITE: "write mine over it (theirs is kept in the history)",
            _WAIT: wait,
            _ANOTHER: another,
        }
    title = f"{error.message}\n{session.path.name} {changes_on_disk(session)}"
    chosen = await context.ask(ChoiceDialog(title, [*choices.values()]))
    match _WAIT if chosen is None else [*choices][chosen]:
        case "another":
            await _save_as(context)
        case "editor":
            await edit_file(context, problem.place.line if problem and problem.place else None)
        case "merge" | "overwrite" as way:
            return _settle(context, merge=way == _MERGE)
    return False


async def _confirm_readings(context: ReviewContext) -> bool:
    """Ask before what is written otherwise in the file is replaced by what was read."""
    readings = context.review.session.readings
    if not readings:
        return True
    lines = [f"- {reading.problem.pointer}: {reading.problem.message}" for reading in readings[:_NAMED]]
    lines += [f"- and {len(readings) - _NAMED} more"] if len(readings) > _NAMED else []
    title = "\n".join([f"{counted(len(readings), 'place')} would be saved otherwise than written:", *lines])
    choices = ["save; the file as it was is kept in .treegen/", "back to the problems"]
    if await context.ask(ChoiceDialog(title, choices)) == 0:
        return True
    context.show_pane("problems")
    return False


async def _save_blank(context: ReviewContext) -> None:
    """Ask what to do with a file that cannot be read: the editor, or the last revision of the history."""
    review, problem = context.review, context.review.file_problem
    session, line = review.session, problem.place.line if problem and problem.place else None
    last = None if session.read_only else session.store.latest()
    choices = [f"open it in the editor{f' at line {line}' if line else ''}"]
    if last:
        which = f"revision {last.id} of {last.created[:16].replace('T', ' ')}"
        choices += [f"write {which} over it (it is kept in .treegen/)", f"save {which} under another name"]
    title = f"{session.path.name} cannot be read: {problem.message if problem else ''}"
    chosen = await context.ask(ChoiceDialog(title, [*choices, "wait"]))
    if chosen == 0:
        await edit_file(context, line)
    elif last and chosen == 1:
        session.recover(last)
        review.file_read()
        context.tree_changed()
        context.notify(f"{session.path.name} is revision {last.id}", timeout=4)
    elif last and chosen == 2:
        await _save_as(context, tree_of(last.tree, session.path.name))


async def _save_as(context: ReviewContext, tree: Tree | None = None) -> None:
    """Write the tree, or another, beside its file, under a name that is asked for."""
    path = context.review.path

    def judge(text: str) -> str:
        named = text.strip()
        if not named or "\0" in named or Path(named).name != named or named == "..":
            return "name a file, without a folder"
        return ""

    name = await context.ask(TextDialog("The name of the file", f"{path.stem}-mine{path.suffix}", judge))
    if name and name.strip():
        context.review.session.save_as(path.with_name(name.strip()), tree)
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
