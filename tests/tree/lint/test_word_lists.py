"""Phrases that must and must not be found; most are from files that language models wrote."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treegen.tree.lint.word_lists import FILLERS, content_words, doubtful_words, least_tokens, only_achromatic
from treegen.tree.validation.normalise import normalise


def found(text: str) -> list[tuple[str, str]]:
    return [(f.code, f.phrase) for f in doubtful_words(text)]


@pytest.mark.parametrize(
    ("text", "code", "phrase"),
    [
        ("red or blue", "TG603", "or"),
        ("red/blue", "TG603", "/"),
        ("red / blue", "TG603", "/"),
        ("logo on the hood and/or trunk", "TG603", "and/or"),
        ("either resting", "TG603", "either"),
        ("15- or 16-inch steel wheels", "TG603", "or"),
        ("road signs (e.g., exit signs)", "TG603", "e.g"),
        ("irrigation systems such as sprinklers", "TG603", "such as"),
        ("Black OR grey exterior", "TG603", "OR"),
        ("usually brown", "TG604", "usually"),
        ("sparse tree cover, if any", "TG604", "if any"),
        ("bushy tail that may hang down", "TG604", "may"),
        ("May have stripes", "TG604", "May"),
        ("coat colors can vary widely", "TG604", "can vary"),
        ("more or less round", "TG604", "more or less"),
        ("a tail that is often carried upright", "TG604", "often"),
        ("no wings", "TG605", "no"),
        ("No prime rib", "TG605", "No"),
        ("none", "TG605", "none"),
        ("nothing on its head", "TG605", "nothing"),
        ("absence of tall trees", "TG605", "absence of"),
        ("lack of wild vegetation", "TG605", "lack"),
        ("without a tail", "TG605", "without"),
        ("non-metallic", "TG605", "non"),
        ("doesn't shine", "TG605", "doesn't"),
        ("doesn’t shine", "TG605", "doesn’t"),
        ("n/a", "TG605", "n/a"),
        ("w/o spots", "TG605", "w/o"),
        ("venomous", "TG606", "venomous"),
        ("friendly", "TG606", "friendly"),
        ("a Friendly dog", "TG606", "Friendly"),
        ("endangered", "TG606", "endangered"),
        ("native to Asia", "TG606", "native to"),
        ("tastes sweet", "TG606", "tastes"),
        ("very expensive", "TG606", "expensive"),
        ("fast", "TG606", "fast"),
        ("a fast runner", "TG606", "fast"),
        ("V6 engine under the hood", "TG606", "V6 engine"),
        ("6-speed manual transmission", "TG606", "transmission"),
        ("Quattro all-wheel drive", "TG606", "all-wheel drive"),
        ("keyless entry", "TG606", "keyless entry"),
        ("suited for its diet", "TG606", "diet"),
        ("smells of honey", "TG606", "smells"),
        ("ｎｏ wings", "TG605", "no"),
    ],
)
def test_a_doubtful_phrase_is_found_with_its_code(text: str, code: str, phrase: str) -> None:
    assert (code, phrase) in found(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "{}",
        "north",
        "notched",
        "a knot",
        "a notice board",
        "snow",
        "noble",
        "nonagon",
        "nose",
        "another",
        "orange",
        "horns",
        "a door",
        "ornate",
        "coral",
        "forest",
        "1/2",
        "3/4 of the body",
        "24/7",
        "60 km/h",
        "Mayfly",
        "May blossom",
        "a lily in May",
        "a trash can",
        "a can of soda",
        "fast food box",
        "a fastback roof",
        "breakfast",
        "stuck fast",
        "stripes on either side",
        "three or more legs",
        "two or fewer",
        "a no parking sign",
        "No. 7 on the door",
        "a forget-me-not",
        "nothing but sand",
        "a friendly face",
        "a shy, playful expression",
        "sweet potato",
        "tree bark",
        "a price tag",
        "a guitar with two sound holes",
        "mainly white",
        "mostly green",
        "white with black spots",
        "a vocal sac",
        "stripes of varying width",
        "hairless",
        "toothless",
        "a rounded muzzle",
        "leather seats",
        "exposed engine",
        "lean",
        "eithersided",
        "dual exhaust pipes",
        "chrome accents on the exterior",
        "rows of evenly spaced plants",
        "ticked tabby pattern",
        "short, square front end",
        "aggressive front grille",
        "slow loris",
        "a loud pattern",
        "annual rings",
        "droplets can be seen",
        "noisy texture",
        "it's round",
        "the bird's beak",
        "boxer's nose",
    ],
)
def test_a_phrase_that_can_be_answered_is_left_alone(text: str) -> None:
    assert found(text) == []


def test_each_phrase_of_a_text_is_found_in_its_place() -> None:
    text = "usually red or blue, sometimes no horn and not venomous"
    assert found(text) == [
        ("TG604", "usually"),
        ("TG603", "or"),
        ("TG604", "sometimes"),
        ("TG605", "no"),
        ("TG605", "not"),
        ("TG606", "venomous"),
    ]


@given(st.text(max_size=60))
def test_any_text_can_be_searched(text: str) -> None:
    assert all(f.phrase and f.code in {"TG603", "TG604", "TG605", "TG606"} for f in doubtful_words(text))


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("mainly white", "white"),
        ("a very long tail", "long tail"),
        ("grey body", "gray"),
        ("light grey colour", "light gray"),
        ("very mainly", "very mainly"),
        ("< 5", "< 5"),
        ("somebody", "somebody"),
    ],
)
def test_fillers_and_spelling_make_no_other_answer(text: str, content: str) -> None:
    assert " ".join(content_words(normalise(text).split())) == content


def test_every_filler_is_a_normalised_word() -> None:
    assert {normalise(word) for word in FILLERS} == FILLERS


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["white", "gray"], True),
        (["black", "white", "silver", "ivory"], True),
        (["white fur", "light grey fur", "black fur"], True),
        (["white", "black and white"], True),
        (["dark", "light"], False),
        (["white", "gray", "brown"], False),
        (["white stripes", "black spots"], False),
        (["white", "colourful"], False),
        (["no", "one"], False),
    ],
)
def test_a_group_of_white_gray_and_black_alone_is_known(options: list[str], expected: bool) -> None:
    assert only_achromatic([content_words(normalise(o).split()) for o in options]) == expected


@pytest.mark.parametrize(("text", "least"), [("", 2), ("a", 3), ("a bird's nest, 12 eggs!", 11), ("e\u0301te", 3)])
def test_least_tokens_counts_words_digits_and_punctuation(text: str, least: int) -> None:
    assert least_tokens(text) == least
