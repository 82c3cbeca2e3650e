"""The search: its shortcuts against a slow reference, and what it may and may not change."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from treegen.clip.scoring import answer_counts, answered, group_probabilities, rule_matrix
from treegen.errors import InputError
from treegen.images import LabelledImage
from treegen.optimize.candidates import Candidate, candidates_of
from treegen.optimize.judge import halves_of
from treegen.optimize.objective import Objective
from treegen.optimize.search import search
from treegen.tree.changes import apply
from treegen.tree.model import ClassRule, Group, Tree

GROUPS = (
    Group(name="colour", prompt="a {} thing", options=("red", "green", "blue")),
    Group(name="form", prompt="a thing like a {}", options=("ball", "box")),
    Group(name="mark", prompt="a thing with {}", options=("spots", "stripes", "a hole", "a hat")),
)
ROWS: tuple[tuple[int | None, ...], ...] = ((0, 0, 0), (0, 1, 1), (1, 1, None), (2, None, 3), (None, 0, 2))
TREE = Tree(
    domain="things",
    groups=GROUPS,
    rules=tuple(
        ClassRule(name=f"c{n}", answers=tuple((g.name, a) for g, a in zip(GROUPS, row, strict=True)))
        for n, row in enumerate(ROWS)
    ),
)
WORDINGS = {"colour": ["crimson", "red"], "mark": ["dots"]}
LABELS = np.arange(40) % 5


def embed(texts: Sequence[str]) -> NDArray[np.float64]:
    """Similarities of every text, the same in each call."""
    seeds = [int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) for text in texts]
    return np.stack([np.random.default_rng(seed).normal(size=len(LABELS)) for seed in seeds])


def objective(tree: Tree, temperature: float | None = None, rows: slice = slice(None)) -> Objective:
    def some(texts: Sequence[str]) -> NDArray[np.float64]:
        return embed(texts)[:, rows]

    return Objective(tree, LABELS[rows], [some(group.fill()) for group in tree.groups], some, temperature)


def slow(tree: Tree, temperature: float) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Loss and correctness by the functions that score a tree."""
    sizes = tuple(len(group.options) for group in tree.groups)
    logits = np.concatenate([embed(group.fill()) for group in tree.groups]).T
    matrix = rule_matrix(tree)
    scores = group_probabilities(logits, sizes) @ answered(matrix).T / answer_counts(matrix)
    shares = np.exp(temperature * scores)
    return -np.log(shares[np.arange(40), LABELS] / shares.sum(axis=1)), scores.argmax(axis=1) == LABELS


def test_the_outcome_of_every_single_change_is_that_of_the_changed_tree() -> None:
    found = list(candidates_of(TREE, wordings=WORDINGS))
    assert {candidate.kind for candidate in found} == {"answer", "merge", "drop", "reword"}
    current = objective(TREE, 7.0)
    for candidate in found:
        outcome = current.outcome(candidate)
        loss, right = slow(apply(TREE, candidate.changes(TREE)), 7.0)
        np.testing.assert_allclose(outcome.loss, loss, atol=1e-9, err_msg=str(candidate))
        np.testing.assert_array_equal(outcome.right, right, err_msg=str(candidate))


def test_every_single_change_is_tried_once() -> None:
    found = list(candidates_of(TREE, wordings=WORDINGS))
    assert len(set(found)) == len(found)
    assert sum(c.kind == "answer" for c in found) == 5 * (3 + 2 + 4)  # of n options and null, all but the present one
    assert sum(c.kind == "merge" for c in found) == 3 * 2 + 4 * 3  # of two options none can go
    assert sum(c.kind == "drop" for c in found) == 3
    assert sum(c.kind == "reword" for c in found) == 3 + 4  # `red` is there already


def test_locks_and_rules_are_left_alone() -> None:
    for candidate in candidates_of(TREE, wordings=WORDINGS, locks=["group colour", "class c1"]):
        for change in candidate.changes(TREE):
            assert change.about[0] != "colour"
        changed = apply(TREE, candidate.changes(TREE))
        assert [changed.word(changed.rules[1], g.name) for g in changed.groups] == [
            TREE.word(TREE.rules[1], g.name) for g in changed.groups
        ]
    kinds = {c.kind for c in candidates_of(TREE, wordings=WORDINGS, rule_edits=False)}
    assert kinds == {"drop", "reword"}


