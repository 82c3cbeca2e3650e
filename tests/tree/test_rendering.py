from dataclasses import replace

from treegen.tree.changes import ClassAdded, OptionAdded, apply
from treegen.tree.document import digest_of
from treegen.tree.model import ClassRule, Conflict, Group, Review, Tree
from treegen.tree.rendering import lines_of

POND = """domain: pond

group colour: This creature is mainly {}.
  - white
  - brown

group legs: This creature has {} legs.
  - no
  - two
  - four

class Newt
  colour: brown
  legs: four

class Swan
  colour: white
  legs: two

class Eel
  colour: brown
  legs: no"""


def test_a_tree_is_told_in_words_one_answer_a_line(tree: Tree) -> None:
    assert "\n".join(lines_of(tree)) == POND


def test_a_new_option_at_the_front_is_one_new_line_although_every_index_moved(tree: Tree) -> None:
    after = list(lines_of(apply(tree, (OptionAdded(group="colour", option="gray", after=None),))))
    assert [line for line in after if line not in POND.split("\n")] == ["  - gray"]
    after.remove("  - gray")
    assert "\n".join(after) == POND


def test_a_new_class_changes_no_other_line(tree: Tree) -> None:
    olm = ClassAdded(class_name="Olm", answers=(("colour", "white"), ("legs", None)), after="Eel")
    assert "\n".join(lines_of(apply(tree, (olm,)))) == f"{POND}\n\nclass Olm\n  colour: white\n  legs: (no answer)"


def test_an_index_without_an_option_and_an_unknown_group_are_told_as_what_they_are(tree: Tree) -> None:
    bad = ClassRule(name="Bad", answers=(("colour", 9), ("legs", -1), ("wings", 3), ("fins", None)))
    assert list(lines_of(replace(tree, rules=(bad,))))[-4:] == [
        "  colour: (option 9, which does not exist)",
        "  legs: (option -1, which does not exist)",
        "  wings: (option 3 of a group that the tree does not have)",
        "  fins: (no answer)",
    ]


def test_the_sign_off_is_told_and_whether_it_still_holds(tree: Tree) -> None:
    review = Review(status="approved", by="Ada <a@b>", at="2026-01-01T00:00:00Z", digest=digest_of(tree))
    told = "approved by Ada <a@b> at 2026-01-01T00:00:00Z"
    assert list(lines_of(replace(tree, review=review)))[1] == told
    assert list(lines_of(replace(tree, review=review, domain="lake")))[1] == f"{told}, and changed since"


def test_every_conflict_is_told(tree: Tree) -> None:
    held = replace(tree, conflicts=(Conflict(what="one"), Conflict(what="two")))
    assert list(lines_of(held))[1:3] == ["CONFLICT one", "CONFLICT two"]


def test_no_line_holds_anything_that_a_terminal_obeys() -> None:
    bad = "\x1b[2J\n"
    review = Review(status="approved", by=bad, at="2026-01-01T00:00:00Z", digest="")
    evil = Tree(
        domain=bad,
        groups=(Group(name=bad, prompt=bad, options=(bad,)),),
        rules=(ClassRule(name=bad, answers=((bad, 0), (bad * 2, None))),),
        review=review,
        conflicts=(Conflict(what=bad),),
    )
    lines = list(lines_of(evil))
    assert len(lines) == 10
    assert [line for line in lines if not line.isprintable()] == []
