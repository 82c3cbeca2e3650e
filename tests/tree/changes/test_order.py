from itertools import combinations

from hypothesis import given
from hypothesis import strategies as st

from treegen.tree.changes.order import (
    arranged,
    describe_order,
    describe_position,
    following,
    index_after,
    inserted,
    longest_common,
    renamed,
)

NAMES = st.lists(st.sampled_from("abcdefg"), max_size=7, unique=True)


def test_something_new_goes_before_a_key_or_to_the_end() -> None:
    assert list(inserted({"a": 1, "b": 2}, "n", 3, "b").items()) == [("a", 1), ("n", 3), ("b", 2)]
    assert list(inserted({"a": 1}, "n", 3, None)) == ["a", "n"]


def test_a_renamed_key_keeps_its_place() -> None:
    assert list(renamed({"a": 1, "b": 2, "c": 3}, "b", "n").items()) == [("a", 1), ("n", 2), ("c", 3)]


def test_what_stands_behind_the_last_name_or_an_unknown_one_goes_to_the_end() -> None:
    assert following(["a", "b"], "b") is None
    assert following(["a", "b"], "gone") is None
    assert following([], None) is None
    assert following([], "gone") is None


def test_what_stands_at_the_front_goes_before_the_first_and_behind_a_name_before_the_next() -> None:
    assert following(["a", "b"], None) == "a"
    assert following(["a", "b"], "a") == "b"


def test_a_place_is_at_the_front_behind_a_name_or_at_the_end() -> None:
    assert [index_after(["a", "b"], after) for after in (None, "a", "b", "gone")] == [0, 1, 2, 2]


@given(NAMES, NAMES)
def test_a_place_and_the_name_that_follows_say_the_same(names: list[str], others: list[str]) -> None:
    for after in (None, *names, *(o for o in others if o not in names)):
        before, place = following(names, after), index_after(names, after)
        assert names[place:][:1] == ([before] if before is not None else [])


def test_names_of_which_the_order_does_not_speak_stay_behind_the_one_before_them() -> None:
    assert arranged(["first", "a", "new", "b", "last"], ["b", "a"]) == ["first", "b", "last", "a", "new"]
    assert arranged(["a", "b"], ["gone", "b", "a", "b"]) == ["a", "b"]


@given(NAMES, NAMES)
def test_arranging_keeps_every_name_and_follows_the_order_where_it_speaks(names: list[str], wanted: list[str]) -> None:
    found = arranged(names, wanted)
    assert sorted(found) == sorted(names)
    assert [n for n in found if n in wanted] == [n for n in wanted if n in names]
    silent = [n for n in names if n not in wanted]
    for before, name in zip([None, *names], names, strict=False):
        if name in silent and before is not None:
            assert found.index(name) == found.index(before) + 1


@given(NAMES, NAMES)
def test_the_longest_common_run_is_as_long_as_the_longest_of_all_that_can_be_tried(
    old: list[str], new: list[str]
) -> None:
    found = longest_common(old, new)
    tried = (
        list(run)
        for size in range(len(new), -1, -1)
        for run in combinations(new, size)
        if list(run) == [name for name in old if name in run]
    )
    assert len(found) == len(next(tried))
    assert found == [n for n in old if n in found] == [n for n in new if n in found]


def test_what_moved_is_told_by_the_fewest_names() -> None:
    assert describe_order(["a", "b", "c", "d"], ["b", "c", "d", "a"]) == 'moved: "a" after "d"'
    assert describe_order(["a", "b", "c", "d"], ["d", "a", "b", "c"]) == 'moved: "d" at the front'


def test_of_many_moves_the_first_three_are_named_and_the_rest_counted() -> None:
    told = describe_order("abcdef", "fedcba")
    assert told == 'moved: "f" at the front, "e" after "f", "d" after "e" and 2 more'


def test_a_place_in_words_obeys_no_name() -> None:
    assert describe_position(None) == "at the front"
    assert describe_position("\x1b") == 'after "\\u001b"'
