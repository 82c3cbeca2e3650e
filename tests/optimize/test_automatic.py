"""Runs with a language model: what is kept, what ends them, and what they must not see."""

import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE, Run
from tests.optimize.stand_in import fields_of, random_reply, reply_of
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError, WaitingError
from treegen.history.store import Store
from treegen.llm.chat.interface import Message, Reply
from treegen.optimize import automatic
from treegen.optimize.automatic import Automatic, Options, prepare
from treegen.remote.budget import CAP, Limits
from treegen.tree.document import digest_of
from treegen.workflow.proposal_review import ProposalReview
from treegen.workflow.score import score_tree
from treegen.workflow.session import Session
from treegen.workflow.workspace import Workspace

pytest.importorskip("gepa")
pytest.importorskip("dspy")
pytestmark = pytest.mark.slow

SETTINGS = LlmSettings(model="openai/stand-in")
Answer = Callable[[str], str]


class Scripted:
    """A chat that answers by a function of the request, and fails where that raises."""

    name = "openai/stand-in"

    def __init__(self, answer: Answer) -> None:
        self.answer, self.requests = answer, list[str]()

    def complete(self, messages: Sequence[Message], on_text: Any = None, *, wire: Any = None) -> Reply:
        self.requests.append(messages[-1].content)
        return Reply(text=self.answer(messages[-1].content), model=self.name, prompt_tokens=5, completion_tokens=5)


def by_seed(seed: int) -> Answer:
    return lambda request: random_reply(request, seed)


def in_turn(*replies: str) -> Answer:
    """Each once, then the last for ever."""
    left = list(replies)
    return lambda request: left.pop(0) if len(left) > 1 else left[0]


def failing_at(number: int, error: BaseException, answer: Answer) -> Answer:
    asked = 0

    def reply(request: str) -> str:
        nonlocal asked
        asked += 1
        if asked == number:
            raise error
        return answer(request)

    return reply


@pytest.fixture
def opened(tree_file: Path) -> Iterator[Workspace]:
    with Workspace(tree_file) as workspace:
        yield workspace


def run_with(workspace: Workspace, answer: Answer, **options: Any) -> tuple[Automatic, Scripted]:
    chat = Scripted(answer)
    settings = options.pop("settings", SETTINGS)
    return prepare(workspace, settings, Options(**options)).run(chat), chat


#: what the drawings show less clearly than TREE says
HELPFUL = [{"do": "answer", "class": name, "group": "scene", "option": None} for name in ("Orlith", "Nubbet", "Grelm")]


def test_what_helps_becomes_a_revision_with_parent_and_score_and_what_harms_is_left_out(opened: Workspace) -> None:
    harmful = {"do": "answer", "class": "Zandoor", "group": "colour", "option": "white"}
    result, chat = run_with(opened, in_turn(reply_of([*HELPFUL, harmful]), reply_of([])), patience=2)
    first = result.rounds[0]
    assert first.fate in ("accepted", "no gain shown")
    assert any("Zandoor" in sentence and effect is not None and effect < 0 for sentence, effect in first.dropped)
    assert first.tree is not None
    assert all("Zandoor" not in sentence for sentence in first.changes)
    revision = opened.store.find_revision(digest_of(first.tree))
    assert revision is not None
    assert revision.parent == result.revisions[0]
    assert revision.note.startswith("optimize, round 1, model, ")
    (score,) = opened.store.scores_of(digest_of(first.tree))[:1]
    assert 0 < score["dev"]["accuracy"] < 1
    counted = opened.store.rows("SELECT tree, base, tried, source FROM choice ORDER BY id", ())
    accepted = [each for each in result.rounds if each.candidate is not None]
    assert [row[0] for row in counted[: len(accepted)]] == [digest_of(e.tree) for e in accepted if e.tree]
    assert {row[3] for row in counted} == {"optimize"}
    if accepted:
        assert counted[0][1:3] == (digest_of(result.seed), len(first.dropped))
    assert len(counted) >= len(result.search.steps if result.search else ())
    purposes = [call.purpose for call in opened.store.calls()]
    assert purposes == ["optimize", *["optimize", "repair"] * (len(result.rounds) - 1)]
    assert len(chat.requests) == result.replies
    assert [each.fate for each in result.rounds[1:]] == ["invalid"] * (len(result.rounds) - 1)


