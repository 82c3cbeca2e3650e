"""The workflow functions by themselves: what they keep, what they refuse, what they tell."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError, ProblemsError
from treegen.llm.chat.interface import Message, OnText, Reply, ResponseSchema
from treegen.progress import Cancelled
from treegen.tree.changes import OptionRenamed, RuleChanged, apply
from treegen.tree.feedback_target import Feedback, Target
from treegen.workflow.draft import draft_tree
from treegen.workflow.revise import accept_proposal, estimate_revision, propose_revision
from treegen.workflow.score import parent_tree
from treegen.workflow.workspace import Workspace


class QueuedChat:
    """Answers from a list; an exception in the list is raised. Keeps what it was asked."""

    def __init__(self, *replies: str | Exception, name: str = "queued") -> None:
        self.name = name
        self.asked: list[tuple[Message, ...]] = []
        self._replies = list(replies)

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        self.asked.append(tuple(messages))
        reply = self._replies.pop(0)
        if isinstance(reply, Exception):
            raise reply
        return Reply(text=reply, model=self.name, prompt_tokens=10, completion_tokens=5, cost=0.25)


def test_a_failed_call_is_kept_with_its_reason(workspace: Workspace) -> None:
    """The model's failure is in the history although nothing came back, and no tree is written."""
    chat = QueuedChat("no tree here", ModelError("the server is on fire"))
    with pytest.raises(ModelError, match="on fire"):
        draft_tree(workspace, chat, tries=4)
    calls = workspace.store.calls()
    assert [c.finish for c in calls] == ["stop", "failed"]
    assert calls[0].problems[0]["code"] == "TG501"
    assert calls[1].problems == ({"failure": "the server is on fire"},)
    assert not workspace.path.exists()


def test_draft_keeps_tokens_and_cost_with_the_revision(workspace: Workspace) -> None:
    """Every call that led to the revision is attached to it."""
    chat = QueuedChat("{}", TREE)
    drafted = draft_tree(workspace, chat, tries=2)
    assert [(c.revision, c.cost) for c in workspace.store.calls()] == [(drafted.revision.id, 0.25)] * 2
    assert workspace.load()[0] == drafted.tree


def test_waiting_for_a_model_is_shown_and_ends_also_on_failure(workspace: Workspace) -> None:
    """Progress begins and ends around each request; a person who pastes is not disturbed by it."""
    told: list[tuple[str, int, int]] = []
    workspace.progress = lambda *step: told.append(step)
    with pytest.raises(ModelError):
        draft_tree(workspace, QueuedChat(ModelError("no")), tries=1)
    assert told == [("waiting for queued", 0, 1), ("waiting for queued", 1, 1)]
    told.clear()
    draft_tree(workspace, QueuedChat(TREE, name="manual"), tries=1)
    assert told == []


def test_a_tree_with_errors_can_be_revised(workspace: Workspace) -> None:
    """Its problems go into the request, and the answer without errors becomes a proposal."""
    broken = TREE.replace('"form": 6, "scene": 7', '"form": 66, "scene": 7')
    workspace.path.write_text(broken, encoding="utf-8")
    chat = QueuedChat(TREE)
    proposal = propose_revision(workspace, chat, "mend the fish", tries=1)
    assert "TG112 at /rules/Zandoor/form" in chat.asked[0][1].content
    assert "<measured>" not in chat.asked[0][1].content
    (change,) = proposal.changes
    assert isinstance(change, RuleChanged)
    assert change.class_name == "Zandoor"
    assert workspace.path.read_text(encoding="utf-8") == broken


def test_accepting_keeps_what_was_edited_meanwhile(workspace: Workspace) -> None:
    """The file changed between proposal and acceptance: its content is a revision before the proposal replaces it."""
    workspace.path.write_text(TREE, encoding="utf-8")
    proposal = propose_revision(workspace, QueuedChat(TREE.replace('"tiny"', '"small"')), "small", tries=1)
    workspace.path.write_text(TREE.replace('"spikes"', '"spines"'), encoding="utf-8")
    revision = accept_proposal(workspace, proposal)
    kept = workspace.store.revisions()
    assert ['"spines"' in r.tree for r in kept] == [False, True, False]
    assert (revision.parent, revision.author) == (2, "llm")
    assert workspace.load()[0] == proposal.tree


