"""Names and prompts of groups."""

import pytest

from treegen.exchange.grouping import Built, Member, Subject, build
from treegen.exchange.wording import group_name, prompt_for, surface_name


def built(name: str, *texts: str, typed: bool = False, prose: bool = False) -> Built:
    members = tuple(Member(number=i, owner=str(i), text=t, prose=prose) for i, t in enumerate(texts))
    return build(Subject(name=name, members=members, typed=typed))


@pytest.mark.parametrize(
    ("group", "noun", "prompt"),
    [
        (built("eye", "dark eyes", "round eyes"), "bird", "A photo of a bird with {}."),
        (built("eye", "dark eyes", "round eyes"), "insect", "A photo of an insect with {}."),
        (built("dog", "small dog", "large dog"), "pet", "A photo of a pet: {}."),
        (built("bird", "small bird", "large bird"), "bird", "A photo of a bird: {}."),
        (built("x", "lives in water", "can fly"), "animal", "A photo of an animal that {}."),
        (built("wing_color", "red", "blue", typed=True), "bird", "A photo of a bird whose wing color is {}."),
        (built("eyes", "red", "blue", typed=True), "bird", "A photo of a bird whose eyes are {}."),
        (built("color", "white fur", "green scales", typed=True), "bird", "A photo of a bird with {}."),
        (built("eyes", "red eyes", "blue eyes", typed=True), "bird", "A photo of a bird with {}."),
        (built("x", "The bird is red", "The bird is blue", prose=True), "bird", "{}."),
        (built("a{}b", "red", "blue", typed=True), "{}", "A photo of an object whose a b is {}."),
    ],
)
def test_prompts_read_well_and_hold_one_place(group: Built, noun: str, prompt: str) -> None:
    assert prompt_for(group, noun) == prompt
    assert prompt.count("{}") == 1


def test_names_are_identifiers_of_their_own() -> None:
    assert group_name("Eye colour (left)", ()) == "eye_colour_left"
    assert group_name("eye", {"eye", "eye_2"}) == "eye_3"
    assert group_name("?!", ()) == "group"
    assert group_name("4 doors", ()) == "group_4_doors"
    assert surface_name(built("headlight", "round headlights", "large headlights", "a headlight")) == "headlights"
    assert surface_name(built("coat color", "coat colors: red", "Coat colors vary")) == "coat colors"
