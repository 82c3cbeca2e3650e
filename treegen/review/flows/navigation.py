"""The way from what is wrong to where it stands."""

from typing import TYPE_CHECKING

from treegen.review.widgets.grid import Grid
from treegen.review.widgets.images import ImagesPane
from treegen.review.widgets.panes import GroupsPane, OptionsPane, RulesPane, place_of
from treegen.tree.problems import Problem, pointer_to

if TYPE_CHECKING:
    from treegen.review.app import ReviewApp


def go_to_problem(app: "ReviewApp", problem: Problem) -> None:
    """Goes to the place, or asks what a merge left to decide."""
    if problem.pointer.startswith("/conflicts/"):
        app.run_worker(app.edits.decide(int(problem.pointer.split("/")[2])), group="edit", exclusive=True)
    else:
        go_to(app, problem.pointer)


def go_to_fault(app: "ReviewApp") -> None:
    """Goes to the rule of the true class in the group at fault, or in the one that was chosen."""
    pane = app.query_one(ImagesPane)
    if mistake := pane.mistake:
        votes = pane.query_one("#votes", Grid)
        vote = mistake.votes[votes.row] if votes.has_focus else mistake.at_fault
        go_to(app, pointer_to("rules", mistake.true, vote.group))


def go_to(app: "ReviewApp", pointer: str) -> None:
    """Puts the cursor where a JSON Pointer leads, and the pane of it before the reader."""
    group, option, name = place_of(pointer)
    names, classes = [g.name for g in app.review.tree.groups], app.review.tree.classes
    if group in names:
        app.query_one(GroupsPane).put_cursor(names.index(group))
    if name in classes:
        app.action_pane("rules")
        app.query_one(RulesPane).put_cursor(classes.index(name), names.index(group) + 1 if group in names else 0)
    elif group in names:
        app.action_pane("options")
        if option is not None and option.isdigit():
            app.query_one(OptionsPane).put_cursor(int(option))
