"""Controls: what the same images give without the tree's knowledge."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import islice
from random import Random
from typing import TYPE_CHECKING, Final

import numpy as np

from treegen.clip.arrays import Array, like, namespace, to_numpy
from treegen.clip.metrics.accuracy import permutation_p, spread
from treegen.clip.metrics.statistics import shuffled_accuracies, wilson_interval
from treegen.clip.scoring import class_means
from treegen.history.score_document import ShuffledControls
from treegen.tree.model import Tree

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from treegen.clip.decisions import FittedRule, RuleInputs

SHUFFLES: Final = 200
#: B·Q·K up to which every column shuffle uses all images, else a sample (200 matrix products: 0.03 s)
_WORK: Final = 4 * 10**6
_TOGETHER: Final = 20  # shuffles computed together

#: everyday words that do not name a colour, shape, animal, body part, size or place
WORDS: Final = tuple(
    """
    afternoon agreement answer argument balance bargain beginning benefit budget business calendar career chance
    chapter choice comfort command comment company concept contract courage credit culture custom debate decade
    decision degree delay demand design detail discount doubt duty economy effort election energy engine error
    event evidence example excuse export fact failure fashion favour fiction finance freedom friendship function
    future grammar guess habit history holiday honour hour humour idea import income industry insurance interest
    interview invoice journal journey justice knowledge language lecture lesson library licence logic loyalty
    luck management manner market marriage measure memory mercy message method minute mistake mood moment month
    music mystery nation notice number occasion offer opinion option order origin patience payment peace pension
    permission philosophy policy politics practice prayer price pride problem process profit programme progress
    promise proposal purpose quality quarrel question reason rebate receipt recipe record reform regret
    rehearsal remedy reply report request respect result reward rhythm rumour salary sample schedule science
    season secret sequel service session silence skill society speech statement strategy subject success summary
    surprise syllable system talent tariff tax teamwork theory thought timetable topic tradition traffic trial
    trust tuition union vacancy version victory visit vocabulary vote wage warranty week welfare wisdom witness
    worry year
    """.split()
)


def with_random_words(tree: Tree, seed: int) -> Tree:
    """Replace every option by a random word, different ones within a group.

    The word depends only on the seed, the group's name and the option's index: after an edit of one
    group all other groups keep their words, so their embeddings come from the cache.
    """
    groups = (replace(g, options=_random_words(seed, g.name, len(g.options))) for g in tree.groups)
    return replace(tree, groups=tuple(groups))


@lru_cache(maxsize=10_000)
def _random_words(seed: int, group: str, count: int) -> tuple[str, ...]:
    words = list(WORDS)
    Random(f"{seed}/{group}").shuffle(words)
    rounds = range(-(-count // len(words)))
    return tuple([word if r == 0 else f"{word} {words[r]}" for r in rounds for word in words][:count])


def shuffled_controls(
    decision: "FittedRule",
    matrix: Array,
    labels: Sequence[int],
    predictions: Sequence[int],
    evidence: Callable[[Sequence[int]], "RuleInputs"],
) -> ShuffledControls:
    """Return chance, and accuracies with rules permuted across classes: whole, and per group independently.

    Args:
        decision: the rule that made the predictions.
        matrix: the rules (K, Q), or a row for each look.
        labels: true class of each image (B).
        predictions: predicted class of each.
        evidence: returns the inputs of the images with these indices; all images are requested only for a rule that
            uses names.
    """
    n, count, true = len(labels), len(matrix), np.asarray(labels)
    rows = sample(n, max(count, _WORK // (count * matrix.shape[1])))
    inputs, true_labels, predicted = evidence(rows), true[rows], np.asarray(predictions)[rows]
    k = inputs.class_count
    if decision.rule.uses_names:  # names stay with their classes, so predictions do not move with the rules
        everything = evidence(range(n))
        permuted = (replace(everything, matrix=matrix[_rule_permutation(count, seed)]) for seed in range(SHUFFLES))
        shuffled = [_accuracy(decision, each, true) for each in permuted]
    else:
        shuffled = shuffled_accuracies(labels, predictions, k, SHUFFLES)
    permuted_columns = (permute_columns(matrix, inputs.sizes, seed) for seed in range(SHUFFLES))
    if decision.rule.name == "mean" and inputs.looks is None:
        columns = _mean_accuracies(inputs.probabilities, permuted_columns, true_labels)
    else:
        columns = [_accuracy(decision, replace(inputs, matrix=each), true_labels) for each in permuted_columns]
    return {
        "chance": {"n": n, "accuracy": 1 / k, "interval": list(wilson_interval(n / k, n))},
        "shuffled_rules": {**spread(n, shuffled), "p": permutation_p(labels, predictions, shuffled)},
        "shuffled_columns": {**spread(len(rows), columns), "p": permutation_p(true_labels, predicted, columns)},
    }


def sample(n: int, most: int) -> list[int]:
    """Return at most `most` of n indices, sampled with a seed, in order; all if there are no more."""
    return list(range(n)) if n <= most else sorted(Random(0).sample(range(n), most))


def _rule_permutation(classes: int, seed: int) -> list[int]:
    """Return for each class the index of the rule it gets, as in `shuffled_accuracies`."""
    owner = list(range(classes))
    Random(seed).shuffle(owner)
    rows = [0] * classes
    for rule, holder in enumerate(owner):
        rows[holder] = rule
    return rows


def permute_columns(matrix: Array, sizes: Sequence[int], seed: int) -> Array:
    """Permute each group's answers across classes in the rule matrix (K, Q), independently per group.

    Every group keeps its distribution of answers; lost is which answers belong together, and to which class. Unlike
    permuting whole rules, this creates rules that no class had, so its mean need not be chance.
    """
    rows = np.repeat(_orders(len(matrix), len(sizes), seed), sizes, axis=1)  # (K, Q)
    return like(np.take_along_axis(to_numpy(matrix), rows, 0), matrix)


@lru_cache(maxsize=2 * SHUFFLES)
def _orders(classes: int, groups: int, seed: int) -> "NDArray[np.int64]":
    """Return (K, G): for each group the class whose answer each class gets; the same for every tree of these sizes."""
    order = np.tile(np.arange(classes), (groups, 1))
    return np.random.default_rng(seed).permuted(order, axis=1).T.copy()


def _mean_accuracies(probabilities: Array, matrices: Iterator[Array], labels: "NDArray[np.int64]") -> list[float]:
    """Return `_accuracy` of each matrix (K, Q) under the mean rule; batched, which halves the time."""
    accuracies, columns = list[float](), probabilities.T
    while part := list(islice(matrices, _TOGETHER)):
        rows = namespace(columns).concat(part)
        scores = to_numpy(class_means(columns.T, rows).T).reshape(len(part), -1, len(labels))
        right = (scores.argmax(1) == labels).sum(1)
        accuracies += (right / len(labels)).tolist()
    return accuracies


def _accuracy(decision: "FittedRule", evidence: "RuleInputs", labels: "NDArray[np.int64]") -> float:
    accuracies = to_numpy(decision.scores(evidence)).argmax(1)
    return int((accuracies == labels).sum()) / len(labels)  # exactly as for the tree itself
