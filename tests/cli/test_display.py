"""The sentences and tables of problems, attempts, changes and scores."""

from typing import Any

import pytest

from treegen.cli.display import (
    effect_sentence,
    paired_sentence,
    problem_line,
    say_some,
    show_attempt,
    show_changes,
    show_diagnosis,
    show_notes,
    show_problems,
)
from treegen.cli.display_groups import show_advice, show_groups, show_rules
from treegen.history.score_document import Paired
from treegen.history.store import Revision
from treegen.llm.chat.interface import Reply
from treegen.llm.tasks.attempts import Attempt
from treegen.tree.changes import DomainChanged, OptionAdded
from treegen.tree.validation.problems import Fix, Place, Problem
from treegen.workflow.score import ScoreResult

ERROR = Problem(code="TG111", pointer="/a\x1b/0", message="twice \x1b[2J")
WARNING = Problem(code="TG301", pointer="", message="no digest", fix=Fix(summary="write it", edits=()))


def attempt(**more: Any) -> Attempt:
    return Attempt(number=1, purpose="draft", messages=(), **more)


def test_a_problem_is_one_line_that_obeys_no_name() -> None:
    assert "\x1b[2J" not in problem_line(ERROR, "tree\x1b.json")
    assert "twice \\u001b[2J" in problem_line(ERROR)
    assert problem_line(ERROR, "tree.json", Place(line=3, column=9)).startswith("tree.json:3:9: ")
    assert problem_line(ERROR, "", Place(line=3, column=9)) == problem_line(ERROR)


def test_problems_go_where_they_are_wanted(capsys: pytest.CaptureFixture[str]) -> None:
    """The whole document is called /, and a fix is named."""
    show_problems([ERROR, WARNING], "tree.json")
    show_problems([WARNING], err=True)
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "tree.json: error TG111 /a\\u001b/0: twice \\u001b[2J",
        "tree.json: warning TG301 /: no digest (fix: write it)",
    ]
    assert err == "warning TG301 /: no digest (fix: write it)\n"


def test_an_attempt_is_told_with_its_cost_and_its_errors(capsys: pytest.CaptureFixture[str]) -> None:
    """On stderr; warnings are for the end, and what the model did not tell is left out."""
    reply = Reply(text="{}", model="m\x1b", prompt_tokens=7, completion_tokens=3, cost=0.25)
    show_attempt(attempt(reply=reply, problems=(ERROR, WARNING), repaired=True))
    show_attempt(attempt(reply=Reply(text="{}", model="manual")))
    show_attempt(attempt(reply=None, failure="on fire"))
    show_attempt(attempt(reply=Reply(text="", model="m", finish="cancelled"), failure="cancelled before the end"))
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "draft (reply 1 of m\\u001b, 7 + 3 tokens, $0.2500): 1 error, read as JSON5",
        "error TG111 /a\\u001b/0: twice \\u001b[2J",
        "draft (reply 1 of manual): no errors",
        "draft (request 1 to m): cancelled before the end",
    ]


def test_changes_have_a_sign_for_added_removed_and_changed(capsys: pytest.CaptureFixture[str]) -> None:
    added = OptionAdded(group="g\x1b", option="red", after=None)
    show_changes([added, added.inverse(), DomainChanged(old="a", new="b\n")])
    assert capsys.readouterr().out.splitlines() == [
        '+ in group "g\\u001b" the option "red" added at the front',
        '- in group "g\\u001b" the option "red" removed',
        '~ the domain "a" became "b\\n"',
    ]


@pytest.mark.parametrize(
    ("count", "lines", "last"), [(0, 0, None), (10, 10, "9"), (11, 11, "1 more"), (500, 11, "490 more")]
)
def test_of_a_long_list_the_first_ten_are_shown_and_the_rest_counted(
    capsys: pytest.CaptureFixture[str], count: int, lines: int, last: str | None
) -> None:
    say_some([str(number) for number in range(count)])
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == lines
    assert last is None or last in shown[-1]


@pytest.mark.parametrize(
    ("p", "told"),
    [
        (0.00001, "McNemar p < 0.0001"),
        (0.04, "McNemar p = 0.0400"),
        (0.05, "McNemar p = 0.0500, no significant difference"),
        (1.0, "McNemar p = 1.0000, no significant difference"),
    ],
)
def test_a_paired_test_claims_a_difference_only_below_five_percent(p: float, told: str) -> None:
    paired: Paired = {"wins": 30, "losses": 10, "difference": -0.0512, "p": p}
    assert paired_sentence(paired, "the parent") == f"against the parent: -5.1 points, 30 images won, 10 lost, {told}"


