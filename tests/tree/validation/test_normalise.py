import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treegen.tree.validation.normalise import is_sign, normalise


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("red", "RED"),
        ("straße", "STRASSE"),
        ("wing", "ｗｉｎｇ"),
        ("dark  red", " dark\tred\n"),
        ("dark red", "dark-red"),
        ("dark red", "dark_red."),
        ("the tail", "tail"),
        ("A Tail", "an tail"),
        ("wing", "wings"),
        ("a fly", "flies"),
        ("box", "boxes"),
        ("brush", "brushes"),
        ("dress", "dresses"),
        ("café", "cafe\u0301"),
        ("wolf", "the wolves"),
        ("bus", "buses"),
        ("leaf", "Leaves"),
        ("light-blue", "light blue"),
        ("<5", "< 5"),
        ("50%", "50 %"),
        ("-1", "−1"),
        ("The  Doors", "ｄｏｏｒ"),
    ],
)
def test_wordings_that_cannot_both_be_options_are_the_same(one: str, other: str) -> None:
    assert normalise(one) == normalise(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("red", "dark red"),
        ("glass", "glasse"),
        ("bus", "bu"),
        ("iris", "iri"),
        ("moss", "mos"),
        ("+", "-"),
        ("❤️", "✔️"),
        ("a", "the"),
        ("काला", "कोला"),
        ("หมา", "หมี"),
        ("café", "cafe"),
        ("one", "two"),
        ("< 5", "> 5"),
        ("less: <5", "less: 5"),
        ("-1", "1"),
        ("-1 to 0", "1 to 0"),
        ("C++", "C"),
        ("C#", "C"),
        ("10 %", "10 °"),
    ],
)
def test_wordings_of_different_meaning_stay_different(one: str, other: str) -> None:
    assert normalise(one) != normalise(other)


@pytest.mark.parametrize(
    "text", ["thes wings", "A the", "¨", "ǰ", "ŉ", "\u0345", "İstanbul", "glassess", "ß s", "ß\u0301"]
)
def test_awkward_wordings_normalise_to_themselves_once_normalised(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


words = st.sampled_from(["the", "a", "an", "thes", "wings", "Boxes", "flies", "ß", "ǰ", "é", "_", "-", " ", "\u0301"])


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.text(), st.lists(words).map(" ".join), st.lists(words).map("".join)))
def test_normalising_twice_is_normalising_once(text: str) -> None:
    once = normalise(text)
    assert normalise(once) == once


@settings(deadline=None)
@given(st.text())
def test_case_and_surrounding_space_never_matter(text: str) -> None:
    assert normalise(f"  {text.casefold()}\t") == normalise(text.casefold())


@settings(deadline=None)
@given(st.text().filter(str.strip))
def test_a_wording_never_becomes_empty(text: str) -> None:
    assert normalise(text)


@given(st.lists(st.text("aAesStTh1x", min_size=1, max_size=6), min_size=1, max_size=4))
def test_the_short_way_for_plain_text_ends_where_the_long_way_ends(words: list[str]) -> None:
    """Punctuation that makes no difference sends the same words the long way."""
    assert normalise(" ".join(["ox", *words])) == normalise(", ".join(["ox", *words]) + ".")


def test_a_sign_is_a_word_without_a_letter_or_digit() -> None:
    assert [is_sign(word) for word in normalise("< 5 C++ -1").split()] == [True, False, False, True, True, False]
