"""The edits of a reviewer: each is one key, one step, and can be undone. What is asked is asked in a dialog."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal

from treegen.errors import TreegenError
from treegen.review.screens.dialogs import ChoiceDialog, SeveralDialog, TextDialog
from treegen.tree import editing
from treegen.tree.changes import Answer, Change, apply
from treegen.tree.conflicts import Side, changes_of
from treegen.tree.document import content_of
from treegen.tree.keywords import show
from treegen.tree.problems import Problem
from treegen.tree.validation import check_data

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp
    from treegen.tree.model import Conflict, Group

Changes = tuple[Change, ...]
Maker = Callable[[str], Changes]
_KEEP = "(no answer)"


class Edits:
    """What the keys of the app do to the tree, which `edit` alone changes."""

    def __init__(self, app: "ReviewApp") -> None:
        self.app = app

    def edit(self, label: str, make: Callable[[], Sequence[Change]]) -> bool:
        """Makes changes as one step and shows them; says why if they do not fit."""
        try:
            self.app.review.session.do(label, make())
        except TreegenError as error:
            self.app.complain(error)
            return False
        self.app.changed()
        return True

    def fix(self, problem: Problem) -> None:
        """Makes the fix of a problem, if it has one that is certain."""
        if problem.fix is None:
            self.app.notify("no certain fix: enter goes to the place", timeout=4, markup=False)
            return
        label = f"fixed: {problem.fix.summary}"
        self.edit(label, lambda: editing.fix_problem(self.app.review.tree, problem))

    def judge(self, make: Maker) -> Callable[[str], str]:
        """What would be wrong with the tree if a text were taken: validation as it is typed."""
        before = {(p.code, p.message) for p in check_data(content_of(self.app.review.tree)).problems}

        def wrong(text: str) -> str:
            try:
                tree = apply(self.app.review.tree, make(text))
            except TreegenError as error:
                return error.message
            new = [p for p in check_data(content_of(tree)).problems if (p.code, p.message) not in before]
            return next((p.message for p in new if p.severity == "error" and p.code in ("TG106", "TG110", "TG111")), "")

        return wrong

    async def _ask(self, title: str, text: str, make: Maker, label: str) -> bool:
        """Asks for a text and makes the changes that it leads to."""
        answer = await self.app.push_screen_wait(TextDialog(title, text, self.judge(make)))
        return answer is not None and self.edit(label.format(show(answer)), lambda: make(answer))

    async def add(self) -> None:
        """A new group, option or class behind the cursor."""
        tree, group, kind = self.app.review.tree, self.app.group, self.app.focused_kind
        if kind == "group":
            await self._add_group(group)
        elif kind == "class":
            after = self.app.class_name
            like = await self._like()
            if like is False:
                return
            await self._ask("Name of the new class", "", lambda t: editing.add_class(tree, t, after, like), "class {}")
        elif group:
            after = self.app.option
            await self._ask(
                f"New option of {group.name}", "", lambda t: editing.add_option(tree, group.name, t, after), "option {}"
            )

    async def _like(self) -> str | Literal[False] | None:
        """A class whose answers the new one gets, `None` for no answers, `False` if the dialog was left."""
        classes = self.app.review.tree.classes
        chosen = await self.app.push_screen_wait(ChoiceDialog("Its answers, at first", [_KEEP, *classes]))
        if chosen is None:
            return False
        return classes[chosen - 1] if chosen else None

    async def _add_group(self, after: "Group | None") -> None:
        tree, name_of = self.app.review.tree, after.name if after else None

        def make(text: str, prompt: str = "It has {}.", options: Sequence[str] = ("one", "another")) -> Changes:
            return editing.add_group(tree, text, prompt, options, name_of)

        name = await self.app.push_screen_wait(
            TextDialog("Name of the new group", "", self.judge(lambda t: tuple(make(t))))
        )
        if name is None:
            return
        noun = self.app.review.domain.noun if self.app.review.domain else "object"
        asked = TextDialog(
            "Its prompt, with {} where the option goes", f"This {noun} has {{}}.", self.judge(lambda t: make(name, t))
        )
        prompt = await self.app.push_screen_wait(asked)
        if prompt is None:
            return

        def split(text: str) -> tuple[str, ...]:
            return tuple(part.strip() for part in text.split(",") if part.strip())

        asked = TextDialog("Its options, with commas between", "", self.judge(lambda t: make(name, prompt, split(t))))
        options = await self.app.push_screen_wait(asked)
        if options is not None:
            self.edit(f"group {show(name)}", lambda: make(name, prompt, split(options)))

    async def rename(self) -> None:
        """Another name for the group, option or class under the cursor."""
        tree, group, option, name = self.app.review.tree, self.app.group, self.app.option, self.app.class_name
        if self.app.focused_kind == "class" and name:
            await self._ask("Name of the class", name, lambda t: editing.rename_class(tree, name, t), "renamed to {}")
        elif self.app.focused_kind == "option" and group and option:
            await self._ask(
                "The option", option, lambda t: editing.rename_option(tree, group.name, option, t), "renamed to {}"
            )
        elif group:
            await self._ask(
                "Name of the group", group.name, lambda t: editing.rename_group(tree, group.name, t), "renamed to {}"
            )

    async def edit_prompt(self) -> None:
        """Another prompt for the group."""
        tree, group = self.app.review.tree, self.app.group
        if group:
            await self._ask(
                f"Prompt of {group.name}",
                group.prompt,
                lambda t: editing.change_prompt(tree, group.name, t),
                "prompt {}",
            )

    async def delete(self) -> None:
        """The group, option or class under the cursor goes; of an option that classes have, asks where they go."""
        tree, group, option, name = self.app.review.tree, self.app.group, self.app.option, self.app.class_name
        if self.app.focused_kind == "class" and name:
            self.edit(f"without class {show(name)}", lambda: editing.delete_class(tree, name))
        elif self.app.focused_kind == "option" and group and option:
            await self._delete_option(group, option)
        elif self.app.focused_kind == "group" and group:
            self.edit(f"without group {show(group.name)}", lambda: editing.delete_group(tree, group.name))

    async def _delete_option(self, group: "Group", option: str) -> None:
        tree = self.app.review.tree
        names = editing.users(tree, group.name, option)
        goes_to: dict[str, Answer] = {}
        if names:
            answer = await self._where(group, option, f"{len(names)} classes have {show(option)}; they get instead")
            if answer is False:
                return
            goes_to = dict.fromkeys(names, answer)
        self.edit(f"without option {show(option)}", lambda: editing.delete_option(tree, group.name, option, goes_to))

    async def _where(self, group: "Group", option: str, title: str) -> str | bool | None:
        """Another option of the group, `None` for no answer, `False` if the dialog was left."""
        others = [o for o in group.options if o != option]
        chosen = await self.app.push_screen_wait(ChoiceDialog(title, [*others, _KEEP]))
        if chosen is None:
            return False
        return others[chosen] if chosen < len(others) else None

    async def merge(self) -> None:
        """All classes of the option under the cursor get another option, and it goes."""
        tree, group, option = self.app.review.tree, self.app.group, self.app.option
        if not group or not option:
            return
        others = [o for o in group.options if o != option]
        chosen = await self.app.push_screen_wait(ChoiceDialog(f"Merge {show(option)} into", others))
        if chosen is not None:
            into = others[chosen]
            label = f"{show(option)} merged into {show(into)}"
            self.edit(label, lambda: editing.merge_options(tree, group.name, option, into))

    async def split(self) -> None:
        """A new option, which some classes of the option under the cursor get."""
        tree, group, option = self.app.review.tree, self.app.group, self.app.option
        if not group or not option:
            return
        maker: Maker = lambda t: editing.add_option(tree, group.name, t, option)  # noqa: E731
        new = await self.app.push_screen_wait(
            TextDialog(f"Split {show(option)}: the new option", "", self.judge(maker))
        )
        if new is None:
            return
        names = editing.users(tree, group.name, option)
        chosen = await self.app.push_screen_wait(SeveralDialog(f"Which classes get {show(new)}?", names))
        if chosen is not None:
            classes = [names[i] for i in chosen]
            label = f"{show(option)} split: {show(new)}"
            self.edit(label, lambda: editing.split_option(tree, group.name, option, new.strip(), classes))

    async def point(self) -> None:
        """Another answer for the class in the group under the cursor."""
        tree, name, group = self.app.review.tree, self.app.class_name, self.app.rule_group
        if not name or not group:
            return
        rule = next(r for r in tree.rules if r.name == name)
        index = rule.get(group.name)
        at = index if index is not None and 0 <= index < len(group.options) else len(group.options)
        choices = [*group.options, _KEEP]
        chosen = await self.app.push_screen_wait(ChoiceDialog(f"{name} in {group.name}", choices, at))
        if chosen is not None:
            answer = group.options[chosen] if chosen < len(group.options) else None
            told = f"{show(name)} in {show(group.name)}: {show(answer) if answer else 'no answer'}"
            self.edit(told, lambda: editing.point_rule(tree, name, group.name, answer))

    async def decide(self, number: int) -> None:
        """What a merge left to decide: one side, the other, or the tree as it stands."""
        tree = self.app.review.tree
        conflict = tree.conflicts[number]
        choices = [f"mine: {_told(conflict, 'ours')}", f"theirs: {_told(conflict, 'theirs')}", "the tree as it stands"]
        chosen = await self.app.push_screen_wait(ChoiceDialog(conflict.what, choices))
        if chosen is not None:
            side: Literal["ours", "theirs", "file"] = ("ours", "theirs", "file")[chosen]
            self.edit(f"decided: {conflict.what}", lambda: editing.decide(tree, number, side))

    def lock(self) -> None:
        """Locks or unlocks the group or class under the cursor for language models."""
        app, session = self.app, self.app.review.session
        if app.focused_kind == "class":
            what = f"class {app.class_name}" if app.class_name else ""
        else:
            what = f"group {app.group.name}" if app.group and app.focused_kind else ""
        if what:
            session.set_lock(what, what not in session.locks)
            app.refresh_panes()

    def move_by(self, by: int) -> None:
        """The group, option or class under the cursor one place up or down."""
        tree, group, option, name = self.app.review.tree, self.app.group, self.app.option, self.app.class_name
        grid = self.app.focused_grid
        if self.app.focused_kind == "class" and name:
            moved = self.edit(f"moved {show(name)}", lambda: editing.move_class(tree, name, by))
        elif self.app.focused_kind == "option" and group and option:
            moved = self.edit(f"moved {show(option)}", lambda: editing.move_option(tree, group.name, option, by))
        elif self.app.focused_kind == "group" and group:
            moved = self.edit(f"moved {show(group.name)}", lambda: editing.move_group(tree, group.name, by))
        else:
            return
        if moved and grid:
            grid.put_cursor(grid.row + by)


def _told(conflict: "Conflict", side: Side) -> str:
    try:
        changes = changes_of(conflict, side)
    except TreegenError as error:
        return error.message
    return "; ".join(change.sentence for change in changes) or "as the tree stands"
