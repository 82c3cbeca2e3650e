"""Each lint on small trees: what it says, where, and what it leaves alone; the fast searches against slow ones."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.counting import assert_linear
from treegen.tree.document import tree_from
from treegen.tree.lint.rules import is_slip, lint
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.validation.problems import CODES, Problem


def tree_of(options: Sequence[str], prompt: str = "It has {}.", classes: Sequence[str] = ("Qa", "Qb")) -> Tree:
    """One group in which the classes answer 0, 1, 0, ..."""
    rules = tuple(ClassRule(name=name, answers=(("g", i % 2),)) for i, name in enumerate(classes))
    return Tree(domain="d", groups=(Group(name="g", prompt=prompt, options=tuple(options)),), rules=rules)


def tree_with(rules: Mapping[str, Sequence[int | None]], groups: int) -> Tree:
    """Groups g0, g1, ... with five options, and a rule for each class."""
    options = ("oak", "fir", "elm", "yew", "ash")
    return Tree(
        domain="d",
        groups=tuple(Group(name=f"g{i}", prompt="The {}.", options=options) for i in range(groups)),
        rules=tuple(
            ClassRule(name=name, answers=tuple((f"g{i}", answer) for i, answer in enumerate(answers)))
            for name, answers in rules.items()
        ),
    )


def places(problems: Sequence[Problem], code: str = "") -> list[tuple[str, str]]:
    short = "/classification_groups/g/options/"
    return [(p.code, p.pointer.replace(short, "")) for p in problems if p.code.startswith(code)]


def told(tree: Tree, code: str, **options: Any) -> list[str]:
    return [p.message for p in lint(tree, **options) if p.code == code]


def test_a_tree_that_asks_well_has_nothing_to_lint(content: dict[str, Any]) -> None:
    content["classification_groups"]["legs"]["options"][0] = "zero"
    content["rules"] = {"Newt": {"colour": 1, "legs": 2}, "Swan": {"colour": 0, "legs": 1}}
    assert list(lint(tree_from(content))) == []


def test_every_lint_is_a_warning_and_says_what_to_do(content: dict[str, Any]) -> None:
    options = ["white", "white body", "usually black or gray", "no dark fur", "expensive", "the newt " + "long " * 80]
    content["classification_groups"]["colour"]["options"] = options
    content["classification_groups"]["size"] = {"prompt": "It is an {}.", "options": ["white", "black"]}
    content["classification_groups"]["legs"]["options"] += ["two of the four"]
    for rule in content["rules"].values():
        rule["size"] = 0
    content["rules"]["Swan"]["colour"] = None
    problems = list(lint(tree_from(content)))
    measured = {"TG703", "TG704", "TG705", "TG706"}  # what a score advises
    assert {p.code for p in problems} == {code for code in CODES if code[2] in "67"} - measured
    assert {p.severity for p in problems} == {"warning"}
    assert all(p.message.isprintable() and len(p.message) > 20 for p in problems)


@pytest.mark.parametrize(
    ("options", "later", "why"),
    [
        (["mainly white", "white"], 1, "filler words or spelling"),
        (["gray", "grey"], 1, "filler words or spelling"),
        (["a long tail", "fins", "a very long tail"], 2, "filler words or spelling"),
        (["white with black spots", "black with white spots"], 1, "CLIP hardly reads order"),
        (["triangular fin", "trianglar fin"], 1, '"trianglar" and "triangular" differ by one typo'),
        (["yellow", "yelow"], 1, '"yelow" and "yellow" differ by one typo'),
        (["purple", "pruple"], 1, '"pruple" and "purple" differ by one typo'),
        (["hexagonal", "hexogonal"], 1, "one typo"),
        (["serrate edge", "serrated edge"], 1, "one typo"),
    ],
)
def test_options_that_are_nearly_the_same(options: list[str], later: int, why: str) -> None:
    problems = [p for p in lint(tree_of(options)) if p.code != "TG608"]
    assert places(problems) == [("TG601", str(later))]
    assert why in problems[0].message


@pytest.mark.parametrize(
    "options",
    [
        ["5 legs", "6 legs"],
        ["1234567", "1234568"],
        ["< 50000", "> 50000"],
        ["A10000", "A10001"],
        ["house", "horse"],
        ["curved", "carved"],
        ["silver coin", "copper coin"],
        ["mountain", "fountain"],
        ["feathers", "leathers"],
        ["tail", "tails"],
        ["white wings", "white wing"],
        ["convex", "concave"],
        ["left", "right"],
        ["brown", "crown"],
    ],
)
def test_options_that_are_no_slips_of_each_other(options: list[str]) -> None:
    """The same after normalisation is TG111, which the schema tells."""
    assert places(list(lint(tree_of(options))), "TG601") == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["blue", "light blue", "navy blue"], ["1", "2"]),
        (["spots", "black spots on white", "fins"], ["1"]),
        (["light blue", "blue-green"], []),
        (["white", "whitewashed"], []),
        (["a horn", "no horn"], []),
        (["5", "more than 5", "< 5"], []),
        (["at least two", "two"], ["0"]),
        (["black spots", "black round spots"], []),
        (["", "red", "blue"], []),
        ([" \t", "red", "light red"], ["2"]),
    ],
)
def test_an_option_that_contains_another(options: list[str], expected: list[str]) -> None:
    assert places(list(lint(tree_of(options))), "TG602") == [("TG602", i) for i in expected]


def test_what_is_nearly_the_same_is_not_also_told_to_contain_it() -> None:
    assert places(list(lint(tree_of(["green", "mainly green"])))) == [("TG601", "1")]


@pytest.mark.parametrize(
    ("option", "code"),
    [("red or blue", "TG603"), ("often red", "TG604"), ("no wings", "TG605"), ("venomous", "TG606")],
)
def test_a_doubtful_wording_is_told_once_with_its_words_and_what_to_write(option: str, code: str) -> None:
    (problem,) = lint(tree_of([f"{option}, {option}", "a tail"]))
    assert (problem.code, problem.pointer) == (code, "/classification_groups/g/options/0")
    assert problem.message.startswith('"')
    assert ": " in problem.message


def test_a_prompt_is_linted_too_but_may_ask_about_alternatives() -> None:
    prompt = "The wings or fins of this friendly animal are usually not {}."
    problems = list(lint(tree_of(["round", "long"], prompt)))
    assert [(p.code, p.pointer) for p in problems] == [
        (code, "/classification_groups/g/prompt") for code in ("TG606", "TG604", "TG605")
    ]


def test_words_of_other_languages_are_not_taken_for_english() -> None:
    tree = tree_of(["no", "or", "white", "noir"], "Il est {} usually.", classes=("Noir", "Qb"))
    assert places(list(lint(tree, language="fr"))) == [("TG607", "3")]
    assert {c for c, _ in places(list(lint(tree, language="en-GB")))} == {"TG603", "TG604", "TG605", "TG607"}


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a Wren", ["Wren"]),
        ("wrens", ["Wren"]),
        ("a wrench", []),
        ("like a house wren", ["House Wren"]),
        ("a wren and a house-wren", ["Wren", "House Wren"]),
        ("jenny on a post", ["Wren"]),
        ("x 5", []),
    ],
)
def test_a_class_name_is_found_by_whole_words_and_by_its_other_names(text: str, names: list[str]) -> None:
    tree = tree_of(["a tail", text], classes=("Wren", "House Wren", "X", "5"))
    problems = [p for p in lint(tree, aliases=[("Wren", ("Jenny", "stubby"))]) if p.code == "TG607"]
    assert [p.message.split('the class "')[1].split('"')[0] for p in problems] == names
    assert {p.pointer for p in problems} <= {"/classification_groups/g/options/1"}


def test_the_message_names_the_other_name() -> None:
    (message,) = told(tree_of(["a jenny", "a tail"]), "TG607", aliases=[("Qa", ("Jenny",))])
    assert 'the class "Qa" by its alias "Jenny"' in message


def test_a_class_name_does_not_reach_over_the_place_of_the_option() -> None:
    assert told(tree_of(["red", "blue"], "A house {} wren.", classes=("House Wren", "Qb")), "TG607") == []
    assert len(told(tree_of(["red", "blue"], "A {} house wren.", classes=("House Wren", "Qb")), "TG607")) == 1


def test_a_group_of_white_and_gray_alone() -> None:
    (problem,) = lint(tree_of(["white", "gray"]))
    assert (problem.code, problem.pointer) == ("TG608", "/classification_groups/g/options")
    assert '"white", "gray"' in problem.message


def test_a_prompt_that_surely_exceeds_the_context_is_told_at_its_option() -> None:
    fits, exceeds = " ".join(["word"] * 72), " ".join(["word"] * 73)  # with "It has", "." and both ends 77 and 78
    (problem,) = (p for p in lint(tree_of([fits, exceeds])) if p.code == "TG609")
    assert problem.pointer.endswith("/options/1")
    assert "at least 78 tokens, but CLIP reads only 77" in problem.message
    assert told(tree_of([fits, exceeds]), "TG609", context=None) == []


def test_a_group_that_separates_no_two_classes() -> None:
    tree = tree_with({"Qa": [1, 0, None], "Qb": [1, 1, None], "Qc": [None, 2, None]}, 3)
    assert places([p for p in lint(tree) if p.code == "TG701"]) == [
        ("TG701", "/classification_groups/g0"),
        ("TG701", "/classification_groups/g2"),
    ]
    assert list(lint(tree_with({"Qa": [1]}, 1))) == []


def test_two_classes_that_differ_in_one_group_are_both_named_with_it() -> None:
    tree = tree_with({"Qa": [0, 0, 0], "Qb": [1, 1, 1], "Qc": [0, None, 0], "Qd": [2, 2, 2]}, 3)
    problem, few = lint(tree)
    assert (problem.code, problem.pointer) == ("TG702", "/rules/Qc")
    assert (few.code, few.pointer) == ("TG610", "/rules/Qc")
    assert few.message.startswith('"Qc" is answered by only "g0" and "g2" of 3 groups, the rest is null')
    assert problem.message == '"Qc" differs from "Qa" in "g1" only'


def test_many_near_twins_are_counted_and_three_of_them_named() -> None:
    tree = tree_with({f"Q{i}{j}": [i, j] for i in range(5) for j in range(5)}, 2)
    messages = told(tree, "TG702")
    assert len(messages) == 24
    assert messages[-1] == (
        '"Q44" differs from "Q04" in "g0" only, from "Q14" in "g0" only, from "Q24" in "g0" only, '
        "and from 5 more in one group only"
    )


def test_twins_and_a_tree_of_one_group_are_no_near_twins() -> None:
    assert list(lint(tree_with({"Qa": [0, 0], "Qb": [0, 0], "Qc": [1, 1]}, 2))) == []
    assert list(lint(tree_with({"Qa": [0], "Qb": [1], "Qc": [2]}, 1))) == []


ANSWERS = st.lists(st.lists(st.sampled_from([0, 1, 2, None]), min_size=3, max_size=3), min_size=2, max_size=12)


@given(ANSWERS)
def test_near_twins_are_those_that_a_comparison_of_all_pairs_finds(answers: list[list[int | None]]) -> None:
    expected = dict.fromkeys(range(len(answers)), 0)
    for earlier, later in combinations(range(len(answers)), 2):
        expected[later] += sum(a != b for a, b in zip(answers[earlier], answers[later], strict=True)) == 1
    found = {}
    for p in lint(tree_with({f"Q{i}": row for i, row in enumerate(answers)}, 3)):
        if p.code == "TG702":
            more = int(p.message.split("and from ")[1].split()[0]) if "and from" in p.message else 0
            found[int(p.pointer.removeprefix("/rules/Q"))] = p.message.count(" only") - bool(more) + more
    assert found == {later: count for later, count in expected.items() if count}


def distance(a: str, b: str) -> int:
    """Optimal string alignment: a letter more, less, another, or two neighbours swapped."""
    rows = [list(range(len(b) + 1))]
    for i, x in enumerate(a, 1):
        rows.append([i])
        for j, y in enumerate(b, 1):
            best = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and y == a[i - 2]:
                best = min(best, rows[i - 2][j - 2] + 1)
            rows[i].append(best)
    return rows[-1][-1]


@given(st.text("abc", min_size=7, max_size=9), st.text("abc", min_size=7, max_size=9))
def test_a_slip_of_long_words_is_a_distance_of_one(a: str, b: str) -> None:
    assert is_slip(a, b) == (distance(a, b) == 1 and a[0] == b[0])
    assert is_slip(a, b) == is_slip(b, a)


@given(st.lists(st.text("xy", min_size=6, max_size=8), min_size=2, max_size=8, unique=True))
def test_slips_among_options_are_those_that_a_comparison_of_all_pairs_finds(words: list[str]) -> None:
    expected = {j for i, j in combinations(range(len(words)), 2) if is_slip(words[i], words[j])}
    found = {int(place) for _, place in places(list(lint(tree_of(words))), "TG601")}
    assert found == expected


NAMES = st.text(min_size=1, max_size=12)


@given(st.lists(NAMES, min_size=2, max_size=5), NAMES, st.lists(NAMES, min_size=2, max_size=4, unique=True))
def test_any_tree_can_be_linted(options: list[str], prompt: str, classes: list[str]) -> None:
    for problem in lint(tree_of(options, prompt, classes), aliases=[(classes[0], options)]):
        assert problem.message.isprintable()


@pytest.mark.slow
@pytest.mark.parametrize(
    "option", ["x" * 300_000, "word " * 100_000, "a b " * 50_000, "no " * 100_000, "wren " * 50_000, "/" * 100_000]
)
def test_an_option_as_long_as_a_book_is_linted(option: str) -> None:
    """Work or memory that grows with the square of its length would have no end here."""
    codes = [p.code for p in lint(tree_of([option, option[:-3] + "y", "a b", "word"], classes=("Wren", "Qb")))]
    assert ("TG609" in codes) == (option[0] != "x" and option[0] != "/")


def test_class_names_that_begin_alike_are_looked_up_and_not_gone_through() -> None:
    def found(count: int) -> int:
        tree = tree_of([f"bird {i}" for i in range(count)], classes=[f"Bird {i}" for i in range(1, 10 * count + 1)])
        return [p.code for p in lint(tree)].count("TG607")

    assert found(200) == 199
    assert_linear(found, 100)


@pytest.mark.slow
def test_classes_are_not_compared_in_pairs() -> None:
    def found(count: int) -> int:
        rules = {f"Bird {i}": [i // 1000 % 5, i // 200 % 5, i // 40 % 5, i // 8 % 5, i % 5, 0] for i in range(count)}
        return [p.code for p in lint(tree_with(rules, 6))].count("TG702")

    assert found(10_000) > 5_000
    assert_linear(found, 1000)


@pytest.mark.parametrize(
    ("prompt", "options", "wrong"),
    [
        ("It has a {}.", ["orange body", "red body", "eye", "unicorn horn", "hourglass shape"], [0, 2, 4]),
        ("An {} of the sea.", ["eel", "ray", "urchin", "European eel"], [1, 3]),
        ("It has a/an {}.", ["orange body", "red body"], []),
        ("It is {}.", ["orange", "red"], []),
        ("Its plasma {} glows.", ["orb", "ray"], []),
        ("It has a {}.", ["8-legged body", "7-legged body", "X on its back", "U on its back"], [0, 2]),
    ],
)
def test_a_and_an_are_checked_in_the_filled_prompt(prompt: str, options: list[str], wrong: list[int]) -> None:
    problems = [p for p in lint(tree_of(options, prompt)) if p.code == "TG611"]
    assert [int(p.pointer.rsplit("/", 1)[1]) for p in problems] == wrong
    assert [p for p in lint(tree_of(options, prompt), language="de") if p.code == "TG611"] == []