RUBBISH = {
    "prose": "I would rather not.",
    "no list": reply_of("x"),
    "empty": reply_of([]),
    "broken": "[[ ## changes ## ]]\n[{",
    "half a character": "\ud83d",
    "unknown groups": reply_of([{"do": "remove group", "group": "x"}]),
    "numbers": reply_of([1, 2, None]),
    "identical classes": reply_of([{"do": "remove group", "group": g} for g in ("colour", "form", "mark", "size")]),
}


def test_rubbish_alone_ends_clearly_with_the_seed(opened: Workspace) -> None:
    result, chat = run_with(opened, in_turn(*(text for text in RUBBISH.values() for _ in "12")), patience=len(RUBBISH))
    assert [each.fate for each in result.rounds] == ["invalid"] * len(RUBBISH), [
        (each.fate, each.refused) for each in result.rounds
    ]
    assert all(each.refused for each in result.rounds)
    assert (result.stop, result.best, len(result.candidates)) == ("no gain", 0, 1)
    assert len(chat.requests) == 2 * len(RUBBISH), [len(r) for r in chat.requests]  # each is sent back once
    assert "It cannot be used:" in fields_of(chat.requests[1])["rejected"]
    assert fields_of(chat.requests[-1])["tried"].count("could not be used") == len(RUBBISH) - 1


def test_a_model_that_repeats_itself_is_not_asked_for_ever(opened: Workspace) -> None:
    result, _ = run_with(opened, in_turn(reply_of(HELPFUL)), patience=3)
    assert result.stop == "no gain"
    assert result.rounds[-1].fate in ("repeated", "no change", "invalid")
    assert len(result.rounds) <= 4 + len(result.candidates)


@pytest.mark.parametrize(
    ("error", "stop"),
    [(ModelError("--max-calls 3 is used up", code=CAP), "cap"), (ModelError("the server is down"), "failed")],
)
def test_an_error_of_the_model_ends_the_run_at_once_with_the_best(
    opened: Workspace, error: ModelError, stop: str
) -> None:
    result, chat = run_with(opened, failing_at(3, error, by_seed(1)))
    assert (result.stop, result.error) == (stop, error)
    assert len(chat.requests) == 3  # gepa would have tried again
    assert result.replies == 2
    assert (result.score is None) or stop == "cap"
    whole, more = run_with(opened, by_seed(1))
    assert whole.reused == 2
    assert more.requests[0] == chat.requests[2]


def ended(result: Automatic) -> tuple[Any, ...]:
    return (
        *(result.stop, result.best, digest_of(result.tree), result.confirm, result.luck, result.replies),
        *((each.fate, each.changes, each.refused, each.propose, each.confirm) for each in result.rounds),
    )