def test_what_could_be_shown_is_told_or_said_to_be_nothing() -> None:
    effect: Any = {"difference": 0.08, "discordant": 0.25, "alpha": 0.05, "power": 0.8}
    shown: Any = {"minimum_detectable_effect": effect, "test": {"n": 390}}
    told = effect_sentence(shown)
    assert "390 images can show differences of 8.0 points or more (power 0.8, 25.0 % of them differ)" in told
    nothing: Any = {"minimum_detectable_effect": {**effect, "difference": None}, "test": {"n": 9}}
    assert effect_sentence(nothing) == "too few images differ to show any difference"


def test_the_weakest_classes_stand_first_and_those_without_images_last(capsys: pytest.CaptureFixture[str]) -> None:
    def entry(name: str, recall: float | None) -> dict[str, Any]:
        told = [] if recall is None else [{"name": "Eel", "count": 2}]
        return {"name": name, "n": 4, "recall": recall, "interval": None, "taken_for": told}

    confused = [{"option": "red", "taken_for": "pink", "count": 3}]
    group = {"name": "colour", "accuracy": None, "interval": None, "n": 0, "confused": confused}
    classes = [entry("Newt", 0.5), entry("Olm", None), entry("Swan", 0.25)]
    show_diagnosis({"groups": [group], "classes": classes})
    out = capsys.readouterr().out
    assert "red taken for pink (3)" in out
    assert [line.split()[0] for line in out.splitlines()[-3:]] == ["Swan", "Newt", "Olm"]
    assert "Eel (2)" in out.splitlines()[-3]


def test_notes_on_a_score_go_to_stderr_and_the_score_comes_back(capsys: pytest.CaptureFixture[str]) -> None:
    """So that they are in no one's JSON."""
    kept = Revision(id=1, parent=None, author="human", note="", digest="", tree="", created="")
    scored = ScoreResult(revision=kept, score={}, notes=("look here",))
    assert show_notes(scored) is scored
    assert capsys.readouterr() == ("", "note: look here\n")


def rules_section(p_holm: float) -> Any:
    share = {"n": 50, "correct": 40, "accuracy": 0.8, "interval": [0.67, 0.89], "mean_per_class_recall": 0.8}
    against = {"wins": 9, "losses": 2, "difference": 0.14, "p": p_holm, "p_holm": p_holm}
    entries = [
        {"rule": "sum", "parameters": {}, "dev": share, "dev_against": None, "test": share, "test_against": None},
        {
            "rule": "vote",
            "parameters": {},
            "dev": share,
            "dev_against": against,
            "test": share,
            "test_against": against,
        },
    ]
    return {"chosen": "vote", "first": "sum", "folds": 5, "entries": entries, "abstaining": []}


def test_a_chosen_rule_is_said_to_differ_only_below_five_percent(capsys: pytest.CaptureFixture[str]) -> None:
    show_rules(rules_section(0.02))
    assert "vote differs from sum on the test split by +14.0 points, p = 0.0200" in capsys.readouterr().out
    show_rules(rules_section(0.07))
    out = capsys.readouterr().out
    assert "vote does not differ significantly from sum on the test split at n = 50 (+14.0 points, p = 0.0700)" in out
    assert "differs" not in out
    stays = rules_section(0.02)
    stays["chosen"] = "sum"
    show_rules(stays)
    assert "sum stays: no other rule has a higher accuracy on the dev split" in capsys.readouterr().out


def test_groups_of_an_earlier_score_are_shown_as_far_as_they_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    show_groups([{"name": "colour", "n": 9, "accuracy": 0.5, "interval": [0.2, 0.8], "options": [], "confused": []}])
    assert capsys.readouterr().out.splitlines()[1].split() == ["colour", "50.0", "%", *"-" * 7]


def test_advice_is_marked_by_whether_the_images_show_it_and_long_lists_are_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show_advice({})
    assert capsys.readouterr().out == ""
    show_advice({"advice": [{"sentence": f"do {i}", "shown": i < 2} for i in range(9)]})
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:5] == ["  - do 0", "  - do 1", "  ? do 2"]
    assert lines[-1] == "  and 3 more (--json lists all)"
