from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tree.strategies import Branch, changed, trees
from treegen.tree.changes import ABSENT, Answer, Draft
from treegen.tree.conflicts import resolve
from treegen.tree.document import content_of
from treegen.tree.keywords import quote
from treegen.tree.merging import merge
from treegen.tree.model import Tree
from treegen.tree.validation import check_data


@st.composite
def branches(draw: st.DrawFn) -> tuple[Tree, Branch, Branch]:
    base = draw(trees())
    return base, draw(changed(base)), draw(changed(base))


def meaning(tree: Tree) -> dict[str, object]:
    """What a tree says, without any order."""
    draft = Draft(tree)
    return {
        "domain": draft.domain,
        "prompts": draft.prompts,
        "options": {group: set(options) for group, options in draft.options.items()},
        "rules": {c: {g: draft.answer(c, g) for g in rule} for c, rule in draft.rules.items()},
    }


def names_of(name: str, own: dict[str, str], others: dict[str, str]) -> set[str]:
    """What something called `name` on one branch, or merged, may be called in the base or on another branch."""
    origin = own.get(name, name)
    return {name, origin} | {there for there, was in others.items() if was in (name, origin)}


def said(tree: Tree, classes: set[str], groups: set[str]) -> set[Answer]:
    draft = Draft(tree)
    return {draft.answer(c, g) for c in classes & set(draft.rules) for g in groups & set(draft.prompts)}


def is_told(tree: Tree, name: str, group: str) -> bool:
    """Whether a conflict speaks of this class in this group, of the class, or of the group."""
    pair, whole = (quote(name), quote(group)), (f"class {quote(name)}", f"group {quote(group)}")
    return any(all(p in c.what for p in pair) or c.what.startswith(whole) for c in tree.conflicts)


@settings(max_examples=600, deadline=None)
@given(branches())
def test_a_merge_never_gives_a_class_a_word_that_nobody_gave_it(case: tuple[Tree, Branch, Branch]) -> None:
    base, ours, theirs = case
    merged = merge(base, ours.tree, theirs.tree).tree
    draft = Draft(merged)
    for name, rule in draft.rules.items():
        for group in rule:
            heard: set[Answer] = set()
            for one, two in ((ours, theirs), (theirs, ours)):
                classes = names_of(name, one.classes, two.classes)
                groups = names_of(group, one.groups, two.groups)
                for tree in (base, ours.tree, theirs.tree):
                    heard |= said(tree, classes, groups)
            assert draft.answer(name, group) in heard or is_told(merged, name, group)


@st.composite
def plain_branches(draw: st.DrawFn) -> tuple[Tree, Tree, Tree]:
    """Branches on which no group and no class has another name."""
    base = draw(trees())
    return base, draw(changed(base, renames=False)).tree, draw(changed(base, renames=False)).tree


@settings(max_examples=800, deadline=None)
@given(plain_branches())
def test_each_word_is_what_one_side_made_of_it_or_the_bases_or_a_conflict(case: tuple[Tree, Tree, Tree]) -> None:
    base, ours, theirs = case
    merged = merge(base, ours, theirs)
    draft, sides = Draft(merged.tree), [Draft(t) for t in (base, ours, theirs)]
    for name in draft.rules:
        for group in draft.prompts:
            word = draft.answer(name, group)
            was, mine, other = (
                s.answer(name, group) if name in s.rules and group in s.prompts else ABSENT for s in sides
            )
            if mine == other or other == was:
                wanted = mine
            elif mine == was:
                wanted = other
            else:
                assert is_told(merged.tree, name, group)
                continue
            assert word == wanted or is_told(merged.tree, name, group)
    for name in set(ours.classes) | set(theirs.classes):
        there = name in ours.classes and name in theirs.classes
        new = name not in base.classes
        assert name in draft.rules or not (there or new)


@settings(max_examples=400, deadline=None)
@given(branches())
def test_merging_commutes_up_to_order(case: tuple[Tree, Branch, Branch]) -> None:
    base, ours, theirs = case
    one, two = merge(base, ours.tree, theirs.tree), merge(base, theirs.tree, ours.tree)
    assert len(one.tree.conflicts) == len(two.tree.conflicts)
    assert one.clean == two.clean
    if not one.tree.conflicts:
        assert meaning(one.tree) == meaning(two.tree)


@settings(max_examples=300, deadline=None)
@given(branches())
def test_merging_with_an_unchanged_side_gives_the_other(case: tuple[Tree, Branch, Branch]) -> None:
    base, ours, _ = case
    for merged in (merge(base, ours.tree, base), merge(base, base, ours.tree), merge(base, ours.tree, ours.tree)):
        assert meaning(merged.tree) == meaning(ours.tree)
        assert [r.name for r in merged.tree.rules] == [r.name for r in ours.tree.rules]
        assert merged.tree.groups == ours.tree.groups
        assert merged.clean


@settings(max_examples=400, deadline=None)
@given(branches(), st.sampled_from(["ours", "theirs"]))
def test_taking_one_side_throughout_ends_every_conflict(case: tuple[Tree, Branch, Branch], side: str) -> None:
    base, ours, theirs = case
    tree = merge(base, ours.tree, theirs.tree).tree
    while tree.conflicts:
        tree = resolve(tree, len(tree.conflicts) - 1, side)
    assert not {"TG305", "TG112", "TG202"} & {p.code for p in check_data(content_of(tree)).problems}
