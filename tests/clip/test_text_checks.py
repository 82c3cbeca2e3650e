"""What an encoder says of texts alone: their length in its own tokens, and how close options are to it."""

import html
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.clip.conftest import FakeEncoder
from treegen.clip.encoders import Encoder, open_encoder
from treegen.clip.text_checks import (
    SAME_COSINE,
    encoder_problems,
    length_problems,
    name_length_problems,
    refuse_long,
    similar_options,
)
from treegen.config.settings import EncoderSettings
from treegen.errors import ProblemsError
from treegen.tree.lint.word_lists import least_tokens
from treegen.tree.model import Tree


class Angles(FakeEncoder):
    """Embeds a filled prompt in the plane, at the angle in degrees that its last word names."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.context_length = "angles", 99

    def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
        turns = torch.deg2rad(torch.tensor([float(text.split()[-1]) for text in texts]))
        return torch.stack([turns.cos(), turns.sin()], 1)


@pytest.fixture(scope="module")
def bundled() -> Encoder:
    return open_encoder(EncoderSettings(device="cpu"), Path())


def with_options(tree: Tree, *options: str) -> Tree:
    return replace(tree, groups=(replace(tree.groups[0], prompt="turned by {}", options=options),))


def test_every_prompt_that_the_encoder_would_cut_is_told_with_its_tokens(tree: Tree, encoder: Any) -> None:
    long = replace(tree.groups[0], options=("red", " ".join(["very"] * 20), "blue", " ".join(["rather"] * 9)))
    problems = length_problems(replace(tree, groups=(long,)), encoder)
    assert [(p.code, p.severity, p.pointer[-1]) for p in problems] == [("TG120", "error", "1"), ("TG120", "error", "3")]
    assert "has 26 tokens, fake-0 reads 12" in problems[0].message


def test_a_prompt_that_just_fits_is_no_problem(tree: Tree, encoder: Any) -> None:
    fitting = replace(tree.groups[0], prompt="one two three four five six seven eight nine {}")
    assert length_problems(replace(tree, groups=(fitting,)), encoder) == []
    longer = replace(fitting, prompt="zero " + fitting.prompt)
    assert len(length_problems(replace(tree, groups=(longer,)), encoder)) == 4


def test_the_prompt_of_a_class_name_is_no_longer_than_the_context_either(encoder: Any) -> None:
    prompts = ["a photo of a creature called Wren", " ".join(["very"] * 30), "b", " ".join(["so"] * 11)]
    problems = name_length_problems(prompts, encoder)
    assert [(p.code, p.pointer) for p in problems] == [("TG120", "/classes/1"), ("TG120", "/classes/3")]
    assert "has 13 tokens, fake-0 reads 12" in problems[1].message
    refuse_long([])
    with pytest.raises(ProblemsError, match="2 prompts exceed the encoder's context length") as caught:
        refuse_long(problems)
    assert all(p.pointer in caught.value.message for p in problems)


def test_without_a_known_context_no_length_is_a_problem(tree: Tree, encoder: Any) -> None:
    encoder.context_length = None
    long = replace(tree.groups[0], options=("red", " ".join(["very"] * 99), "blue", "white"))
    assert length_problems(replace(tree, groups=(long,)), encoder) == []
    assert name_length_problems(["very " * 99], encoder) == []


def test_an_option_is_told_with_the_earlier_one_it_is_closest_to(tree: Tree) -> None:
    problems = list(similar_options(with_options(tree, "0", "40", "42", "5", "180"), Angles()))
    assert [(p.code, p.pointer[-1]) for p in problems] == [("TG601", "2"), ("TG601", "3")]
    assert '"42" is nearly the same as "40" for angles' in problems[0].message
    assert "prompts is 0.999 (limit: 0.99)" in problems[0].message
    assert '"5" is nearly the same as "0"' in problems[1].message


@pytest.mark.parametrize(("angle", "count"), [("8.1", 1), ("8.2", 0), ("351.9", 1), ("172", 0)])
def test_the_limit_is_a_cosine_of_0_99(tree: Tree, angle: str, count: int) -> None:
    """An angle of 8.11 degrees; options that point away from each other are not alike."""
    assert SAME_COSINE == 0.99
    assert len(list(similar_options(with_options(tree, "0", angle), Angles()))) == count


def test_options_of_other_groups_are_not_compared(tree: Tree) -> None:
    twice = with_options(tree, "0", "90")
    assert list(similar_options(replace(twice, groups=twice.groups * 2), Angles())) == []


def test_each_text_is_embedded_once_and_both_checks_run(tree: Tree, encoder: Any) -> None:
    long = replace(tree.groups[0], prompt=" ".join(["so"] * 20) + " {}")
    assert {p.code for p in encoder_problems(replace(tree, groups=(long, long)), encoder)} == {"TG120"}
    assert encoder.texts == list(long.fill())


def test_pairs_are_those_that_a_comparison_one_by_one_finds(tree: Tree, make_encoder: Callable[[int], Any]) -> None:
    for seed in range(5):
        encoder = make_encoder(seed)
        expected = set()
        for group in tree.groups:
            rows = encoder.encode_texts(group.fill())
            close = [j for i, j in combinations(range(len(rows)), 2) if float(rows[i] @ rows[j]) >= 0.3]
            expected |= {f"/classification_groups/{group.name}/options/{j}" for j in close}
        assert {p.pointer for p in similar_options(tree, encoder, 0.3)} == expected


def test_a_real_model_tells_what_is_written_alike_and_nothing_else(tree: Tree, bundled: Encoder) -> None:
    """The text encoder folds case, so that the two whites are one text to it."""
    colours = replace(tree.groups[0], options=("white", "green", "purple", "White"))
    (problem,) = encoder_problems(replace(tree, groups=(colours,)), bundled)
    assert (problem.code, problem.pointer[-1]) == ("TG601", "3")
    assert "is 1.000 (limit" in problem.message


@cache
def clip_tokenizer() -> Any:
    from open_clip.tokenizer import SimpleTokenizer

    return SimpleTokenizer()


LATIN = st.text(st.characters(max_codepoint=0x24F), max_size=40)
WORDY = st.from_regex(r"[A-Za-z0-9 ,.'’/&;_-]{0,60}")


@pytest.mark.slow
@settings(deadline=None)
@given(LATIN | WORDY)
def test_the_lower_bound_of_tokens_is_never_more_than_clips_own_count(text: str) -> None:
    """Where ftfy, which CLIP runs first, finds nothing to mend."""
    import ftfy

    mended = ftfy.fix_text(html.unescape(html.unescape(text)))
    assert least_tokens(mended) <= len(clip_tokenizer().encode(mended)) + 2
