"""Where the cursors are, and the way to another pane, to a row that is sought, or to the place of a problem."""

from functools import partial
from typing import Final

from textual.widget import Widget

from treegen.review.context import ReviewContext, Selection
from treegen.review.flows.edits import EditFlow
from treegen.review.flows.external_editor import edit_file
from treegen.review.screens.jump import JumpScreen
from treegen.review.widgets.grid import Grid
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import GroupsPane, OptionsPane, ProblemsPane, RulesPane, place_of
from treegen.review.widgets.search_bar import SearchBar
from treegen.text import show
from treegen.tree.validation.problems import path_of, pointer_to

_KINDS: Final = {"groups": "group", "options": "option", "rules": "class"}


def selection_of(context: ReviewContext, focused: Widget | None) -> Selection:
    """Return what the cursors are on, by the widget that has the focus."""
    tree = context.review.tree
    group = context.query_one(GroupsPane).chosen(context.review)
    rules, row = context.query_one(RulesPane), context.query_one(OptionsPane).row
    return Selection(
        group=group,
        option=group.options[row] if group and row < len(group.options) else None,
        class_name=rules.class_at(tree),
        marked=tuple(name for name in tree.rows if name in rules.marked),
        rule_group=tree.groups[rules.column - 1] if 0 < rules.column <= len(tree.groups) else None,
        kind=_KINDS.get((focused.id or "") if focused else "", ""),
        grid=focused.grid if isinstance(focused, SearchBar) else focused if isinstance(focused, Grid) else None,
    )


class NavigationFlow:
    """The keys that lead elsewhere and change nothing."""

    def __init__(self, context: ReviewContext) -> None:
        self.context = context

    def search(self) -> None:
        """Ask what to search for in the grid that has the focus, or among the groups."""
        grid = self.context.selection.grid or self.context.query_one(GroupsPane)
        self.context.query_one(SearchBar).ask(grid)

    def find(self, direction: int) -> None:
        """Go to the next or previous row that holds the text."""
        if grid := self.context.selection.grid:
            self.context.query_one(SearchBar).find(grid, direction)

    def leave_search(self) -> None:
        """Hide the search field."""
        self.context.query_one(SearchBar).action_leave()

    def jump(self) -> None:
        """Show a letter on every grid; pressing it goes there."""
        self.context.push_screen(JumpScreen(self.context.query(Grid)))

    def to_problem(self) -> None:
        """Go to the place of the problem under the cursor, or ask what only a person can decide there."""
        problem = self.context.query_one(ProblemsPane).problem
        if problem is None:
            return
        pointer, edits = problem.pointer, EditFlow(self.context)
        if problem in self.context.review.unreadable:
            line = problem.place.line if problem.place else None
            self.context.converse(partial(edit_file, self.context, line), "editor")
        elif pointer.startswith("/conflicts/") and self.context.review.session.reading_of(problem) is None:
            self.context.converse(partial(edits.decide, int(pointer.split("/")[2])), "edit")
        elif pointer == "/domain":
            self.context.converse(edits.name_domain, "edit")
        elif pointer == "/rules" and problem.classes:
            self.context.notify(f"a adds the class {show(problem.classes[0])}", timeout=4)
        else:
            self.go_to(pointer_to(*path_of(pointer), problem.group) if problem.group else pointer)

    def to_fault(self) -> None:
        """Go to the rule of the true class in the group at fault, if any, or in the one that was chosen."""
        pane = self.context.query_one(ImagesPane)
        if image := pane.current:
            votes = pane.query_one("#votes", Grid)
            fault = [image.mistake.at_fault.group] if image.mistake else []
            group = [image.votes[votes.row].group] if votes.has_focus else fault
            self.go_to(pointer_to("rules", image.true, *group))

    def to_image(self, index: int) -> None:
        """Show an image of the dev split: among the misclassified ones if it is one, else among all."""
        pane, measured = self.context.query_one(ImagesPane), self.context.review.measured
        wrong = [mistake.index for mistake in measured.mistakes] if measured else []
        pane.which, pane.filter = "wrong" if index in wrong else "all", ""
        self.context.show_pane("images")
        pane.list.put_cursor(wrong.index(index) if index in wrong else index)

    def go_to(self, pointer: str) -> None:
        """Put the cursor where a JSON Pointer leads, and show the pane of it."""
        context = self.context
        group, option, name = place_of(pointer)
        names, classes = [g.name for g in context.review.tree.groups], context.review.tree.rows
        if name not in classes:  # the class of looks has no rule of its own
            name = next(iter(context.review.tree.looks.get(name or "", ())), None)
        if group in names:
            context.query_one(GroupsPane).put_cursor(names.index(group))
        if name in classes:
            rules = context.query_one(RulesPane)
            rules.filter = rules.filter if name in rules.names else ""  # else the cursor would have no place
            context.show_pane("rules")
            rules.put_cursor(rules.names.index(name), names.index(group) + 1 if group in names else 0)
        elif pointer == "/rules":
            context.show_pane("rules")
        elif pointer == "/classification_groups":
            context.query_one(GroupsPane).focus()
        elif group in names:
            context.show_pane("options")
            if option is not None and option.isdigit():
                context.query_one(OptionsPane).put_cursor(int(option))
