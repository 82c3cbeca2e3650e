"""Join what is seen in several views. Shapes: B images, V views, O options of one question, D embedding width."""

from collections.abc import Sequence
from typing import Final

from treegen.clip.arrays import Array, namespace

_TIE: Final = 1e-3  # weight of the mean probability beside the votes of the kinds: it decides between equals


def mean_embedding(features: Array) -> Array:
    """Return the mean of the views' embeddings, of length 1: (B, V, D) -> (B, D)."""
    xp = namespace(features)
    mean = xp.mean(features, axis=1)
    return mean / xp.sqrt(xp.sum(mean * mean, axis=1, keepdims=True))


def two_stage_vote(probabilities: Array, kinds: Sequence[str]) -> Array:
    """Vote in two stages: within each kind of view the option that wins most views, then among the kinds.

    Equal numbers of votes are decided by the mean probability, in both stages. Ends in shares, not in one winner, so
    that decision rules still see how sure the vote was.

    Source: the hierarchical voting of Akyürek et al. 2024 (arXiv 2411.07279), over groups instead of grids.

    Args:
        probabilities: (V, B, O) of each view.
        kinds: of each view (V).

    Returns:
        (B, O), rows sum to 1; the highest is the winner.
    """
    xp = namespace(probabilities)
    votes, names = xp.zeros_like(probabilities[0]), list(dict.fromkeys(kinds))
    for name in names:
        part = probabilities[[v for v, kind in enumerate(kinds) if kind == name]]
        counts = xp.sum(_winners(part), axis=0)
        votes = votes + _winners(counts + xp.mean(part, axis=0) * _TIE)
    return (votes + _TIE * xp.mean(probabilities, axis=0)) / (len(names) + _TIE)


def _winners(values: Array) -> Array:
    """Return 1 for the highest of the last axis, the first of equals, and 0 for the others."""
    xp = namespace(values)
    places = xp.arange(values.shape[-1], device=values.device)
    return xp.astype(places == xp.argmax(values, axis=-1, keepdims=True), values.dtype)
