"""The panes that show a tree as a grid: groups, options, rules, problems."""

from typing import TYPE_CHECKING, Any

from treegen.review.widgets.grid import Column, Grid, widths_of
from treegen.tree.changes import MutableTree
from treegen.tree.changes.edits import users
from treegen.tree.validation.schema import show

if TYPE_CHECKING:
    from treegen.tree.model import Group
    from treegen.workflow.review_model import ReviewModel


def percent(value: float | None) -> str:
    """A share in whole percent; nothing where it is not known."""
    return "" if value is None else f"{100 * value:.0f} %"


def tone_of(value: float | None) -> str:
    """Green from 80 %, red below 50 %."""
    return "" if value is None else "good" if value >= 0.8 else "bad" if value < 0.5 else "warn"


class GroupsPane(Grid):
    """The groups, with how often CLIP answers each rightly."""

    def show(self, review: "ReviewModel") -> None:
        """Shows the tree as it is."""
        groups = review.tree.groups
        measured = review.measured
        right = [g["accuracy"] if (g := measured and measured.group(group.name)) else None for group in groups]
        locked = [f"group {group.name}" in review.session.locks for group in groups]

        def cell(row: int, column: int) -> str:
            return (("* " if locked[row] else "") + groups[row].name, percent(right[row]))[column]

        width = widths_of(["group"], len(groups), lambda r, c: groups[r].name + "  ", most=40)[0]
        columns = [
            Column(head="group", width=min(width, max(self.size.width - 9, 12))),
            Column(head="right", width=5, right=True),
        ]
        self.fill(columns, len(groups), cell, lambda r, c: tone_of(right[r]) if c else "", "no group yet: a adds one")

    def chosen(self, review: "ReviewModel") -> "Group | None":
        """The group under the cursor."""
        groups = review.tree.groups
        return groups[self.row] if self.row < len(groups) else None


class OptionsPane(Grid):
    """The options of a group: who has them, and how often CLIP answers them rightly."""

    def show(self, review: "ReviewModel", group: "Group | None") -> None:
        """Shows the options of the group."""
        if group is None:
            self.fill([], 0, lambda r, c: "", note="choose a group")
            return
        known = review.measured and review.measured.group(group.name)
        right: dict[str, Any] = {o["option"]: o for o in known["options"]} if known else {}
        classes = [users(review.tree, group.name, option) for option in group.options]

        def cell(row: int, column: int) -> str:
            option = group.options[row]
            accuracy = right.get(option, {}).get("accuracy")
            return (option, str(len(classes[row])), percent(accuracy), ", ".join(classes[row][:30]))[column]

        def tone(row: int, column: int) -> str:
            if column == 2:
                return tone_of(right.get(group.options[row], {}).get("accuracy"))
            return "dim" if not classes[row] or column == 3 else ""

        first = widths_of(["option"], len(group.options), cell, least=12, most=36)[0]
        columns = [
            Column(head="option", width=first),
            Column(head="n", width=4, right=True),
            Column(head="right", width=5, right=True),
            Column(head="classes", width=200),
        ]
        self.fill(columns, len(group.options), cell, tone, "no option yet: a adds one")


class RulesPane(Grid):
    """The matrix of classes and groups, in words."""

    def show(self, review: "ReviewModel") -> None:
        """Shows the rules."""
        tree = review.tree
        draft, names, groups = MutableTree(tree), tree.classes, [g.name for g in tree.groups]

        def cell(row: int, column: int) -> str:
            if column == 0:
                return ("* " if f"class {names[row]}" in review.session.locks else "") + names[row]
            answer = draft.answer(names[row], groups[column - 1])
            return answer if isinstance(answer, str) else "-" if answer is None else f"?{answer}"

        def tone(row: int, column: int) -> str:
            if column == 0:
                return ""
            answer = draft.answer(names[row], groups[column - 1])
            return "" if isinstance(answer, str) else "dim" if answer is None else "bad"

        heads = ["class", *groups]
        widths = widths_of(heads, min(len(names), 30), cell, least=6, most=22)
        columns = [Column(head=h, width=w) for h, w in zip(heads, widths, strict=True)]
        self.fill(columns, len(names), cell, tone, "no class yet: a adds one")


class ProblemsPane(Grid):
    """Everything wrong with the tree."""

    def show(self, review: "ReviewModel") -> None:
        """Shows the problems, errors first."""
        self.problems = sorted(review.problems, key=lambda p: p.severity != "error")
        found = self.problems

        def cell(row: int, column: int) -> str:
            problem = found[row]
            return (problem.severity, problem.code, f"{problem.pointer or '/'}: {problem.message}")[column]

        def tone(row: int, column: int) -> str:
            return ("bad" if found[row].severity == "error" else "warn") if column == 0 else ""

        columns = [Column(head="", width=7), Column(head="code", width=5), Column(head="problem", width=300)]
        self.fill(columns, len(found), cell, tone, "no problem")


def place_of(pointer: str) -> tuple[str | None, str | None, str | None]:
    """Group, option and class that a JSON Pointer names: the option as the number of its place."""
    parts = [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]
    if parts[:1] == ["classification_groups"] and len(parts) > 1:
        option = parts[3] if len(parts) > 3 and parts[2] == "options" else None
        return parts[1], option, None
    if parts[:1] == ["rules"] and len(parts) > 1:
        return (parts[2] if len(parts) > 2 else None), None, parts[1]
    return None, None, None


def located(pointer: str) -> str:
    """The place in words, for a message."""
    group, option, name = place_of(pointer)
    said = [show(p) for p in (name, group) if p]
    return " in ".join(said) + (f", option {option}" if option else "") or "the tree"
