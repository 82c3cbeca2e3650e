"""The cascade of CLIP, a vision model and a person, where pictures show one object."""

from pathlib import Path

import numpy as np
import pytest

from treegen.clip.evaluator import SplitData
from treegen.images import LabelledImage
from treegen.workflow.cascade import _unknown


@pytest.mark.parametrize(
    ("clusters", "expected"),
    [(["", "", "", ""], [False, True, True, True]), (["cup", "cup", "jug", ""], [False, False, True, True])],
)
def test_objects_that_the_model_was_learnt_on_are_not_scored(clusters: list[str], expected: list[bool]) -> None:
    images = [
        LabelledImage(path=Path(f"{n}.png"), label=0, digest=str(n), cluster=cluster)
        for n, cluster in enumerate(clusters)
    ]
    part = SplitData(features=np.zeros((4, 2)), labels=(0,) * 4, images=tuple(images))
    assert _unknown(part, frozenset({"0"})).tolist() == expected