def test_a_wrong_rule_is_found_and_set_right() -> None:
    """CLIP's answers follow a true tree; the seed has one rule that contradicts them."""
    true = replace(TREE, rules=tuple(replace(r, answers=tuple((g, a or 0) for g, a in r.answers)) for r in TREE.rules))
    wrong = replace(
        true,
        rules=(
            *true.rules[:3],
            replace(true.rules[3], answers=(("colour", 0), ("form", 0), ("mark", 3))),
            true.rules[4],
        ),
    )

    def seen(tree: Tree, rows: slice, temperature: float | None) -> Objective:
        logits = []
        for group in tree.groups:
            expected = np.array([true.rules[label].get(group.name) for label in LABELS[rows]])
            noise = np.random.default_rng(len(group.options)).normal(size=(len(group.options), len(expected)))
            logits.append(noise + 2.0 * (np.arange(len(group.options))[:, None] == expected))
        return Objective(
            tree, LABELS[rows], logits, lambda texts: np.zeros((len(texts), len(LABELS[rows]))), temperature
        )

    def halves(tree: Tree, temperature: float | None) -> tuple[Objective, Objective]:
        return seen(tree, slice(0, 20), temperature), seen(tree, slice(20, 40), temperature)

    result = search(wrong, halves, lambda tree: "", wordings={}, steps=1, progress=lambda *_: None)
    assert [change.sentence for change in result.steps[0].changes] == ['"c3" in "colour": "red" became "blue"']
    assert result.steps[0].follows_model
    assert result.steps[0].propose.beyond_error
    assert result.steps[0].confirm.loss > 0
    assert result.tried == len(list(candidates_of(wrong, wordings={})))


def test_what_cannot_be_scored_is_not_accepted_and_an_interruption_keeps_the_steps() -> None:
    def halves(tree: Tree, temperature: float | None) -> tuple[Objective, Objective]:
        both = objective(tree, temperature)
        return both, both

    nothing = search(TREE, halves, lambda tree: "an error", wordings={}, progress=lambda *_: None)
    assert (nothing.steps, nothing.stop, nothing.tree) == ((), "no gain", TREE)

    def interrupt(task: str, done: int, total: int) -> None:
        if task == "step 3":
            raise KeyboardInterrupt

    stopped = search(TREE, halves, lambda tree: "", wordings={}, progress=interrupt)
    assert (len(stopped.steps), stopped.stop) == (2, "interrupted")


def test_random_answers_yield_hardly_a_step_that_the_other_half_would_confirm() -> None:
    """With noise for answers, changes that gain on one half are confirmed by chance alone, and few add up."""

    def halves(tree: Tree, temperature: float | None) -> tuple[Objective, Objective]:
        first = objective(tree, temperature, slice(0, 20))
        return first, objective(tree, first.temperature, slice(20, 40))

    result = search(TREE, halves, lambda tree: "", wordings={}, progress=lambda *_: None)
    assert result.luck > 0.1  # many candidates on few images: the best looks good whatever it is
    assert all(step.propose.beyond_error and step.confirm.loss > 0 for step in result.steps)


def test_halves_depend_on_content_alone_and_hold_every_class() -> None:
    images = [LabelledImage(path=Path(f"{n}.png"), label=n % 4, digest=f"{n:064x}") for n in range(41)]
    first, second = halves_of(images, "abcd")
    assert sorted([*first, *second]) == list(range(41))
    for half in (first, second):
        assert {images[n].label for n in half} == set(range(4))
    order = np.random.default_rng(0).permutation(41)
    again, _ = halves_of([images[n] for n in order], "abcd")
    assert {images[n].digest for n in first} == {images[order[n]].digest for n in again}


def test_a_class_with_one_dev_image_cannot_be_halved() -> None:
    images = [
        LabelledImage(path=Path("a.png"), label=0, digest="a"),
        LabelledImage(path=Path("b.png"), label=1, digest="b"),
    ]
    with pytest.raises(InputError, match='2 classes have a single dev image: "Ax", "Bx"'):
        halves_of(images, ["Ax", "Bx"])


def test_a_reworded_option_gets_the_words_in_its_prompt() -> None:
    candidate = Candidate(kind="reword", group=2, option=0, words="dots")
    logits, _ = objective(TREE).changed_group(candidate)
    np.testing.assert_array_equal(logits[0], embed(["a thing with dots"])[0])


def test_pictures_of_one_object_are_in_one_half() -> None:
    images = [
        LabelledImage(path=Path(f"{n}.png"), label=n % 2, digest=f"{n:064}", cluster=f"{n % 2} {n // 6}" * (n < 48))
        for n in range(60)
    ]
    first, second = halves_of(images, ["a", "b"])
    assert sorted([*first, *second]) == list(range(60))
    assert not {images[n].cluster for n in first if n < 48} & {images[n].cluster for n in second if n < 48}
    assert min(len(first), len(second)) >= 24
    with pytest.raises(InputError, match="single dev image"):
        halves_of([replace(image, cluster="one") for image in images], ["a", "b"])
