"""One answer for a class, one option for nearly the same words."""

from typing import Any

from treegen.exchange.grouping import (
    Member,
    Subject,
    build,
    choose,
    counted,
    is_usable,
    merge_wordings,
    typed_subjects,
)


def members(*pairs: tuple[str, str], **more: Any) -> list[Member]:
    return [Member(number=i, owner=owner, text=text, **more) for i, (owner, text) in enumerate(pairs)]


def options(*pairs: tuple[str, str], typed: bool = False) -> dict[str, tuple[str, ...]]:
    return {o.text: o.classes for o in merge_wordings(members(*pairs), typed=typed)}


def test_nearly_the_same_words_are_one_option_in_the_shortest_wording() -> None:
    assert options(("a", "long, silky coat"), ("b", "silky, long coats"), ("c", "short, silky coat")) == {
        "long, silky coat": ("a", "b"),
        "short, silky coat": ("c",),
    }
    assert options(("a", "short, smooth coat"), ("b", "short coat"), ("c", "short coat (often red)")) == {
        "short coat": ("a", "b", "c")
    }


def test_numbers_and_colours_tell_options_apart() -> None:
    assert len(options(("a", "alloy wheels"), ("b", "17-inch alloy wheels"), ("c", "18-inch alloy wheels"))) == 3
    assert len(options(("a", "large eyes"), ("b", "large brown eyes"))) == 2
    assert len(options(("a", "dark round eyes"), ("b", "round eyes"))) == 2


def test_two_wordings_that_differ_are_not_joined_by_a_third_between_them() -> None:
    assert options(("a", "bushy tail"), ("b", "long, bushy tail"), ("c", "long tail")) == {
        "bushy tail": ("a", "b"),
        "long tail": ("c",),
    }


def test_short_values_of_a_type_stay_as_they_are() -> None:
    assert len(options(("a", "short coat"), ("b", "short, smooth coat"), typed=True)) == 2
    assert len(options(("a", "Short coats"), ("b", "a short coat"), typed=True)) == 1


def test_a_class_keeps_the_phrase_said_most_then_the_nearest_then_the_first() -> None:
    def winner(*rest: Member) -> int:
        built = build(Subject(name="x", members=(Member(number=0, owner="a", text="t0"), *rest), typed=False))
        assert len(built.beaten) == len(rest)
        return built.placed[0].number

    assert winner(Member(number=1, owner="a", text="t1")) == 0
    assert winner(Member(number=1, owner="a", text="t1", times=2, nearness=0.1)) == 1
    assert winner(Member(number=1, owner="a", text="t1", nearness=2.0)) == 1


def test_a_group_needs_two_options() -> None:
    one = Subject(name="x", members=tuple(members(("a", "red"), ("b", "reds"))), typed=False)
    two = Subject(name="x", members=tuple(members(("a", "red"), ("b", "blue"))), typed=False)
    assert [is_usable(build(s)) for s in (one, two)] == [False, True]


def test_the_next_group_kept_is_that_of_classes_with_few_answers() -> None:
    big = Subject(name="big", members=tuple(members(("a", "red"), ("b", "blue"), ("c", "green"))), typed=False)
    again = Subject(name="again", members=tuple(members(("a", "x"), ("b", "y"), ("c", "z z"))), typed=False)
    other = Subject(name="other", members=tuple(members(("d", "x"), ("e", "y"))), typed=False)
    built = [build(s) for s in (other, again, big)]
    assert [b.subject.name for b in choose(built, 3)] == ["again", "other", "big"]
    assert len(choose(built, 1)) == 1


def test_repetitions_count_and_wordings_of_a_type_are_one() -> None:
    kept, again = counted(members(("a", "red eye"), ("b", "red eye"), ("a", "Red eyes")))
    assert [(m.owner, m.times) for m in kept] == [("a", 2), ("b", 1)]
    assert [m.number for m in again] == [2]
    a, b, c = members(("a", "red"), ("b", "blue"), ("c", "x"))
    subjects = typed_subjects([("Eye colors", a), ("eye color", b), ("eye color", c), ("tail", a)])
    assert [(s.name, len(s.members)) for s in subjects] == [("eye color", 3), ("tail", 1)]
