"""Whether predictions are right as often as their probabilities say."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BINS: Final = 10


def calibration_of(confidences: "NDArray[np.floating]", right: "NDArray[np.bool_]") -> dict[str, Any]:
    """Compare accuracy to confidence, in ten bins of equal width.

    The expected calibration error is the mean over the images of the gap between confidence and accuracy of their bin.

    Source: Naeini et al. 2015, "Obtaining well calibrated probabilities using Bayesian binning".

    Args:
        confidences: probability of each prediction (N), 0 to 1; N at least 1.
        right: whether it is right (N).
    """
    n, bin_numbers = len(right), np.minimum((confidences * BINS).astype(np.int64), BINS - 1)
    bins, error = [], 0.0
    for number in np.unique(bin_numbers):
        members = bin_numbers == number
        count, accuracy = int(members.sum()), float(right[members].mean())
        confidence = float(confidences[members].mean())
        error += count / n * abs(confidence - accuracy)
        bins.append({"low": int(number) / BINS, "n": count, "confidence": min(1.0, confidence), "accuracy": accuracy})
    return {"error": min(1.0, error), "confidence": min(1.0, float(confidences.mean())), "bins": bins}
