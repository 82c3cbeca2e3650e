"""The reviewer's edits: each is one key and one undoable step. Input is requested in dialogs."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Literal

from treegen.errors import TreegenError
from treegen.review.context import ReviewContext
from treegen.review.flows.second_review import go_to_unanswered
from treegen.review.screens.dialogs import ChoiceDialog, SeveralDialog, TextDialog
from treegen.review.widgets.panes import ProblemsPane, RulesPane, place_of
from treegen.text import counted, show
from treegen.tree.changes import ABSENT, Answer, Change, apply, edits
from treegen.tree.document import content_of
from treegen.tree.merge.disputes import Side, changes_of
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.fixes import with_merge_fix
from treegen.tree.validation.problems import Problem, pointer_to

if TYPE_CHECKING:
    from treegen.tree.model import Conflict, Group

Changes = tuple[Change, ...]
Maker = Callable[[str], Changes]
_KEEP = "(no answer)"


class EditFlow:
    """What the keys do to the tree; each edit is one step by `ReviewContext.commit`."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def run(self, what: str) -> None:
        """Start the edit of that name, if what it is about is on the screen.

        Args:
            what: `add`, `add_look`, `rename`, `delete`, `edit_prompt`, `merge`, `split` or `point`; empty where nothing
                is edited.
        """
        seen = self.context.pane == "options" if what in ("merge", "split") else self.context.selection.kind
        if what and seen:
            self.context.converse(getattr(self, what), "edit")
        elif self.context.pane != "ask":
            self.context.notify("edits are made among groups, options and rules", timeout=3)

    def undo(self) -> None:
        """Take the last step back."""
        step = self.context.review.session.undo()
        self.context.notify(f"undone: {step.label}" if step else "nothing to undo", timeout=2)
        if step:
            self.context.tree_changed()

    def redo(self) -> None:
        """Make the step that was taken back last again."""
        step = self.context.review.session.redo()
        self.context.notify(f"done again: {step.label}" if step else "nothing to do again", timeout=2)
        if step:
            self.context.tree_changed()

    def fix(self) -> None:
        """Make the fix of the problem under the cursor, if it has one that is certain."""
        pane = self.context.query_one(ProblemsPane)
        if not pane.has_focus or pane.row >= len(pane.problems):
            return
        problem = pane.problems[pane.row]
        if reading := self.context.review.session.reading_of(problem):
            self.context.review.session.accept(reading)
            self.context.marks_changed()
            return
        if problem.fix is None:
            self.context.notify("no certain fix: enter goes to the place", timeout=4)
            return
        label = f"fixed: {problem.fix.summary}"
        self.context.commit(label, lambda: edits.fix_problem(self.context.review.tree, problem))

    def add_missing(self) -> None:
        """Add the class that the problem under the cursor misses, with the answers of another or with none."""
        problem = self.context.query_one(ProblemsPane).problem
        if problem and problem.pointer == "/rules" and problem.classes:
            self.context.converse(partial(self._add_class, problem.classes[0]), "edit")
        else:
            self.context.notify("a adds a class that has no rule; enter goes to the place", timeout=4)

    async def _add_class(self, name: str) -> None:
        tree = self.context.review.tree
        like = await self._like()
        if like is not False:
            after = tree.classes[-1] if tree.classes else None
            self.context.commit(f"class {show(name)}", lambda: edits.add_class(tree, name, after, like))

    def delete_at(self) -> None:
        """Delete what the problem under the cursor is about: an option, an answer, a class, a group."""
        problem = self.context.query_one(ProblemsPane).problem
        if problem is None:
            return
        tree, (group_name, option, name) = self.context.review.tree, place_of(problem.pointer)
        group = tree.group(group_name) if group_name else None
        if name in tree.classes and name and group_name:
            what = f"answer of {show(name)} in {show(group_name)}"
            answer = None if group else ABSENT
            self._delete(what, lambda: edits.point_rule(tree, name, group_name, answer))
        elif name in tree.classes and name and problem.code in ("TG201", "TG203", "TG204"):
            self._delete(f"class {show(name)}", lambda: edits.delete_class(tree, name))
        elif group and option and option.isdigit() and int(option) < len(group.options):
            self.context.converse(partial(self._delete_at, group, int(option)), "edit")
        elif group and problem.code not in ("TG105", "TG113"):
            self._delete(f"group {show(group.name)}", lambda: edits.delete_group(tree, group.name))
        else:
            self.context.notify("enter goes to the place; f takes the fix, if there is one", timeout=4)

    async def _delete_at(self, group: "Group", number: int) -> None:
        option = group.options[number]
        if group.options.count(option) == 1:
            await self._delete_option(group, option)
            return
        fix = Problem(
            code="TG111", pointer=pointer_to("classification_groups", group.name, "options", number), message=""
        )
        tree, data = self.context.review.tree, content_of(self.context.review.tree)
        repeated = with_merge_fix(fix, data)
        self._delete(f"option {show(option)}", lambda: edits.fix_problem(tree, repeated))

    async def name_domain(self) -> None:
        """Ask for the name of the domain."""
        review = self.context.review
        name = review.domain.name if review.domain else review.tree.domain
        await self._ask("Name of the domain", name, lambda t: edits.name_domain(review.tree, t), "domain {}")

    def judge(self, make: Maker) -> Callable[[str], str]:
        """Return what would be wrong with the tree if a text were taken: validation as it is typed."""
        before = {
            (p.code, part)
            for p in check_data(content_of(self.context.review.tree)).problems
            for part in (p.message, p.pointer)
        }

        def wrong(text: str) -> str:
            try:
                tree = apply(self.context.review.tree, make(text))
            except TreegenError as error:
                return error.message
            found = check_data(content_of(tree)).problems
            new = [p for p in found if not before & {(p.code, p.message), (p.code, p.pointer)}]
            return next((p.message for p in new if p.severity == "error" and p.code in ("TG106", "TG110", "TG111")), "")

        return wrong

    async def _ask(self, title: str, text: str, make: Maker, label: str) -> bool:
        """Ask for a text and make the changes that it leads to."""
        answer = await self.context.ask(TextDialog(title, text, self.judge(make)))
        return answer is not None and self.context.commit(label.format(show(answer)), lambda: make(answer))

    async def add(self) -> None:
        """Add a group, option or class behind the cursor."""
        tree, at = self.context.review.tree, self.context.selection
        group, after = at.group, at.class_name if at.kind == "class" else at.option
        if at.kind == "group":
            await self._add_group(group)
        elif at.kind == "class":
            like = await self._like()
            if like is False:
                return
            await self._ask("Name of the new class", "", lambda t: edits.add_class(tree, t, after, like), "class {}")
        elif group:
            await self._ask(
                f"New option of {group.name}", "", lambda t: edits.add_option(tree, group.name, t, after), "option {}"
            )

    async def add_look(self) -> None:
        """Add a look to the class under the cursor, with the answers of the rule there."""
        tree, name = self.context.review.tree, self.context.selection.class_name
        if name:
            rule = next(rule for rule in tree.rules if rule.name == name)
            title = f"Name of the new look of {rule.class_name}, such as {rule.class_name} (female)"
            await self._ask(title, f"{rule.class_name} ()", lambda t: edits.add_look(tree, name, t), "look {}")

    async def _like(self) -> str | Literal[False] | None:
        """Ask whose answers the new class gets: `None` for no answers, `False` if the dialog was left."""
        classes = self.context.review.tree.rows
        chosen = await self.context.ask(ChoiceDialog("Its answers, at first", [_KEEP, *classes]))
        if chosen is None:
            return False
        return classes[chosen - 1] if chosen else None

    async def _add_group(self, after: "Group | None") -> None:
        tree, name_of = self.context.review.tree, after.name if after else None

        def make(text: str, prompt: str = "It has {}.", options: Sequence[str] = ("one", "another")) -> Changes:
            return edits.add_group(tree, text, prompt, options, name_of)

        name = await self.context.ask(TextDialog("Name of the new group", "", self.judge(lambda t: tuple(make(t)))))
        if name is None:
            return
        noun = self.context.review.domain.noun if self.context.review.domain else "object"
        dialog = TextDialog(
            "Its prompt, with {} where the option goes", f"This {noun} has {{}}.", self.judge(lambda t: make(name, t))
        )
        prompt = await self.context.ask(dialog)
        if prompt is None:
            return

        def split(text: str) -> tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())

        dialog = TextDialog("Its options, with commas between", "", self.judge(lambda t: make(name, prompt, split(t))))
        options = await self.context.ask(dialog)
        if options is not None:
            self.context.commit(f"group {show(name)}", lambda: make(name, prompt, split(options)))

    async def rename(self) -> None:
        """Rename the group, option or class under the cursor."""
        tree, at = self.context.review.tree, self.context.selection
        group, option, name = at.group, at.option, at.class_name
        if at.kind == "class" and name:
            await self._ask("Name of the class", name, lambda t: edits.rename_class(tree, name, t), "renamed to {}")
        elif at.kind == "option" and group and option:
            await self._ask(
                "Name of the option",
                option,
                lambda t: edits.rename_option(tree, group.name, option, t),
                "renamed to {}",
            )
        elif group:
            await self._ask(
                "Name of the group", group.name, lambda t: edits.rename_group(tree, group.name, t), "renamed to {}"
            )

    async def edit_prompt(self) -> None:
        """Change the prompt of the group under the cursor; in the rules, of the column."""
        tree, at = self.context.review.tree, self.context.selection
        group = at.edited_group
        if at.kind == "class" and not group:
            self.context.notify("a prompt is of a group: move the cursor to its column", timeout=3)
        elif group:
            await self._ask(
                f"Prompt of {group.name}",
                group.prompt,
                lambda t: edits.change_prompt(tree, group.name, t),
                "prompt {}",
            )

    async def delete(self) -> None:
        """Delete the group, option or class under the cursor; if classes have the option, ask what they get instead.

        On an answer in the rules, clear it.
        """
        tree, at = self.context.review.tree, self.context.selection
        group, option, name = at.group, at.option, at.class_name
        if at.kind == "class" and name and at.rule_group:
            self._clear(at.marked or (name,), at.rule_group)
        elif at.kind == "class" and name:
            answers = next(len(rule.answers) for rule in tree.rules if rule.name == name)
            what = "look" if any(r.look_of for r in tree.rules if r.name == name) else "class"
            self._delete(f"{what} {show(name)}, {counted(answers, 'answer')}", lambda: edits.delete_class(tree, name))
        elif at.kind == "option" and group and option:
            await self._delete_option(group, option)
        elif at.kind == "group" and group:
            went = f"{counted(len(group.options), 'option')}, answers of {counted(len(tree.rules), 'class', 'classes')}"
            self._delete(f"group {show(group.name)}, {went}", lambda: edits.delete_group(tree, group.name))

    def _clear(self, names: Sequence[str], group: "Group") -> None:
        """Clear the answers of classes in a group; in a second review, take them back."""
        tree, empty = self.context.review.tree, ABSENT if self.context.review.second else None
        changes = [change for name in names for change in edits.point_rule(tree, name, group.name, empty)]
        what = names[0] if len(names) == 1 else f"{len(names)} classes"
        label = f"{show(what)} in {show(group.name)}: no answer"
        if self.context.commit(label, lambda: changes) and changes:
            self.context.notify(f"cleared {label}; u undoes it", timeout=4)
            self.context.query_one(RulesPane).unmark()

    def _delete(self, what: str, make: Callable[[], Changes]) -> None:
        if self.context.commit(f"without {what.partition(',')[0]}", make):
            self.context.notify(f"deleted {what}; u undoes it", timeout=4)

    async def _delete_option(self, group: "Group", option: str) -> None:
        tree = self.context.review.tree
        names = edits.users(tree, group.name, option)
        goes_to: dict[str, Answer] = {}
        if names:
            users = counted(len(names), "class has", "classes have")
            answer = await self._where(group, option, f"{users} {show(option)}; choose what replaces it")
            if answer is False:
                return
            goes_to = dict.fromkeys(names, answer)
        self.context.commit(
            f"without option {show(option)}", lambda: edits.delete_option(tree, group.name, option, goes_to)
        )

    async def _where(self, group: "Group", option: str, title: str) -> str | bool | None:
        """Ask for another option of the group: `None` for no answer, `False` if the dialog was left."""
        others = [o for o in group.options if o != option]
        chosen = await self.context.ask(ChoiceDialog(title, [*others, _KEEP]))
        if chosen is None:
            return False
        return others[chosen] if chosen < len(others) else None

    async def merge(self) -> None:
        """Merge the option under the cursor into another, which its classes get."""
        tree, at = self.context.review.tree, self.context.selection
        group, option = at.group, at.option
        if not group or not option:
            return
        others = [o for o in group.options if o != option]
        chosen = await self.context.ask(ChoiceDialog(f"Merge {show(option)} into", others))
        if chosen is not None:
            into = others[chosen]
            label = f"{show(option)} merged into {show(into)}"
            self.context.commit(label, lambda: edits.merge_options(tree, group.name, option, into))

    async def split(self) -> None:
        """Add an option, which some classes of the option under the cursor get."""
        tree, at = self.context.review.tree, self.context.selection
        group, option = at.group, at.option
        if not group or not option:
            return
        maker: Maker = lambda t: edits.add_option(tree, group.name, t, option)  # noqa: E731
        new = await self.context.ask(TextDialog(f"Split {show(option)}: the new option", "", self.judge(maker)))
        if new is None:
            return
        names = edits.users(tree, group.name, option)
        chosen = await self.context.ask(SeveralDialog(f"Which classes get {show(new)}?", names))
        if chosen is not None:
            classes = [names[i] for i in chosen]
            label = f"{show(option)} split: {show(new)}"
            self.context.commit(label, lambda: edits.split_option(tree, group.name, option, new.strip(), classes))

    async def point(self) -> None:
        """Change the answer of the marked classes, or of the one under the cursor, in the group of the column.

        In the column of names, rename the class.
        """
        tree, selection = self.context.review.tree, self.context.selection
        name, group = selection.class_name, selection.rule_group
        if not name:
            return
        if not group:
            await self.rename()
            return
        names = selection.marked or (name,)
        what = name if len(names) == 1 else f"{len(names)} classes"
        rule = next(r for r in tree.rules if r.name == name)
        index = rule.get(group.name)
        at = index if index is not None and 0 <= index < len(group.options) else len(group.options)
        choices = [*group.options, _KEEP]
        chosen = await self.context.ask(ChoiceDialog(f"{what} in {group.name}", choices, at))
        if chosen is None:
            return
        answer = group.options[chosen] if chosen < len(group.options) else None
        message = f"{show(what)} in {show(group.name)}: {show(answer) if answer else 'no answer'}"
        changes = [change for name in names for change in edits.point_rule(tree, name, group.name, answer)]
        if self.context.commit(message, lambda: changes):
            self.context.query_one(RulesPane).unmark()
            if self.context.review.second:
                go_to_unanswered(self.context)

    async def decide(self, number: int) -> None:
        """Decide what a merge left open: one side, the other, or the tree as it stands."""
        tree = self.context.review.tree
        conflict = tree.conflicts[number]
        choices = [
            f"mine: {_outcome(conflict, 'ours')}",
            f"theirs: {_outcome(conflict, 'theirs')}",
            "the tree as it stands",
        ]
        chosen = await self.context.ask(ChoiceDialog(conflict.what, choices))
        if chosen is not None:
            side: Literal["ours", "theirs", "file"] = ("ours", "theirs", "file")[chosen]
            self.context.commit(f"decided: {conflict.what}", lambda: edits.decide(tree, number, side))

    def lock(self) -> None:
        """Lock or unlock the group or class under the cursor for language models."""
        at, session = self.context.selection, self.context.review.session
        if at.kind == "class":
            what = f"class {at.class_name}" if at.class_name else ""
        else:
            what = f"group {at.group.name}" if at.group and at.kind else ""
        if what:
            session.set_lock(what, what not in session.locks)
            self.context.marks_changed()

    def move_by(self, by: int) -> None:
        """Move the group, option or class under the cursor by one place up or down."""
        tree, at = self.context.review.tree, self.context.selection
        group, option, name, grid = at.group, at.option, at.class_name, at.grid
        if at.kind == "class" and name:
            moved = self.context.commit(f"moved {show(name)}", lambda: edits.move_class(tree, name, by))
        elif at.kind == "option" and group and option:
            moved = self.context.commit(
                f"moved {show(option)}", lambda: edits.move_option(tree, group.name, option, by)
            )
        elif at.kind == "group" and group:
            moved = self.context.commit(f"moved {show(group.name)}", lambda: edits.move_group(tree, group.name, by))
        else:
            return
        if moved and grid:
            grid.put_cursor(grid.row + by)


def _outcome(conflict: "Conflict", side: Side) -> str:
    try:
        changes = changes_of(conflict, side)
    except TreegenError as error:
        return error.message
    return "; ".join(change.sentence for change in changes) or "as the tree stands"
