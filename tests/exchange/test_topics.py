"""What phrases are about."""

import pytest

from treegen.exchange.topics import content_words, find_topics

TEXTS = {
    "large, almond-shaped eyes (gold or green)": "eye",
    "dark eyes": "eye",
    "eyes": "eye",
    "short coat": "coat",
    "thick coat of fur, usually white": "coat",
    "coat colors: black, white": "coat color",
    "coat color typically liver": "coat color",
    "long, bushy tail": "tail",
    "tail carried over the back": "tail",
    "presence of grazing animals": "animal",
    "black and white": "color",
    "medium to large size": "size",
    "ears that can be cropped": "ear",
    "dual exhaust pipes": "pipe",
    "chrome grille": "grille",
    "wide grille": "grille",
    "grille design": "grille",
    "tail": "tail",
}


@pytest.mark.parametrize("text", TEXTS)
def test_topics_of_phrases(text: str) -> None:
    texts = list(TEXTS)
    topics = find_topics(texts, [[i] for i in range(len(texts))], [False] * len(texts), "pet")
    assert topics[texts.index(text)].name == TEXTS[text]


def test_the_topic_of_a_sentence_is_its_most_common_noun_and_not_the_domains() -> None:
    texts = [
        "The sharp beak of the bird is seen clearly",
        "Its beak is slightly curved",
        "A long thin beak, for the bird",
        "The bird spreads its wings wide",
    ]
    topics = find_topics(texts, [[0], [1], [2], [3]], [True] * 4, "bird")
    assert [t.name for t in topics[:3]] == ["beak"] * 3


def test_every_phrase_has_a_topic() -> None:
    texts = ["of", "(x)", "::", "the", "1", "ß", "眼睛", "very"]
    assert all(t.name for t in find_topics(texts, [[0]] * len(texts), [False] * len(texts), "x"))


def test_content_words_leave_hedges_out() -> None:
    assert content_words("usually has Large, round eyes") == ("large", "round", "eye")
