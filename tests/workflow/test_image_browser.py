"""Which images pass a filter."""

from pathlib import Path

import pytest

from tests.review.test_maps import observed
from treegen.errors import InputError
from treegen.workflow.answer_shares import AnswerShares
from treegen.workflow.class_filter import named, terms_of
from treegen.workflow.image_browser import WHICH, browsed_images, pair_filter
from treegen.workflow.review_model import ReviewModel

NAMES = ("Gull", "Herring Gull", "Black & White", 'a "b" &c')


@pytest.fixture
def review(tmp_path: Path) -> "ReviewModel":
    from tests.conftest import DOMAIN, TREE

    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    return ReviewModel(tmp_path / "tree.json")


def test_names_in_quotes_are_whole_and_hide_the_sign_that_joins_terms() -> None:
    for name in NAMES:
        for other in NAMES:
            true, predicted = terms_of(pair_filter(name, other))
            for term, wanted in ((true, name), (predicted, other)):
                accept = named(term.partition("=")[2])
                assert [each for each in NAMES if accept(each)] == [wanted]
    assert [each for each in NAMES if named("gull")(each)] == ["Gull", "Herring Gull"]


def test_right_wrong_and_all_are_filtered_by_class_and_prediction(review: ReviewModel) -> None:
    with review:
        assert [browsed_images(which, "", review) for which in WHICH] == [(), (), ()]
        review.measured = observed(review.tree, NAMES, tuple(range(4)), 1)
        assert len(browsed_images("all", "", review)) == 4
        assert [each.true for each in browsed_images("all", "right &taken=gull", review)] == ["Gull", "Herring Gull"]
        assert [each.true for each in browsed_images("all", 'class="Gull"', review)] == ["Gull"]
        assert [each.image.name for each in browsed_images("all", "3-0.PNG", review)] == ["3-0.png"]
        assert browsed_images("all", "wrong", review) == ()
        assert browsed_images("right", "", review)[2].votes[0].margin == 0
        assert len(browsed_images("all", 'taken="Gull"', review)) == 1
        with pytest.raises(InputError, match="no filter"):
            browsed_images("all", "colour=red", review)


def test_a_share_is_of_the_answer_that_is_asked_and_stale_where_the_group_was_worded_differently(
    review: ReviewModel,
) -> None:
    with review:
        tree = review.tree
        measured = observed(tree, tree.classes, tuple(range(len(tree.classes))), 1)
        group, name = tree.groups[0], tree.classes[0]
        shares = AnswerShares(tree, measured)
        first, second = (shares.of(name, group.name, option) for option in group.options[:2])
        assert first
        assert second
        assert (first.share, second.share, first.stale) == (1, 0, False)
        assert shares.of("Nobody", group.name, group.options[0]) is None
        assert shares.of(name, group.name, "never asked") is None
        assert shares.of(name, "no group", group.options[0]) is None
        other = AnswerShares(review.tree, None)
        assert not other
