"""What choosing by the dev split gains by luck alone."""

from collections.abc import Sequence
from typing import Final

_DRAWS: Final = 1000


def expected_luck(
    flips: Sequence[int], n: int, right: int, *, clusters: int | None = None, draws: int = _DRAWS, seed: int = 0
) -> float:
    """Return how much the accuracy on the chosen-by images overstates after so many evaluations without effect.

    Simulates someone who evaluates one edit after another on the same images and keeps each that gains anything. No
    edit has an effect: an image that flips becomes right as often as it would have been by the first tree. The more
    luck has piled up, the more of the flips are losses.

    Args:
        flips: of each evaluation, in order: images that only one of the two trees gets right.
        n: number of images, at least 1.
        right: images that the first tree gets right.
        clusters: number of clusters that the images come in, whose images are then taken to flip together.
        draws: simulated runs.
        seed: of the simulation.

    Returns:
        A mean difference of accuracies, 0 to 1.

    >>> round(expected_luck([8] * 50, 390, 273), 3)
    0.087
    """
    import numpy as np

    if clusters is not None:
        flips, n, right = [round(each * clusters / n) for each in flips], clusters, round(right * clusters / n)
    rng, share = np.random.default_rng(seed), right / n
    count = np.full(draws, float(right))
    for flipped in flips:
        won, lost = (n - count) * share, count * (1 - share)
        total = won + lost
        chance = np.divide(won, total, out=np.full(draws, 0.5), where=total > 0)
        gain = 2 * rng.binomial(flipped, chance) - flipped
        count = np.minimum(np.where(gain > 0, count + gain, count), n)
    return float(count.mean() - right) / n
