"""A score that did not look at the test split has none of its sections, and every reader says so."""

from typing import Any

from treegen.history.score_document import as_tested

DEV_ONLY: Any = {"tree": "sha256:0", "dev": {"accuracy": 0.5}}


def test_only_a_score_with_a_test_split_is_taken_for_one() -> None:
    assert as_tested(None) is None
    assert as_tested(DEV_ONLY) is None
    whole: Any = {**DEV_ONLY, "test": {"accuracy": 0.25}}
    assert as_tested(whole) is whole
