"""Accuracy against the number of questions that CLIP is asked about each image."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.workflow.workspace import Workspace, split_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.decisions import RuleInputs
    from treegen.clip.metrics.statistics import Indices
    from treegen.clip.questions import AnswerModel, Simulation
    from treegen.clip.questions.simulation import Order

ORDERS: Final[tuple["Order", ...]] = ("gain", "fixed", "random")
TARGETS: Final = (0.2, 0.1, 0.05)  # accepted share of wrong predictions among the images that stop


@dataclass(frozen=True, slots=True, kw_only=True)
class AccuracyAfter:
    """The share of images that are right after so many questions, with its interval, all in 0 to 1."""

    questions: int
    accuracy: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopping:
    """What stopping early costs.

    Attributes:
        target: accepted share of wrong predictions among the images that stop.
        threshold: probability of the predicted class, fitted on dev for the target.
        questions: mean number of questions.
        after: accuracy over all images, those that never reach the threshold included.
    """

    target: float
    threshold: float
    questions: float
    after: AccuracyAfter


@dataclass(frozen=True, slots=True, kw_only=True)
class AdaptiveScore:
    """Accuracy by number of questions for each order, and what stopping early gives, on one split of n images."""

    split: str
    n: int
    orders: dict[str, tuple[AccuracyAfter, ...]]
    stops: tuple[Stopping, ...]


def score_adaptive(workspace: Workspace, *, sealed: bool | None = None) -> AdaptiveScore:
    """Ask CLIP the questions of a tree one at a time, and predict by the rule `bayes` after each.

    The order by information gain, the tree's own and a random one are compared. The rule and the thresholds are fitted
    on dev. The evaluation of the test split is recorded like every other.

    Args:
        workspace: names tree, domain and encoder.
        sealed: use the dev split only, where the figures are optimistic; defaults to the domain's [split].

    Raises:
        InputError: there are no images.
        ProblemsError: the tree has errors.
        ModelError: the encoder cannot be loaded.
    """
    tree, _ = workspace.load()
    dev_only = workspace.domain.split.sealed if sealed is None else sealed
    return workspace.run(lambda: _score(workspace, tree, "dev" if dev_only else "test"))


def _score(workspace: Workspace, tree: Tree, split: str) -> AdaptiveScore:
    import numpy as np

    from treegen.clip.questions import fit_stop

    data, dev = workspace.evaluator.splits[split], workspace.evaluator.splits["dev"]
    fitted = _simulations(workspace, tree, "dev", ("gain",))["gain"]
    simulations = _simulations(workspace, tree, split, ORDERS)
    labels = np.asarray(data.labels)
    if split == "test":
        _record(workspace, tree)
    stops = []
    for target in TARGETS:
        threshold = fit_stop(fitted, np.asarray(dev.labels), target).threshold
        stops.append(_stopping(simulations["gain"], labels, data.clusters, target, threshold))
    return AdaptiveScore(
        split=split,
        n=len(labels),
        orders={order: _curve(simulation, labels, data.clusters) for order, simulation in simulations.items()},
        stops=tuple(stops),
    )


def _simulations(workspace: Workspace, tree: Tree, split: str, orders: tuple["Order", ...]) -> dict[str, "Simulation"]:
    """Ask about every image of a split, in each order."""
    import numpy as np

    from treegen.clip.arrays import to_numpy
    from treegen.clip.decisions.bayes import log_priors
    from treegen.clip.questions import simulate
    from treegen.clip.scoring import spans

    evaluator = workspace.evaluator
    evidence, parameters = evaluator.bayes_inputs(tree, evaluator.features(tree, split))
    model, exponent = _answer_model(evidence, parameters), float(parameters["exponent"])
    probabilities, starts = to_numpy(evidence.probabilities).astype(np.float64), list(spans(evidence.sizes))

    def answers(group: int, rows: "NDArray[np.intp]") -> "NDArray[np.float64]":
        start, end = starts[group]
        seen = probabilities[rows, start:end] @ model.likelihood[:, start:end].T
        return exponent * np.log(np.maximum(seen, 1e-12))

    priors = np.tile(np.exp(log_priors(evidence, parameters)), (len(probabilities), 1))
    return {order: simulate(model, priors, answers, order) for order in orders}


def _answer_model(evidence: "RuleInputs", parameters: dict[str, float]) -> "AnswerModel":
    """Return how probable each of CLIP's answers is for each class, by its confusions on dev."""
    from treegen.clip.arrays import to_numpy
    from treegen.clip.decisions.bayes import answer_rows, likelihoods
    from treegen.clip.questions import AnswerModel

    table = to_numpy(answer_rows(evidence)) @ likelihoods(evidence, parameters)
    return AnswerModel(table, evidence.sizes, evidence.looks)


def _curve(
    simulation: "Simulation", labels: "NDArray[np.intp]", clusters: "Indices | None"
) -> tuple[AccuracyAfter, ...]:
    right = simulation.predictions == labels[:, None]
    return tuple(_accuracy(questions, column, clusters) for questions, column in enumerate(right.T))


def _accuracy(questions: int, right: "NDArray[np.bool_]", clusters: "Indices | None") -> AccuracyAfter:
    from treegen.clip.metrics.accuracy import share_right

    share = share_right(right, clusters)
    low, high = share["interval"]
    return AccuracyAfter(questions=questions, accuracy=share["accuracy"], interval=(low, high))


def _stopping(
    simulation: "Simulation",
    labels: "NDArray[np.intp]",
    clusters: "Indices | None",
    target: float,
    threshold: float,
) -> Stopping:
    import numpy as np

    asked = simulation.questions_until(threshold)
    right = simulation.predictions[np.arange(len(labels)), asked] == labels
    questions = float(asked.mean())
    after = _accuracy(round(questions), right, clusters)
    return Stopping(target=target, threshold=threshold, questions=questions, after=after)


def _record(workspace: Workspace, tree: Tree) -> None:
    evaluator, compute = workspace.evaluator, workspace.domain.compute
    name = "bayes, question by question" + ("" if compute.plain else f", compute {compute.words}")
    workspace.store.record_evaluations(
        evaluator.images.digest,
        split_settings(workspace.domain.split),
        [(digest_of(tree), evaluator.encoder.fingerprint, name)],
        {image.digest for image in evaluator.splits["test"].images},
    )
