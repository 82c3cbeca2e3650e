"""Average linkage with the cut that a tree can use best."""

import numpy as np
import pytest

from treegen.exchange import clustering
from treegen.exchange.clustering import cluster
from treegen.exchange.embedding import lexical_vectors
from treegen.exchange.topics import find_topics


def vectors(*angles: float) -> np.ndarray:
    return np.array([[np.cos(a), np.sin(a)] for a in np.radians(angles)], np.float32)


def test_two_bundles_are_two_clusters() -> None:
    labels, nearness = cluster(vectors(0, 2, 4, 90, 92), [[0], [1], [2], [0], [1]])
    assert labels.tolist() == [0, 0, 0, 1, 1]
    assert nearness.min() > 0.99


def test_the_cut_is_made_where_a_class_would_stand_twice_in_a_cluster() -> None:
    """At 30 degrees the two bundles could join; they do if their classes differ, not if they are the same."""
    bundles = vectors(0, 1, 30, 31)
    assert cluster(bundles, [[0], [1], [0], [1]])[0].tolist() == [0, 0, 1, 1]
    assert cluster(bundles, [[0], [1], [2], [3]])[0].tolist() == [0, 0, 0, 0]


def test_what_has_nothing_in_common_stays_apart() -> None:
    assert cluster(vectors(0, 90), [[0], [1]])[0].tolist() == [0, 1]
    assert cluster(vectors(0), [[0]])[0].tolist() == [0]


def test_more_phrases_than_are_linked_join_the_nearest_centre(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of 40 phrases 10 are linked; the others get the cluster they would have got, far ones none."""
    monkeypatch.setattr(clustering, "MOST_LINKED", 10)
    around = [a + b for a in (0, 90) for b in range(20)]
    labels, _ = cluster(vectors(*around), [[i % 20] for i in range(40)])
    assert labels.tolist() == [0] * 20 + [1] * 20
    labels, _ = cluster(vectors(*around[:20], 180, *around[20:]), [[i] for i in range(41)])
    assert labels[20] == -1


def test_dense_and_sparse_vectors_give_the_same_clusters() -> None:
    texts = ["red eyes", "dark eyes", "long tail", "short tail", "thick coat", "thin coat"]
    sparse = lexical_vectors(find_topics(texts, [[i % 2] for i in range(6)], [False] * 6, "pet"))
    owners = [[i % 2] for i in range(6)]
    labels, nearness = cluster(sparse, owners)
    assert labels.tolist() == [0, 0, 1, 1, 2, 2]
    dense = cluster(np.asarray(sparse.todense()), owners)
    assert dense[0].tolist() == labels.tolist()
    assert np.allclose(dense[1], nearness, atol=1e-6)
    assert np.allclose(np.linalg.norm(sparse.todense(), axis=1), 1, atol=1e-6)
