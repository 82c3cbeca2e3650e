"""Phrases as vectors: lexical ones that need no model, or those of a CLIP's text side."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from treegen.exchange.topics import Topic
from treegen.progress import Progress

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder

_HEAD, _OTHER_HEAD, _WORD = 1.0, 0.45, 0.2  # weights of the topic, of words that are topics elsewhere, of the rest
_BATCH: Final = 256


def lexical_vectors(topics: Sequence[Topic]) -> Any:
    """TF-IDF with weight on the topic: a sparse matrix (N, V) float32, rows of length 1.

    The inverse document frequency counts among the distinct phrases. A phrase is near those of its own topic, and of
    topics whose word it holds: "dual exhaust pipes" is near "dual exhaust".
    """
    from scipy.sparse import csr_matrix

    vocabulary: dict[str, int] = {}
    frequency = Counter(word for topic in topics for word in set(topic.words))
    names = {topic.name for topic in topics}
    most = math.log(1 + len(topics))
    data, columns, starts = [], [], [0]
    for topic in topics:
        weights = {f"topic {topic.name}": _HEAD}
        for word in topic.words:
            rare = math.log((1 + len(topics)) / frequency[word]) / most if most else 1.0
            if word in names and word in topic.near and f" {word} " not in f" {topic.name} ":
                weights[f"topic {word}"] = _OTHER_HEAD
            elif word != topic.name:
                weights[word] = _WORD * rare
        length = math.sqrt(sum(w * w for w in weights.values()))
        for word, weight in weights.items():
            columns.append(vocabulary.setdefault(word, len(vocabulary)))
            data.append(weight / length)
        starts.append(len(data))
    shape = (len(topics), len(vocabulary))
    return csr_matrix((np.asarray(data, np.float32), np.asarray(columns), np.asarray(starts)), shape=shape)


def encoder_vectors(texts: Sequence[str], encoder: "Encoder", progress: Progress) -> Any:
    """The encoder's text embeddings, centred: (N, D) float32, rows of length 1.

    The texts of a CLIP lie in a narrow cone; without their common part the differences are what is left.
    """
    parts = []
    for start in range(0, len(texts), _BATCH):
        parts.append(encoder.encode_texts(texts[start : start + _BATCH]).numpy())
        progress("embedding phrases", min(start + _BATCH, len(texts)), len(texts))
    matrix = np.concatenate(parts)
    matrix -= matrix.mean(axis=0, keepdims=True)
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return (matrix / np.maximum(lengths, 1e-12)).astype(np.float32)