def test_an_interrupted_run_keeps_its_best_and_comes_to_the_same_end(
    opened: Workspace, sketchbook: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other"
    sketchbook.rename(other)
    with Workspace(other / "tree.json") as workspace:
        first, chat = run_with(workspace, failing_at(4, KeyboardInterrupt(), by_seed(3)))
        assert (first.stop, first.score, first.search) == ("interrupted", None, None)
        second, more = run_with(workspace, by_seed(3))
    assert second.reused == 3
    other.rename(sketchbook)
    for file in (sketchbook / ".treegen").glob("store.sqlite*"):
        file.unlink()
    opened.close()
    whole, all_of_it = run_with(opened, by_seed(3))
    assert ended(second) == ended(whole)
    assert [*chat.requests[:3], *more.requests] == all_of_it.requests


@pytest.mark.parametrize("seed", range(20 if os.environ.get("TREEGEN_SOAK") else 3))
def test_random_proposals_never_make_it_significantly_worse(
    opened: Workspace, seed: int, record_property: Callable[[str, object], None]
) -> None:
    result, _ = run_with(opened, by_seed(seed), patience=4)
    assert result.confirm[1] / result.n[1] >= result.confirm[0] / result.n[1] - 0.1
    if result.score is not None:
        paired = result.score["mcnemar"]["parent"]
        assert paired is not None
        assert paired["wins"] >= paired["losses"] or paired["p"] > 0.05
        test = result.score["test"]["accuracy"]
        figure = f"random proposals, seed {seed}: confirm {result.confirm[1] / result.n[1]:.3f}, test {test:.3f}"
        record_property("figure", f"{figure}, {paired['wins']} won, {paired['losses']} lost")


def test_the_test_split_is_not_touched_before_the_end(opened: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    automation = prepare(opened, SETTINGS, Options(patience=2))
    parts, at_the_end = opened.evaluator.splits, list[str]()

    class Sealed(dict[str, Any]):
        def __getitem__(self, name: str) -> Any:
            assert name == "dev" or at_the_end, "the test split is read before the end"
            return super().__getitem__(name)

        def values(self) -> Any:
            raise AssertionError("all splits are read")

        items = values

    def score_last(*args: Any, **named: Any) -> Any:
        at_the_end.append("score")
        opened.evaluator.splits = parts
        return score(*args, **named)

    score = score_tree
    monkeypatch.setattr(automatic, "score_tree", score_last)
    monkeypatch.setattr(
        automatic.Automation, "_stored", lambda self, tree, note, parent, author="llm": _noted(self, tree)
    )
    opened.evaluator.splits = Sealed(parts)
    result = automation.run(Scripted(in_turn(reply_of(HELPFUL))))
    assert at_the_end == ["score"] * result.changed


def _noted(automation: Any, tree: Any) -> int:
    automation.revisions[digest_of(tree)] = automation.revisions[digest_of(automation.seed)]
    return int(automation.revisions[digest_of(tree)])


def test_labels_of_the_test_split_change_nothing_but_the_score(opened: Workspace) -> None:
    """Twice the same run, once with all labels of the test split wrong: the same requests and the same tree."""
    ends = []
    for shift in (0, 1):
        automation = prepare(opened, SETTINGS, Options(patience=3, fresh=True))
        part = opened.evaluator.splits["test"]
        labels = tuple((label + shift) % 13 for label in part.labels)
        opened.evaluator.splits["test"] = type(part)(features=part.features, labels=labels, images=part.images)
        chat = Scripted(by_seed(3))
        result = automation.run(chat)
        ends.append((ended(result), chat.requests))
        opened.close()
    assert ends[0] == ends[1]


def test_caps_of_time_end_a_run(opened: Workspace) -> None:
    now = [0.0]

    def slowly(request: str) -> str:
        now[0] += 40
        return random_reply(request, 1)

    automation = prepare(opened, SETTINGS, Options(seconds=100), clock=lambda: now[0])
    chat = Scripted(slowly)
    result = automation.run(chat)
    assert (result.stop, len(chat.requests)) == ("time", 3)
    assert result.search is None


def test_a_target_and_a_person_end_a_run(opened: Workspace) -> None:
    result, chat = run_with(opened, by_seed(1), target=0.5)
    assert (result.stop, chat.requests) == ("target", [])
    with pytest.raises(WaitingError):
        run_with(opened, failing_at(1, WaitingError("a person"), by_seed(1)), fresh=True)


def test_locks_hold(opened: Workspace) -> None:
    result, chat = run_with(opened, by_seed(2), locks=["group colour", "class Orlith"], rule_edits=False, patience=4)
    for tree in (result.tree, *(each.tree for each in result.rounds if each.tree)):
        before, after = result.seed.group("colour"), tree.group("colour")
        assert before == after
        one, other = (next(r for r in t.rules if r.name == "Orlith") for t in (result.seed, tree))
        for group in tree.groups:
            if result.seed.group(group.name) and result.seed.group(group.name) == group:
                assert result.seed.word(one, group.name) == tree.word(other, group.name)
    assert fields_of(chat.requests[0])["locked"].splitlines() == ['- the class "Orlith"', '- the group "colour"']


def test_a_baseline_takes_as_many_replies(opened: Workspace) -> None:
    drafts = 0

    def answer(request: str) -> str:
        nonlocal drafts
        if "[[ ## tree ## ]]" in request:
            return random_reply(request, 1)
        drafts += 1
        return TREE if drafts % 2 else "no"

    result, chat = run_with(opened, answer, patience=2, baseline=True)
    assert result.baseline is not None
    assert result.baseline.replies == result.replies == len(chat.requests) - result.replies
    assert result.baseline.drafts >= 1
    assert result.baseline.right == result.confirm[0]  # the draft is the seed
    assert result.baseline.score is not None


def test_too_few_images_are_one_sentence(opened: Workspace) -> None:
    images = [each for part in opened.evaluator.splits.values() for each in part.images if each.label == 0]
    for image in images[2:]:
        image.path.unlink()
    opened.close()
    with pytest.raises(InputError, match='1 class has a single dev image: "Abrosk"'):
        prepare(opened, SETTINGS, Options())


def test_the_command_proposes_for_the_review_and_goes_on_where_a_person_left_off(
    run: Run, tree_file: Path, tmp_path: Path
) -> None:
    before, first, second = tree_file.read_bytes(), tmp_path / "a.txt", tmp_path / "b.txt"
    command = ("optimize", tree_file, "--model", "manual", "--messages", tmp_path / "m.txt", "--patience", 1)
    waiting = run(*command, "--answer", first)
    assert (waiting.code, "request 1 is waiting" in waiting.err) == (0, True)
    assert "[[ ## evidence ## ]]" in (tmp_path / "m.txt").read_text()
    refused = run(*command, "--answer", first, "--no-rule-edits")
    assert refused.code == 2
    assert "has another setting of --no-rule-edits" in refused.err
    first.write_text(reply_of([]))
    waiting = run(*command, "--answer", first)
    assert (waiting.code, "request 2 is waiting" in waiting.err) == (0, True)
    second.write_text(reply_of(HELPFUL))
    done = run(*command, "--max-calls", 2, "--answer", second, "--propose", "--json")
    assert done.code == 0, done.err
    result = json.loads(done.out)
    assert (result["replies"], result["reused"]) == (2, 1)
    assert "best on confirm" in done.err
    assert tree_file.read_bytes() == before
    with Store(tree_file) as store:
        session = Session(tree_file, store)
        review = ProposalReview.left_in(session)
        session.close()
    assert review is not None
    assert review.units
    assert digest_of(review.proposed) == next(
        revision.digest for revision in _revisions(tree_file) if revision.id == result["revision"]
    )
    again = run(*command, "--max-calls", 2, "--json")  # asks for nothing
    assert again.code == 0, again.err
    assert json.loads(again.out)["reused"] == 2


def _revisions(tree: Path) -> list[Any]:
    with Store(tree) as store:
        return store.revisions()


def test_options_that_need_a_model_say_so(run: Run, tree_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for option in (("--baseline",), ("--target", "90"), ("--max-calls", "3"), ("--answer", "x")):
        done = run("optimize", tree_file, *option)
        assert (done.code, f"{option[0]} needs --model" in done.err) == (2, True)
    done = run("optimize", tree_file, "--model", "manual", "--apply", "--propose")
    assert (done.code, "use one of them" in done.err) == (2, True)
    monkeypatch.setattr("treegen.extras.is_installed", lambda module: module not in ("gepa", "dspy"))
    done = run("optimize", tree_file, "--model", "manual")
    assert done.code == 2
    assert "optimizing with a language model needs gepa and dspy, which are not installed" in done.err
    assert "pip install 'treegen-clip[optimize]'" in done.err


def test_limits_are_those_of_the_settings(opened: Workspace) -> None:
    settings = LlmSettings(model="manual", caps=Limits(max_calls=2))
    chat = Scripted(by_seed(1))
    chat.name = "manual"
    result = prepare(opened, settings, Options()).run(chat)
    assert (result.stop, len(chat.requests)) == ("cap", 2)
