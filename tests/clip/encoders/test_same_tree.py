"""One tree on every kind of encoder, without change: open_clip, transformers and a service."""

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.embedding_service import KEY, serving
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.encoders import open_encoder
from treegen.clip.encoders.drift import settle
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.config.settings import EncoderSettings
from treegen.images import divide
from treegen.tree.model import Tree

pytestmark = pytest.mark.litellm


def test_a_tree_is_scored_by_every_kind_of_encoder(
    saved: Callable[[str], Path],
    tiny_clip: Path,
    domain: Domain,
    tree: Tree,
    cache: EmbeddingCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each by its own embeddings, which stand beside each other in one cache, and none is made twice."""
    monkeypatch.setenv("JINA_API_KEY", KEY)
    parts = partial(divide, classes=domain.classes, settings=domain.split, recorded={})
    scores = {}
    with serving() as service:
        for name in (
            f"local-dir:{tiny_clip}",
            f"local-dir:{saved('open_siglip')}",
            f"hf:{saved('clip')}",
            f"hf:{saved('siglip')}",
            f"hf:{saved('siglip2')}",
            f"hf:{saved('echo')}",
            "jina_ai/jina-clip-v2",
        ):
            settings = EncoderSettings(name=name, device="cpu", trust_remote_code=True, api_base=service.address)
            encoder = open_encoder(settings, Path())
            settle(encoder, cache)
            score = Evaluator(domain, encoder, cache, parts).score(tree)
            assert (score["test"]["n"], score["encoder"]["fingerprint"]) == (13, encoder.fingerprint)
            assert score["encoder"]["logit_scale"] == encoder.logit_scale
            again = open_encoder(settings, Path())
            settle(again, cache)
            monkeypatch.setattr(again, "encode_prepared", None)
            monkeypatch.setattr(again, "encode_texts", None)
            assert Evaluator(domain, again, cache, parts).score(tree) == score
            scores[encoder.fingerprint] = score
    assert len(scores) == 7
    assert len({score["images"]["digest"] for score in scores.values()}) == 1
