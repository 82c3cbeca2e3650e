"""Names are taken out of phrases, and what is left reads well."""

import pytest

from treegen.exchange.cleaning import Cleaned, Cleaner, is_sentence


@pytest.mark.parametrize(
    ("owner", "text", "left", "leak"),
    [
        ("Persian", "a Persian face", "face", "a Persian"),
        ("Persian", "persians' long coat", "long coat", "persians'"),
        ("apple_pie", "cherry Apple-Pie", "cherry", "Apple-Pie"),
        ("Wilson's Warbler", "the Wilson's warbler's black cap", "black cap", "the Wilson's warbler's"),
        ("robin bird", "robin breast", "breast", "robin"),
        ("pug", "Pug", "", "Pug"),
        ("pug", "of the pug", "", "the pug"),
        ("pug", "pug bird", "", "pug"),
        ("river", "riverbank with trees", "riverbank with trees", ""),
        ("C", "c", "", "c"),
        ("?!", "a red cap", "a red cap", ""),
        ("x", "has a red cap.", "a red cap", ""),
        ("x", "which has webbed feet;", "webbed feet", ""),
        ("x", "- a red cap -", "a red cap", ""),
        ("x", "-5 degrees", "-5 degrees", ""),
        ("x", 'a "badge', "a badge", ""),
        ("x", "large eyes (dark)", "large eyes (dark)", ""),
        ("robin", "A photo of a robin with a red breast.", "a red breast", "a robin"),
        ("robin", "A photo of a robin, which has thin legs.", "thin legs", "a robin"),
        ("robin", "The robin typically has a bright red breast.", "a bright red breast", "The robin"),
    ],
)
def test_phrases(owner: str, text: str, left: str, leak: str) -> None:
    assert Cleaner(noun="bird").clean(owner, text) == Cleaned(text=left, leak=leak)


def test_in_a_sentence_the_noun_takes_the_place_of_the_name_and_of_its_last_word() -> None:
    cleaner = Cleaner(noun="bird")
    told = cleaner.clean("Laysan Albatross", "Behind the albatross's wing a Laysan Albatross is seen.")
    assert told == Cleaned(text="Behind the bird's wing the bird is seen", leak="the albatross's", prose=True)
    assert cleaner.clean("Laysan Albatross", "albatross wing").text == "albatross wing"


def test_sentences() -> None:
    assert is_sentence("The bird is perched on a branch.")
    assert not is_sentence("ears that are either cropped or natural")
    assert not is_sentence("A bird is seen.")
