"""What a reviewer notes beside the tree: what is reviewed, and comments. Each is a step that can be undone."""

from collections.abc import Sequence

from treegen.review.context import ReviewContext
from treegen.review.screens.dialogs import TextDialog
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import GroupsPane, RulesPane
from treegen.review.widgets.score import ScorePane
from treegen.text import counted, show
from treegen.tree.feedback_target import Target
from treegen.tree.review_notes import NoteChange, NoteKind, class_target, fingerprint, group_target, option_target

_LONGEST = 2000  # characters of a comment


class NotesFlow:
    """The keys of a reviewer who goes through a tree."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def target(self) -> Target | None:
        """Return what the cursor is on: a group, an option or a class."""
        at = self.context.selection
        match at.grid.id if at.grid else "groups":
            case "options" if at.group and at.option:
                return option_target(at.group.name, at.option)
            case "rules":
                return class_target(at.class_name) if at.class_name else None
            case "classes" if at.grid:
                name = self.context.query_one(ScorePane).class_at(at.grid.row)
                return class_target(name) if name in self.context.review.tree.rows and name else None
            case "mistakes" | "votes":
                mistake = self.context.query_one(ImagesPane).mistake
                return class_target(mistake.true) if mistake else None
            case "groups" | "options":
                return group_target(at.group.name) if at.group else None
        return None

    def toggle(self) -> None:
        """Mark the group or class under the cursor, or the marked classes, as reviewed, and go to the next that is not.

        If all of them are reviewed already, take the marks off.
        """
        targets, done = self._to_review(), self.context.review.reviewed
        if not targets:
            self.context.notify("groups and classes can be marked as reviewed", timeout=3)
            return
        off = all(target in done for target in targets)
        tree = self.context.review.tree
        changes = [self._change("reviewed", target, "" if off else fingerprint(tree, target)) for target in targets]
        what = _words(targets)
        self._note(f"{what} not reviewed" if off else f"reviewed {what}", changes)
        if len(targets) > 1:
            self.context.query_one(RulesPane).unmark()
        elif not off:
            self._go_on(targets[0])

    def _to_review(self) -> list[Target]:
        at, target = self.context.selection, self.target()
        if target and target.kind == "class" and at.kind == "class" and at.marked:
            return [class_target(name) for name in at.marked]
        if target and target.kind == "option":
            return [group_target(target.group)]
        return [target] if target else []

    def next(self) -> None:
        """Go to the next group or class that is not reviewed."""
        target = self.target()
        kind = target.kind if target else "class"
        if not self._go_on(target or class_target("")):
            self.context.notify(f"every {'class' if kind == 'class' else 'group'} is reviewed", timeout=3)

    def _go_on(self, target: Target) -> bool:
        """Put the cursor on the next of its kind that is not reviewed, going round at the end."""
        review = self.context.review
        is_class = target.kind == "class"
        names = self.context.query_one(RulesPane).names if is_class else [group.name for group in review.tree.groups]
        make = class_target if is_class else group_target
        name = target.class_name if is_class else target.group
        grid = self.context.query_one(RulesPane if is_class else GroupsPane)
        start = names.index(name) + 1 if name in names else min(grid.row, len(names))  # a filter may have dropped it
        for place in (*range(start, len(names)), *range(start)):
            if make(names[place]) not in review.reviewed:
                if is_class and self.context.pane != "rules":
                    self.context.show_pane("rules")
                grid.put_cursor(place)
                return True
        return False

    def comment(self) -> None:
        """Write a comment on what the cursor is on."""
        self.context.converse(self._comment, "comment")

    async def _comment(self) -> None:
        target = self.target()
        if target is None:
            self.context.notify("comments are on groups, options and classes", timeout=3)
            return
        old = self.context.review.session.notes.get(("comment", target), "")
        title = f"Comment on {target.words}" + (" (empty removes it)" if old else "")
        text = await self.context.ask(TextDialog(title, old, _too_long))
        if text is not None:
            label = f"comment on {target.words}" if text.strip() else f"no comment on {target.words}"
            self._note(label, [self._change("comment", target, text.strip())])

    def _change(self, kind: NoteKind, target: Target, text: str) -> NoteChange:
        old = self.context.review.session.notes.get((kind, target), "")
        return NoteChange(kind=kind, target=target, old=old, new=text)

    def _note(self, label: str, changes: Sequence[NoteChange]) -> None:
        self.context.review.session.note(label, changes)
        self.context.marks_changed()


def _too_long(text: str) -> str:
    return f"at most {_LONGEST} characters" if len(text) > _LONGEST else ""


def _words(targets: Sequence[Target]) -> str:
    if len(targets) > 1:
        return counted(len(targets), "class", "classes")
    return f"{targets[0].kind} {show(targets[0].class_name or targets[0].group)}"
