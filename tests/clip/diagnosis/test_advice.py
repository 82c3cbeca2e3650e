"""Advice follows from numbers, says what they cannot show, and never what would break the tree."""

from functools import partial
from typing import Any

import pytest

from treegen.clip.diagnosis.advice import Advice, advise
from treegen.clip.metrics.statistics import fisher_exact


def group(name: str = "colour", **more: Any) -> dict[str, Any]:
    options = [{"option": o, "n": 20, "accuracy": 0.9} for o in ("red", "green", "blue")]
    plain = {"name": name, "n": 60, "accuracy": 0.9, "interval": [0.8, 0.95], "options": options, "confused": []}
    return {**plain, "pairs": [], "cost": {"prompts": 3, "share": 0.5}, **more}


def without(wins: int, losses: int, p_holm: float, identical: tuple[str, ...] = ()) -> dict[str, Any]:
    difference = (wins - losses) / 60
    return {
        "wins": wins,
        "losses": losses,
        "difference": difference,
        "p": p_holm / 2,
        "p_holm": p_holm,
        "identical": list(identical),
    }


def pair(crossed: int, n: int, p: float, needed: tuple[str, ...] = ()) -> dict[str, Any]:
    return {"options": ["red", "green"], "crossed": crossed, "n": n, "p": p, "needed": list(needed)}


def dev(*groups: dict[str, Any], confused: tuple[dict[str, Any], ...] = ()) -> Any:
    classes = [{"name": name, "n": 30} for name in ("Newt", "Olm", "Swan")]
    return {"groups": list(groups), "classes": classes, "confused": list(confused)}


def only(diagnosis: Any) -> Advice:
    (found,) = advise(diagnosis)
    return found


def test_a_group_that_costs_accuracy_is_to_be_dropped_with_its_numbers() -> None:
    found = only(dev(group(without=without(14, 2, 0.004))))
    assert (found.kind, found.target, found.shown, found.images) == ("drop", ("colour",), True, 16)
    assert found.sentence == (
        'drop "colour": without it +20.0 points (14 images won, 2 lost, p = 0.004), and 3 fewer prompts'
    )
    assert dict(found.evidence) == {"difference": 12 / 60, "wins": 14, "losses": 2, "p": 0.004, "prompts": 3}


def test_a_group_that_does_nothing_could_go_and_the_sentence_says_that_chance_does_as_much() -> None:
    found = only(dev(group(without=without(3, 1, 0.6))))
    assert (found.kind, found.shown) == ("drop", False)
    assert "could go" in found.sentence
    assert "cannot be distinguished from chance, p = 0.6" in found.sentence


@pytest.mark.parametrize(
    "entry", [without(1, 9, 0.02), without(2, 3, 0.9), without(20, 0, 1e-5, ("Newt", "Olm")), None]
)
def test_a_group_that_helps_or_that_classes_need_is_not_to_be_dropped(entry: dict[str, Any] | None) -> None:
    assert advise(dev(group(without=entry))) == ()


def test_options_that_a_coin_could_tell_as_well_are_to_be_merged_unless_classes_need_them() -> None:
    p = fisher_exact(((8, 12), (10, 10)))
    assert p > 0.05
    found = only(dev(group(pairs=[pair(22, 40, p)])))
    assert (found.kind, found.target, found.shown, found.images) == ("merge", ("colour", "red", "green"), False, 22)
    assert found.sentence.startswith('merge "red" and "green" of "colour": confused in 22 of 40 images')
    assert "and the answer between the two is indistinguishable from a guess" in found.sentence
    needed = only(dev(group(pairs=[pair(22, 40, p, ("Newt", "Olm"))])))
    assert (needed.kind, needed.target) == ("reword", ("colour", "red", "green"))
    assert 'nothing else distinguishes "Newt" and "Olm", so they cannot be merged' in needed.sentence


def test_two_options_that_are_all_of_a_group_are_not_to_be_merged_into_one() -> None:
    found = only(dev(group(pairs=[pair(22, 40, 0.9)], cost={"prompts": 2, "share": 0.5})))
    assert (found.kind, found.target) == ("reword", ("colour", "red", "green"))
    assert found.sentence.endswith("; the group has no other options, so they cannot be merged")


def test_an_option_without_images_is_not_to_be_merged_but_the_other_reworded() -> None:
    """What is true of every image and seldom seen: nothing is known of the option that no class has."""
    options = [{"option": "red", "n": 40, "accuracy": 0.25}, {"option": "green", "n": 0, "accuracy": None}]
    confused = [{"option": "red", "taken_for": "green", "count": 30}]
    found = only(dev(group(options=options, confused=confused, pairs=[pair(30, 40, 1.0)])))
    assert (found.kind, found.target) == ("reword", ("colour", "red"))


