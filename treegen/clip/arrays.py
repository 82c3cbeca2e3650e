"""One code for NumPy arrays and for torch tensors, by the array API standard; torch is only imported with a tensor.

What the standard does not have is done here: a softmax, the two highest values, and moving arrays between libraries.
"""

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

#: A NumPy array, or a torch tensor on any device.
Array: TypeAlias = Any


def namespace(values: Array) -> Any:
    """Return the functions of the array API for the library that an array belongs to.

    NumPy follows the standard itself; the import of its wrapper would cost a tenth of a second.
    """
    if isinstance(values, np.ndarray):
        return np
    from array_api_compat import array_namespace

    return array_namespace(values)


def like(values: "NDArray[Any]", other: Array) -> Array:
    """Return a NumPy array in the library and on the device of another array; its dtype stays."""
    if isinstance(other, np.ndarray):
        return values
    return namespace(other).asarray(values, device=other.device)


def to_numpy(values: Array) -> "NDArray[Any]":
    """Return an array of any library and device as a NumPy array; a copy only if it has to move."""
    return values if isinstance(values, np.ndarray) else np.asarray(values.cpu())


def to_device(values: Array, device: str) -> Array:
    """Return features where they are scored: on the GPU if the encoder's device is `cuda`, else as a NumPy array.

    Other accelerators have no float64, which several decision rules need.
    """
    features = to_numpy(values)
    if device != "cuda":
        return features
    import torch

    return torch.from_numpy(features).to(device)


def double(values: Array) -> Array:
    """Return an array in float64."""
    xp = namespace(values)
    return xp.astype(values, xp.float64, copy=False)


def softmax(values: Array, axis: int) -> Array:
    """Return the softmax along an axis, of values of any size."""
    xp = namespace(values)
    raised = xp.exp(values - xp.max(values, axis=axis, keepdims=True))
    return raised / xp.sum(raised, axis=axis, keepdims=True)


def log_softmax(values: Array, axis: int) -> Array:
    """Return the logarithm of the softmax along an axis, also where the softmax is too small for a number."""
    xp = namespace(values)
    shifted = values - xp.max(values, axis=axis, keepdims=True)
    return shifted - xp.log(xp.sum(xp.exp(shifted), axis=axis, keepdims=True))


def top_two(columns: Array) -> tuple[Array, Array, Array, Array]:
    """Return the places of the highest and the second highest value of each column, and the two values.

    Args:
        columns: (O, N), O at least 1.

    Returns:
        Four arrays (N). Of equal values the first is taken; the second of a single value is that value.
    """
    xp = namespace(columns)
    every = xp.arange(columns.shape[1], device=columns.device)
    first = xp.argmax(columns, axis=0)
    highest = columns[first, every]
    if len(columns) == 1:
        return first, first, highest, highest
    rest = xp.asarray(columns, copy=True)
    rest[first, every] = float("-inf")
    second = xp.argmax(rest, axis=0)
    return first, second, highest, rest[second, every]
