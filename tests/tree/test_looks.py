"""Several looks of one class in the document: text, digest, changes, merge and problems."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from tests.tree.strategies import trees
from treegen.errors import ProblemsError
from treegen.tree.changes import ClassRenamed, LookChanged, MutableTree, apply, edits
from treegen.tree.changes.difference import difference, undo
from treegen.tree.document import content_of, content_text, digest_of, dump, tree_from
from treegen.tree.lint.rules import lint
from treegen.tree.merge.disputes import Side, resolve
from treegen.tree.merge.three_way import merge
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.rendering import lines_of
from treegen.tree.validation.checks import check_data, check_text
from treegen.workflow.proposal_units import take, units_of

FEMALE = "Mallard (female)"


@pytest.fixture
def ducks() -> Tree:
    """Mallard has two looks, of which one has its name."""
    path = Path(__file__).parents[1] / "data" / "trees" / "valid" / "looks.json"
    document = check_text(path.read_text(encoding="utf-8")).document
    assert document is not None
    return document.tree


def without_looks(tree: Tree) -> Tree:
    return replace(tree, rules=tuple(replace(rule, look_of="") for rule in tree.rules))


def sentences(old: Tree, new: Tree) -> list[str]:
    return [change.sentence for change in difference(old, new)]


def test_looks_are_content_and_their_absence_leaves_no_trace(ducks: Tree) -> None:
    plain = without_looks(ducks)
    assert digest_of(plain) != digest_of(ducks)
    assert "looks" not in dump(plain)
    assert "looks" not in content_text(plain)
    assert list(content_of(plain)) == ["domain", "classification_groups", "rules"]
    assert json.loads(dump(ducks))["looks"] == {"Mallard": ["Mallard", FEMALE]}
    assert json.loads(content_text(ducks))["looks"] == {"Mallard": ["Mallard", FEMALE]}
    assert ducks.classes == ("Mallard", "Smew")
    assert ducks.rows == ("Mallard", FEMALE, "Smew")


@given(trees())
def test_a_tree_with_looks_comes_back_from_its_text(tree: Tree) -> None:
    text = dump(tree)
    assert tree_from(json.loads(text)) == tree
    assert dump(tree_from(json.loads(text))) == text


def test_the_order_of_looks_is_that_of_their_rules(ducks: Tree) -> None:
    data = {**content_of(ducks), "looks": {"Mallard": [FEMALE, "Mallard"]}}
    assert tree_from(data) == ducks


def test_a_tree_in_words_says_which_rules_are_looks(ducks: Tree) -> None:
    assert f"class {FEMALE}, a look of Mallard" in list(lines_of(ducks))


def test_a_look_is_added_with_the_answers_of_another_and_taken_back(ducks: Tree) -> None:
    plain = edits.delete_class(ducks, FEMALE)
    one = apply(ducks, plain)
    assert one.looks == {}
    assert [c.sentence for c in plain][1] == '"Mallard" is a class of its own, no longer a look of "Mallard"'
    steps = edits.add_look(one, "Mallard", " Mallard (eclipse) ")
    two = apply(one, steps)
    assert two.looks == {"Mallard": ("Mallard", "Mallard (eclipse)")}
    assert two.rules[1].answers == two.rules[0].answers
    three = apply(two, edits.add_look(two, "Mallard (eclipse)", FEMALE))
    assert three.rows == ("Mallard", "Mallard (eclipse)", FEMALE, "Smew")
    assert apply(two, undo(one, *steps)) == one


def test_renaming_a_look_leaves_its_class_and_renaming_a_class_without_a_rule_its_looks(ducks: Tree) -> None:
    male = apply(ducks, edits.rename_class(ducks, "Mallard", "male"))
    assert male.looks == {"Mallard": ("male", FEMALE)}
    anas = apply(male, edits.rename_class(male, "Mallard", "Anas"))
    assert anas.looks == {"Anas": ("male", FEMALE)}
    assert sentences(male, anas) == ['class "Mallard" renamed to "Anas"']
    for taken in ("Smew", FEMALE):
        with pytest.raises(ProblemsError, match="already has a class"):
            apply(male, (ClassRenamed(old="Mallard", new=taken),))


def test_a_rule_that_is_no_longer_what_it_was_is_refused(ducks: Tree) -> None:
    with pytest.raises(ProblemsError, match='"Smew" is now a class of its own'):
        apply(ducks, (LookChanged(class_name="Smew", old="Mallard", new=""),))


def test_changes_are_told_as_looks(ducks: Tree) -> None:
    split = apply(ducks, edits.add_look(ducks, "Smew", "redhead"))
    assert sentences(ducks, split) == [
        'look "redhead" of "Smew" added after "Smew": "colour" "white", "bill" "gray"',
        'class "Smew" has looks, of which one is "Smew"',
    ]
    assert sentences(split, ducks)[0] == 'look "redhead" of "Smew" removed'


def test_concurrent_edits_of_different_looks_are_merged(ducks: Tree) -> None:
    ours = apply(ducks, edits.point_rule(ducks, "Mallard", "colour", "white"))
    theirs = apply(ducks, edits.point_rule(ducks, FEMALE, "bill", "gray"))
    theirs = apply(theirs, edits.add_look(theirs, "Smew", "redhead"))
    merged = merge(ducks, ours, theirs)
    assert merged.tree.conflicts == ()
    draft = MutableTree(merged.tree)
    assert (draft.answer("Mallard", "colour"), draft.answer(FEMALE, "bill")) == ("white", "gray")
    assert merged.tree.looks == {"Mallard": ("Mallard", FEMALE), "Smew": ("Smew", "redhead")}


def test_both_sides_that_split_one_class_keep_all_looks(ducks: Tree) -> None:
    ours = apply(ducks, edits.add_look(ducks, "Smew", "redhead"))
    theirs = apply(ducks, edits.add_look(ducks, "Smew", "drake"))
    assert merge(ducks, ours, theirs).tree.looks["Smew"] == ("Smew", "redhead", "drake")


def test_a_class_renamed_on_one_side_takes_the_look_that_the_other_added(ducks: Tree) -> None:
    base = apply(ducks, edits.rename_class(ducks, "Mallard", "male"))
    ours = apply(base, edits.rename_class(base, "Mallard", "Anas"))
    theirs = apply(base, edits.add_look(base, "male", "eclipse"))
    assert merge(base, ours, theirs).tree.looks == {"Anas": ("male", FEMALE, "eclipse")}
    assert merge(base, theirs, ours).tree.looks == {"Anas": ("male", FEMALE, "eclipse")}


def test_a_rule_made_a_look_of_two_classes_is_a_conflict_with_both_sides(ducks: Tree) -> None:
    ours = apply(ducks, (LookChanged(class_name=FEMALE, old="Mallard", new="Smew"),))
    theirs = apply(ducks, (LookChanged(class_name=FEMALE, old="Mallard", new=""),))
    merged = merge(ducks, ours, theirs).tree
    assert [c.what for c in merged.conflicts] == [f'"{FEMALE}": ours a look of "Smew", theirs a class of its own']
    assert resolve(merged, 0, "ours") == ours
    assert resolve(merged, 0, "theirs") == theirs


@st.composite
def concurrent(draw: st.DrawFn) -> tuple[Tree, Tree, Tree, tuple[str, str]]:
    """A tree with looks, and two sides that each change the answers of one look, not the same."""
    base = draw(trees())
    names = st.sampled_from(base.rows)
    one, other = draw(names), draw(names)
    assume(one != other)
    base = replace(
        base, rules=tuple(replace(rule, look_of="M") if rule.name in (one, other) else rule for rule in base.rules)
    )

    def side(name: str) -> Tree:
        tree = base
        for group in base.groups:
            tree = apply(tree, edits.point_rule(tree, name, group.name, draw(st.sampled_from([*group.options, None]))))
        return tree

    return base, side(one), side(other), (one, other)


@settings(max_examples=examples(150), deadline=None)
@given(concurrent())
def test_a_merge_of_edits_of_two_looks_has_both_and_no_more(case: tuple[Tree, Tree, Tree, tuple[str, str]]) -> None:
    base, ours, theirs, (one, other) = case
    merged = merge(base, ours, theirs).tree
    assert merged.conflicts == ()
    rules = {tree: {rule.name: rule for rule in tree.rules} for tree in (base, ours, theirs)}
    expected = [rules[{one: ours, other: theirs}.get(name, base)][name] for name in base.rows]
    assert merged == replace(base, rules=tuple(expected))


@settings(max_examples=examples(150), deadline=None)
@given(trees(), trees())
def test_the_changes_between_trees_with_looks_lead_there_and_back(old: Tree, new: Tree) -> None:
    changes = difference(old, new)
    assert apply(old, changes) == new
    assert apply(new, undo(old, *changes)) == old


@pytest.mark.parametrize("side", ["ours", "theirs"])
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_taking_a_side_in_conflicts_about_looks_gives_that_side(side: Side, data: st.DataObject) -> None:
    base = data.draw(trees())

    def changed() -> Tree:
        count = len(base.rules)
        owners = data.draw(st.lists(st.sampled_from(("", "M", "N")), min_size=count, max_size=count))
        return replace(base, rules=tuple(replace(r, look_of=o) for r, o in zip(base.rules, owners, strict=True)))

    sides = {"ours": changed(), "theirs": changed()}
    tree = merge(base, sides["ours"], sides["theirs"]).tree
    disputed = {json.loads(c.theirs_json)[0]["class_name"] for c in tree.conflicts if "class_name" in c.theirs_json}
    while tree.conflicts:
        tree = resolve(tree, len(tree.conflicts) - 1, side)
    for rule, taken in zip(tree.rules, sides[side].rules, strict=True):
        assert rule.name not in disputed or rule.look_of == taken.look_of


def test_the_classes_of_a_domain_are_found_by_their_looks(ducks: Tree) -> None:
    found = check_data(content_of(ducks), classes=("Mallard", "Smew"))
    assert [p.code for p in found.problems] == []
    missing = check_data(content_of(without_looks(ducks)), classes=("Mallard", "Smew"))
    assert [(p.code, p.pointer) for p in missing.problems] == [("TG203", f"/rules/{FEMALE}")]


def test_a_class_with_looks_in_another_spelling_is_renamed_by_its_fix(ducks: Tree) -> None:
    data = {**content_of(ducks), "looks": {"mallards": ["Mallard", FEMALE]}}
    (_, unknown) = check_data(data, classes=("Mallard", "Smew")).problems
    assert (unknown.code, unknown.pointer, unknown.fix is not None) == ("TG203", "/looks/mallards", True)
    assert apply(tree_from(data), edits.fix_problem(tree_from(data), unknown)) == ducks


def test_two_looks_of_one_class_need_not_be_told_apart() -> None:
    groups = tuple(Group(name=n, prompt="It is {}.", options=("red", "blue")) for n in "gh")

    def rule(name: str, g: int, h: int, look_of: str = "") -> ClassRule:
        return ClassRule(name=name, answers=(("g", g), ("h", h)), look_of=look_of)

    apart = Tree(domain="d", groups=groups, rules=(rule("A1", 0, 0, "A"), rule("A2", 0, 1, "A"), rule("B", 1, 1)))
    assert [(p.code, p.pointer) for p in lint(apart) if p.code == "TG702"] == [("TG702", "/rules/B")]
    (twins,) = [p for p in lint(without_looks(apart)) if p.code == "TG702" and p.pointer == "/rules/A2"]
    assert '"A1"' in twins.message or "'A1'" in twins.message


def test_what_makes_the_looks_of_a_class_is_taken_or_left_together(ducks: Tree) -> None:
    """Half of it would be a class with a rule beside its looks."""
    split = apply(ducks, edits.add_look(ducks, "Smew", "redhead"))
    split = apply(split, edits.point_rule(split, "Mallard", "bill", "gray"))
    split = apply(split, edits.rename_class(split, FEMALE, "hen"))
    units = units_of(ducks, difference(ducks, split))
    looks = [unit for unit in units if len(unit.changes) > 1]
    assert len(units) == 3
    assert [[change.kind for change in unit.changes] for unit in looks] == [["class_added", "look_changed"]]
    alone = apply(ducks, take(ducks, units, [looks[0].number]))
    assert alone.looks["Smew"] == ("Smew", "redhead")
    assert alone.rules[:2] == ducks.rules[:2]
    renamed = apply(ducks, edits.rename_class(ducks, "Smew", "drake"))
    renamed = apply(renamed, (LookChanged(class_name="drake", old="", new="Smew"),))
    assert len(units_of(ducks, difference(ducks, renamed))) == 1