def test_a_group_that_is_to_go_needs_no_other_words() -> None:
    options = [{"option": "red", "n": 20, "accuracy": 0.1}]
    bad = partial(group, options=options, pairs=[pair(22, 40, 0.9)])
    assert only(dev(bad(without=without(14, 2, 0.004)))).kind == "drop"
    unsure = advise(dev(bad(without=without(3, 1, 0.6))))
    assert sorted(each.kind for each in unsure) == ["drop", "merge"]


def test_of_several_groups_that_could_go_one_is_to_be_tried_at_a_time() -> None:
    """Of two that ask the same each could go, but not both."""
    twins = advise(dev(group(without=without(9, 9, 1.0)), group("hue", without=without(9, 9, 1.0))))
    assert [each.sentence.endswith("; drop one group at a time: each was left out alone") for each in twins] == [
        True
    ] * 2
    assert "one group" not in only(dev(group(without=without(9, 9, 1.0)))).sentence


def test_options_seldom_crossed_for_their_number_are_not_said_to_be_even() -> None:
    """5 and 49 answers of the one, 14 and 114 of the other: 63 of 210 is no coin, but the answers tell nothing."""
    p = fisher_exact(((5, 49), (14, 114)))
    told = only(dev(group(pairs=[pair(63, 210, p)]))).sentence
    assert "63 of 210 images, and the answer between the two is indistinguishable from a guess, p = 1" in told
    assert "coin" not in told


@pytest.mark.parametrize("entry", [pair(22, 40, 0.01), pair(2, 4, 1.0), pair(9, 40, 0.4)])
def test_options_that_are_told_apart_or_seldom_crossed_are_left(entry: dict[str, Any]) -> None:
    assert advise(dev(group(pairs=[entry]))) == ()


def test_an_option_that_is_seen_in_fewer_than_half_of_its_images_is_to_be_reworded() -> None:
    options = [{"option": "red", "n": 20, "accuracy": 0.2}, {"option": "green", "n": 20, "accuracy": 0.4}]
    confused = [{"option": "red", "taken_for": "blue", "count": 11}]
    found = only(dev(group(options=options, confused=confused)))
    assert (found.kind, found.target, found.shown, found.images) == ("reword", ("colour", "red"), True, 16)
    assert found.sentence == (
        'reword "red" of "colour": recognised in 4 of 20 images that show it (95 % interval 8 to 42 %), '
        'most often taken for "blue" (11)'
    )


def test_classes_taken_for_each_other_are_to_be_separated_with_both_directions_counted() -> None:
    by = [{"group": "size", "right": 31, "n": 60}]
    confused = (
        {"true": "Newt", "predicted": "Olm", "count": 14, "n": 30, "separated_by": by},
        {"true": "Olm", "predicted": "Newt", "count": 9, "n": 30, "separated_by": by},
        {"true": "Swan", "predicted": "Olm", "count": 2, "n": 30, "separated_by": []},
    )
    found = only(dev(group(), confused=confused))
    assert (found.kind, found.target, found.images, found.shown) == ("separate", ("Newt", "Olm"), 23, True)
    assert 'separates "Newt" and "Olm": confused in 23 of 60 images' in found.sentence
    assert found.sentence.endswith('; distinguished by "size" (right in 31 of 60)')


def test_classes_that_no_group_tells_apart_are_said_to_be_so() -> None:
    entry = {"true": "Newt", "predicted": "Olm", "count": 25, "n": 30, "separated_by": []}
    assert only(dev(group(), confused=(entry,))).sentence.endswith("; no group has different answers for them")


def test_what_is_shown_stands_first_then_what_most_images_are_about_and_json_keeps_all() -> None:
    p = 0.8
    entry = {"true": "Newt", "predicted": "Olm", "count": 25, "n": 30, "separated_by": []}
    groups = (group(pairs=[pair(38, 60, p)]), group("size", without=without(9, 1, 0.02)))
    found = advise(dev(*groups, confused=(entry,)))
    assert [(each.kind, each.shown, each.images) for each in found] == [
        ("separate", True, 25),
        ("drop", True, 10),
        ("merge", False, 38),
    ]
    assert found[1].as_json()["evidence"] == dict(found[1].evidence)


def test_the_dev_part_of_an_earlier_version_gives_what_it_knows() -> None:
    """It has no pairs, no costs, and nothing on the tree without a group."""
    old = group()
    del old["pairs"], old["cost"]
    entry = {"true": "Newt", "predicted": "Olm", "count": 25, "n": 30}
    assert [each.kind for each in advise(dev(old, confused=(entry,)))] == ["separate"]


def test_no_sentence_calls_anything_better() -> None:
    p = 0.8
    entry = {"true": "Newt", "predicted": "Olm", "count": 25, "n": 30, "separated_by": []}
    groups = (group(pairs=[pair(38, 60, p)]), group("size", without=without(9, 1, 0.02)))
    for each in advise(dev(*groups, confused=(entry,))):
        assert "better" not in each.sentence