def test_a_parent_that_no_longer_fits_the_domain_is_not_compared(workspace: Workspace) -> None:
    """A class that the domain has lost makes the parent unscorable; the paired test is left out, not wrong."""
    data = json.loads(TREE)
    data["rules"]["Unicorn"] = {**data["rules"]["Abrosk"], "size": 0}
    workspace.path.write_text(json.dumps(data), encoding="utf-8")
    tree = workspace.check().document
    assert tree is not None
    first = workspace.current(tree.tree)
    workspace.path.write_text(TREE, encoding="utf-8")
    second = workspace.current(workspace.load()[0])
    assert second.parent == first.id
    assert parent_tree(workspace, second) is None


class EditingChat:
    """Answers with a tree and changes the file while it does, as an editor would."""

    name = "slow"

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        self.path.write_text(self.text, encoding="utf-8")
        return Reply(text=TREE, model=self.name)


def test_a_draft_keeps_what_was_written_while_the_model_was_answering(workspace: Workspace) -> None:
    """Both states of the file, before the request and before it is replaced, are revisions in its line."""
    workspace.path.write_text(TREE.replace('"huge"', '"vast"'), encoding="utf-8")
    chat = EditingChat(workspace.path, TREE.replace('"tiny"', '"small"'))
    drafted = draft_tree(workspace, chat, tries=1, force=True)
    kept = workspace.store.revisions()
    assert [(r.author, r.parent) for r in kept] == [("human", None), ("human", 1), ("llm", 2)]
    assert ['"vast"' in r.tree for r in kept] == [True, False, False]
    assert ['"small"' in r.tree for r in kept] == [False, True, False]
    assert workspace.load()[0] == drafted.tree


def test_a_draft_never_replaces_a_file_that_appeared_while_the_model_was_answering(workspace: Workspace) -> None:
    """Nobody said --force: the file stays as it is, and the reply is in the history."""
    with pytest.raises(InputError, match="exists"):
        draft_tree(workspace, EditingChat(workspace.path, "mine"), tries=1)
    assert workspace.path.read_text(encoding="utf-8") == "mine"
    assert [c.reply for c in workspace.store.calls()] == [TREE]
    assert workspace.store.revisions() == []


def test_a_reply_whose_syntax_was_mended_is_marked_in_the_history(workspace: Workspace) -> None:
    """So that a model that cannot write JSON can be told from one that can."""
    draft_tree(workspace, QueuedChat("{}", TREE.replace('"tiny", ', '"tiny" // of size\n, ')), tries=2)
    assert [c.repaired for c in workspace.store.calls()] == [False, True]


def test_a_conversation_without_a_result_names_the_command_that_shows_it(workspace: Workspace) -> None:
    """With the file, so that it can be pasted."""
    with pytest.raises(ProblemsError) as raised:
        draft_tree(workspace, QueuedChat("no tree"), tries=1)
    assert f"treegen log {workspace.path} --calls" in raised.value.tip


def test_a_session_tree_is_sent_and_the_file_is_left_alone(workspace: Workspace) -> None:
    """Also one that nobody saved: it becomes no revision."""
    workspace.path.write_text(TREE, encoding="utf-8")
    edited = apply(workspace.load()[0], [OptionRenamed(group="size", old="huge", new="vast")])
    chat = QueuedChat(TREE.replace('"huge"', '"very large"'))
    proposal = propose_revision(workspace, chat, "larger", tries=1, tree=edited)
    assert '"vast"' in chat.asked[0][1].content
    assert (proposal.base, [c.sentence for c in proposal.changes]) == (
        edited,
        ['in group "size" the option "vast" became "very large"'],
    )
    assert workspace.store.revisions() == []
    assert workspace.path.read_text(encoding="utf-8") == TREE


