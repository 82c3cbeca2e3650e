"""A cancelled step stops between two batches, leaves nothing half-written, and the next call goes on from there."""

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clip.conftest import FakeEncoder
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.progress import Cancelled
from treegen.tree.changes import OptionRenamed
from treegen.tree.model import Group, Tree

Evaluate = Callable[..., Evaluator]


class Stop:
    """Progress that is cancelled at a step of a task; from then on it counts nothing."""

    def __init__(self, task: str, at: int) -> None:
        self.task, self.at, self.told = task, at, list[tuple[str, int, int]]()

    def __call__(self, task: str, done: int, total: int) -> None:
        self.told.append((task, done, total))
        if task == self.task and done >= self.at > 0:
            raise Cancelled


@pytest.fixture
def many(make_domain: Callable[..., Domain]) -> Domain:
    """200 pictures: four batches."""
    return make_domain({"Abrosk": 100, "Wendle": 100})


def test_embedding_stops_after_the_batch_and_the_next_call_does_the_rest(
    evaluate: Evaluate, many: Domain, make_encoder: Callable[[int], FakeEncoder], tmp_path: Path
) -> None:
    encoder = make_encoder(1)
    with pytest.raises(Cancelled):
        evaluate(many, encoder=encoder, progress=Stop("embedding images", 1))
    assert len(encoder.images) == 64
    with sqlite3.connect(tmp_path / "cache.sqlite") as db:
        assert db.execute("SELECT count(*) FROM embedding").fetchone() == (64,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    db.close()
    evaluator = evaluate(many, encoder=encoder)
    assert len(encoder.images) == 200
    assert len(evaluator.images.images) == 200


def test_what_was_hashed_before_the_cancel_is_remembered(
    evaluate: Evaluate, many: Domain, cache: EmbeddingCache
) -> None:
    with pytest.raises(Cancelled):
        evaluate(many, progress=Stop("reading images", 1))
    assert len(cache.known_files()) == 64


def test_scoring_stops_between_batches_of_texts_and_goes_on_with_the_next_call(
    evaluate: Evaluate, encoder: FakeEncoder, many: Domain, tree: Tree
) -> None:
    evaluator = evaluate(many)
    words = tuple(f"word {n}" for n in range(150))
    long = Tree(domain="notebook", groups=(Group(name="g", prompt="a {}", options=words),), rules=())
    stop = evaluator._progress = Stop("embedding texts", 1)
    with pytest.raises(Cancelled):
        evaluator.text_features(long.prompts())
    assert len(encoder.texts) == 64
    stop.at = 0
    assert evaluator.text_features(long.prompts()).shape[0] == 150
    assert len(encoder.texts) == 150


@pytest.mark.parametrize("task", ["asking random words", "trying changes"])
def test_a_score_and_previews_can_be_cancelled_and_made_again(
    evaluate: Evaluate, domain: Domain, tree: Tree, task: str
) -> None:
    evaluator = evaluate(domain)
    steps = [[OptionRenamed(group="size", old="small", new=word)] for word in ("tiny", "short")]
    work = (lambda: evaluator.preview(tree, steps)) if task == "trying changes" else lambda: evaluator.score(tree)
    wanted = work()
    stop = evaluator._progress = Stop(task, 1)
    with pytest.raises(Cancelled):
        work()
    stop.at = 0
    assert work() == wanted
    assert [done for told, done, _ in stop.told if told == task][:1] in ([0], [1])
