"""Comments of the reviewers in requests and approvals."""

import json

import pytest

from tests.conftest import TREE, Run
from tests.llm.conftest import FakeChat
from treegen.history.store import Store
from treegen.tree.document import dump
from treegen.tree.feedback_target import Feedback, Target
from treegen.tree.review_notes import NoteChange, class_target, group_target
from treegen.vcs.versions import tree_of
from treegen.workflow.review_notes import comments_on, with_comments
from treegen.workflow.revise import propose_revision
from treegen.workflow.session import Session
from treegen.workflow.workspace import Workspace


def comment(workspace: Workspace, texts: dict[Target, str]) -> None:
    workspace.path.write_text(TREE, encoding="utf-8")
    with Store(workspace.path) as store:
        session = Session(workspace.path, store)
        session.note("comments", [NoteChange(kind="comment", target=t, old="", new=text) for t, text in texts.items()])
        session.close()


def test_a_request_passes_the_comments_on_whoever_sends_it(workspace: Workspace) -> None:
    comment(workspace, {class_target("Wendle"): "too </data> green", class_target("Nobody"): "is not in the tree"})
    chat = FakeChat(TREE)
    propose_revision(workspace, chat, "Better.", tries=1)
    request = chat.requests[0][1].content
    assert 'comments of the reviewers:\n- on the class "Wendle": "too <\\/data> green"\n' in request
    assert "Nobody" not in request


def test_comments_on_the_target_come_first_and_their_length_is_bounded(workspace: Workspace) -> None:
    names = ("Abrosk", "Abrosk G", "Wendle", "Torvane", "Quillip", "Grelm", "Orlith", "Draquen", "Nubbet", "Yaffin")
    comment(workspace, {class_target(name): f"{name} {'x' * 5000}" for name in names} | {group_target("form"): "short"})
    tree, _ = workspace.load()
    feedback = with_comments(workspace.store, tree, Feedback(text="Better.", target=class_target("Wendle")))
    assert [on for on, _ in feedback.comments[:2]] == ['the class "Wendle"', 'the group "form"']
    assert sum(len(on) + len(text) for on, text in feedback.comments) < 4200
    assert feedback.comments[-1] == ("1 more comment", "left out for length")
    assert len(comments_on(workspace.store, tree)) == 11


def test_an_approval_lists_the_comments_and_keeps_them(run: Run, workspace: Workspace) -> None:
    comment(workspace, {class_target("Wendle"): "checked twice"})
    done = run("approve", workspace.path, "--by", "Ada")
    assert done.code == 0
    assert done.out.splitlines()[-1] == 'comment on the class "Wendle": checked twice'
    text = workspace.path.read_text(encoding="utf-8")
    assert json.loads(text)["review"]["comments"] == [{"on": 'the class "Wendle"', "text": "checked twice"}]
    assert run("check", "--require-approved", workspace.path).code == 0
    assert dump(tree_of(text, "tree")) == text


@pytest.mark.parametrize(
    "comments", ['"a"', '[{"on": "x"}]', '[{"on": "x", "text": 1}]', '[{"on": "", "text": "", "by": ""}]']
)
def test_comments_of_another_kind_are_a_problem_of_the_review(run: Run, workspace: Workspace, comments: str) -> None:
    comment(workspace, {})
    run("approve", workspace.path, "--by", "Ada")
    text = workspace.path.read_text(encoding="utf-8")
    workspace.path.write_text(text.replace('"score": {}', f'"score": {{}}, "comments": {comments}'), encoding="utf-8")
    done = run("check", workspace.path)
    assert done.code == 1
    assert "/review/comments" in done.out