def test_a_known_diagnosis_is_sent_and_nothing_is_scored(workspace: Workspace) -> None:
    workspace.path.write_text(TREE, encoding="utf-8")
    dev: Any = {"accuracy": 0.25, "n": 8, "mean_per_class_recall": 0.25, "groups": [], "confused": []}
    chat = QueuedChat(TREE)
    propose_revision(workspace, chat, "better", tries=1, diagnosis=dev)
    assert "accuracy 25 % of 8 images" in chat.asked[0][1].content


LOCKED = TREE.replace('"huge"', '"very large"').replace('"stripes"', '"bands"')


def test_what_is_locked_is_refused_and_not_saved(workspace: Workspace) -> None:
    workspace.path.write_text(TREE, encoding="utf-8")
    feedback = Feedback(text="better words", target=Target(kind="group", group="mark"), locks=frozenset({"group size"}))
    proposal = propose_revision(workspace, QueuedChat(LOCKED), feedback, tries=1)
    size, mark = sorted(proposal.units, key=lambda u: not u.refused)
    assert (size.refused, size.outside, mark.refused, mark.outside) == ('the group "size" is locked', True, "", False)
    accept_proposal(workspace, proposal)
    saved = workspace.path.read_text(encoding="utf-8")
    assert ('"bands"' in saved, '"very large"' in saved) == (True, False)


def test_a_proposal_that_only_has_errors_without_what_is_locked_is_not_saved(workspace: Workspace) -> None:
    """Wendle and Torvane differ in their mark alone; the new difference lies in a class that is locked."""
    workspace.path.write_text(TREE, encoding="utf-8")
    same = TREE.replace(
        '"Torvane": {"colour": 1, "form": 1, "scene": 2, "mark": 1, "size": null}',
        '"Torvane": {"colour": 1, "form": 1, "scene": 2, "mark": 0, "size": null}',
    )
    reply = same.replace('"Wendle": {"colour": 1, "form": 1', '"Wendle": {"colour": 1, "form": 2')
    feedback = Feedback(text="other marks", locks=frozenset({"class Wendle"}))
    proposal = propose_revision(workspace, QueuedChat(reply), feedback, tries=1)
    with pytest.raises(ProblemsError, match="without the changes to locked parts, the proposal has errors: TG204"):
        accept_proposal(workspace, proposal)
    assert workspace.path.read_text(encoding="utf-8") == TREE


class TalkingChat:
    """Says a tree in two pieces."""

    name = "talking"

    def complete(
        self, messages: Sequence[Message], on_text: OnText | None = None, *, wire: ResponseSchema | None = None
    ) -> Reply:
        assert on_text is not None
        for end in (100, len(TREE)):
            on_text(TREE[:end])
        return Reply(text=TREE, model=self.name)


def test_a_cancelled_request_is_kept_with_what_had_come(workspace: Workspace) -> None:
    """Its tokens and cost are unknown, not zero; a later request goes on as if nothing had been."""
    workspace.path.write_text(TREE, encoding="utf-8")

    def stop(text: str) -> None:
        if text:
            raise Cancelled

    with pytest.raises(Cancelled):
        propose_revision(workspace, TalkingChat(), "better", tries=3, on_text=stop)
    (call,) = workspace.store.calls()
    assert (call.finish, call.reply, call.prompt_tokens, call.cost) == ("cancelled", TREE[:100], None, None)
    assert call.problems == ({"failure": "cancelled before the reply was complete"},)
    told: list[str] = []
    assert propose_revision(workspace, TalkingChat(), "better", tries=1, on_text=told.append).changes == ()
    assert told == [TREE[:100], TREE]


@pytest.mark.slow
@pytest.mark.litellm
def test_an_estimate_is_made_of_the_request_that_would_be_sent(workspace: Workspace) -> None:
    workspace.path.write_text(TREE, encoding="utf-8")
    settings = LlmSettings(model="openai/gpt-4o-mini")
    short = estimate_revision(workspace, settings, "better")
    long = estimate_revision(workspace, settings, "better " * 500)
    assert (long.prompt_tokens or 0) - (short.prompt_tokens or 0) in range(490, 510)
    assert (short.completion_tokens or 0) > 300
    assert short.cost is not None
    assert workspace.store.revisions() == []
