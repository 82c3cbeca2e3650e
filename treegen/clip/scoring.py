"""The decision rule as matrix products. Shapes: B images, Q prompts, G groups, K classes, D embedding width.

Logits and probabilities are (B, Q), and what is computed here lies in memory as (Q, B): a softmax over a few options
is 8 times as fast if the images of each option lie side by side. `.T` of it costs nothing.
"""

from typing import TYPE_CHECKING

import torch

from treegen.errors import ProblemsError
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from torch import Tensor


def similarity_logits(image_features: "Tensor", text_features: "Tensor", logit_scale: float) -> "Tensor":
    """Scaled cosine similarities.

    Args:
        image_features: (B, D), rows of length 1.
        text_features: (Q, D), rows of length 1.
        logit_scale: the model's own.

    Returns:
        (B, Q).
    """
    return ((logit_scale * text_features) @ image_features.T).T


def group_probabilities(logits: "Tensor", sizes: tuple[int, ...]) -> "Tensor":
    """Softmax within each group.

    Args:
        logits: (B, Q), the prompts of a group side by side.
        sizes: number of options of each group (G), each at least 1, sum Q.

    Returns:
        (B, Q) in 0 to 1; the probabilities of each group sum to 1.
    """
    columns = logits.T.clone(memory_format=torch.contiguous_format)
    share_columns(columns, sizes)
    return columns.T


def share_columns(columns: "Tensor", sizes: tuple[int, ...]) -> None:
    """Turns logits (Q, B) into probabilities, in place."""
    for group in torch.split(columns, list(sizes)):
        torch.softmax(group, 0, out=group)


def split_groups(columns: "Tensor", sizes: tuple[int, ...]) -> tuple["Tensor", ...]:
    """One view (..., O) for each group of a tensor (..., Q), in the order of the groups."""
    return torch.split(columns, list(sizes), dim=-1)


def rule_matrix(tree: Tree) -> "Tensor":
    """The rules as M (K, Q): 1 at the class's option; 1/len(options) over a group in which its answer is null.

    Raises:
        ProblemsError: an index is out of range.
    """
    starts, total = {}, 0
    for group in tree.groups:
        starts[group.name] = (total, len(group.options))
        total += len(group.options)
    ones, shared = list[int](), list[tuple[int, int, int]]()
    for row, rule in enumerate(tree.rules):
        given = dict(rule.answers)
        for name, (start, size) in starts.items():
            index = given.get(name)
            if index is None:
                shared.append((row, start, size))
            elif 0 <= index < size:
                ones.append(row * total + start + index)
            else:
                told = f"{rule.name!r} has option {index} in {name!r}, which has {size} options"
                raise ProblemsError(told, "`treegen check` lists all problems of the tree")
    matrix = torch.zeros(len(tree.rules), total)
    matrix.view(-1)[torch.tensor(ones, dtype=torch.long)] = 1  # one write for all: each costs microseconds
    for row, start, size in shared:
        matrix[row, start : start + size] = 1 / size
    return matrix


def class_scores(probabilities: "Tensor", matrix: "Tensor") -> "Tensor":
    """The sum rule: S = p Mᵀ (B, K), in 0 to G.

    Source: Kittler et al. 1998, "On combining classifiers": of the fixed rules the sum suffers least from errors of
    the single estimates.
    """
    return probabilities @ matrix.T
