"""A review: what is missing, what is wrong, and scores by the real bundled encoder on a thread of their own."""

from pathlib import Path

import pytest

from tests.conftest import TREE, present
from treegen.clip import encoders
from treegen.config.settings import EncoderSettings
from treegen.tree.changes import edits
from treegen.workflow.review_model import ReviewModel
from treegen.workflow.revise import diagnose


def test_without_a_domain_it_opens_and_says_what_supplies_one(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_text(TREE)
    review = ReviewModel(path)
    assert review.domain is None
    assert "treegen init" in review.missing
    assert not review.can_score
    assert review.problems == review.known_problems
    review.close()


@pytest.mark.parametrize("text", ["not toml [", 'name = "x"'])
def test_a_broken_domain_is_told_and_the_tree_can_be_edited(tmp_path: Path, text: str) -> None:
    path = tmp_path / "tree.json"
    path.write_text(TREE)
    (tmp_path / "domain.toml").write_text(text)
    review = ReviewModel(path)
    assert review.missing
    review.session.do("x", edits.delete_group(review.tree, "size"))
    assert len(review.tree.groups) == 4
    review.close()


def test_problems_are_those_of_the_tree_as_it_is_now(tree_file: Path) -> None:
    review = ReviewModel(tree_file)
    before = review.problems
    review.session.do("x", edits.change_prompt(review.tree, "size", "no place"))
    assert review.known_problems == before
    assert "TG110" in {p.code for p in review.problems}
    assert not review.can_score
    review.session.undo()
    assert review.problems == before
    review.close()


@pytest.mark.slow
def test_the_score_is_of_the_tree_at_the_time_and_stale_after_a_change(tree_file: Path) -> None:
    review = ReviewModel(tree_file)
    tree = review.tree
    future = review.measure()
    review.session.do("x", edits.move_group(review.tree, "size", -1))
    review.measured = future.result(120)
    assert review.measured.tree is tree
    assert review.stale
    group, own = present([review.measured.group("colour"), review.measured.class_("Wendle")])
    assert group["accuracy"] <= 1
    assert own["name"] == "Wendle"
    assert review.measured.group("nothing") is None
    wrong = round(review.measured.dev["n"] * (1 - review.measured.dev["accuracy"]))
    assert len(review.measured.mistakes) == wrong
    review.session.undo()
    assert review.measured.tree == review.tree
    review.close()


def test_a_job_that_fails_leaves_the_next_one_its_thread(tree_file: Path) -> None:
    review = ReviewModel(tree_file)
    assert isinstance(review.on_models(lambda work: 1 // 0).exception(60), ZeroDivisionError)
    assert review.on_models(lambda work: work.path).result(60) == tree_file
    review.close()


@pytest.mark.slow
def test_feedback_before_the_first_score_loads_the_encoder_once_and_embeds_once(
    tree_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both ask the one workspace of the review, on the thread of the models."""
    loads, opened = list[EncoderSettings](), encoders.open_encoder

    def open_it(settings: EncoderSettings, folder: Path) -> encoders.Encoder:
        loads.append(settings)
        return opened(settings, folder)

    monkeypatch.setattr(encoders, "open_encoder", open_it)
    told = list[str]()
    with ReviewModel(tree_file) as review:
        tree = review.tree
        asked = review.on_models(lambda work: diagnose(work, tree), lambda task, *_: told.append(task))
        scored = review.measure(lambda task, *_: told.append(task))
        dev, measured = asked.result(120), scored.result(120)
    assert dev == measured.dev
    assert len(loads) == 1
    assert told.count("embedding images") == 2  # batches of 64: 104 images once
