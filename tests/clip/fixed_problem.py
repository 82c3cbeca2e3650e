"""A small problem with recorded results, and everything that is computed from the features of its images."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from treegen.clip import scoring
from treegen.clip.decisions import RULES, FittedRule, RuleInputs, fit
from treegen.clip.decisions.comparing import compare_rules
from treegen.clip.diagnosis.diagnose import diagnose
from treegen.clip.diagnosis.mistakes import find_mistakes
from treegen.clip.metrics.controls import permute_columns, shuffled_controls
from treegen.clip.preview import PreviewContext, preview
from treegen.clip.streaming import in_chunks, predict
from treegen.history.score_document import Findings, ShuffledControls
from treegen.images import LabelledImage
from treegen.tree.changes import Change, GroupsReordered, OptionRenamed, PromptChanged, RuleChanged
from treegen.tree.model import ClassRule, Group, Tree

DATA = Path(__file__).parents[1] / "data" / "arrays"
CLASSES = ("Abrosk", "Wendle", "Corvane", "Ilmet", "Quill", "Tamber")
SCALE, WIDTH, DEV, TEST = 12.0, 16, 70, 60
Convert = Callable[[np.ndarray], Any]

TREE = Tree(
    domain="notebook",
    groups=(
        Group(name="colour", prompt="It is mainly {}.", options=("red", "green", "blue", "white")),
        Group(name="size", prompt="It is {}.", options=("small", "large")),
        Group(name="place", prompt="It sits in {}.", options=("a tree", "the water", "a cave")),
        Group(name="shape", prompt="It is {} shaped.", options=("ball", "snake", "star", "egg", "cube")),
    ),
    rules=tuple(
        ClassRule(name=name, answers=tuple(zip(("colour", "size", "place", "shape"), answers, strict=True)))
        for name, answers in (
            ("Quill", (2, None, 0, 4)),
            ("Abrosk", (0, 1, 2, 0)),
            ("Ilmet", (3, 1, 0, None)),
            ("Wendle", (1, 0, 1, 1)),
            ("Corvane", (0, 0, None, 2)),
            ("Tamber", (1, 0, 1, 3)),
        )
    ),
)
CHANGES: tuple[tuple[Change, ...], ...] = (
    (RuleChanged(class_name="Wendle", group="colour", old="green", new="white"),),
    (RuleChanged(class_name="Quill", group="size", old=None, new="small"),),
    (OptionRenamed(group="place", old="a cave", new="deep snow"),),
    (PromptChanged(group="size", old="It is {}.", new="This thing looks {}."),),
    (GroupsReordered(old=("colour", "size", "place", "shape"), new=("shape", "colour", "size", "place")),),
    (RuleChanged(class_name="Wendle", group="shape", old="snake", new="egg"),),  # as Tamber: a tree with an error
)
TEXTS = (*TREE.prompts(), "It sits in deep snow.", "This thing looks small.", "This thing looks large.")


@dataclass(frozen=True, kw_only=True)
class Problem:
    """Features of images (B, D), of texts and of class names (K, D), float32 and of length 1, and the true classes."""

    dev: Any
    test: Any
    texts: Any
    names: Any
    dev_labels: list[int]
    test_labels: list[int]


def drawn_problem() -> Problem:
    """Images that look a little as the rules say."""
    draw = np.random.default_rng(5)
    texts, names = draw.standard_normal((len(TEXTS), WIDTH)), draw.standard_normal((len(CLASSES), WIDTH))
    matrix = np.asarray(scoring.rule_matrix(TREE))[[TREE.classes.index(name) for name in CLASSES]]
    means = matrix @ texts[: matrix.shape[1]] + 0.7 * names
    labels = [Random(1).choices(range(len(CLASSES)), k=DEV), Random(2).choices(range(len(CLASSES)), k=TEST)]
    images = [means[own] + 3.5 * draw.standard_normal((len(own), WIDTH)) for own in labels]
    dev, test, texts, names = (
        (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32) for rows in (*images, texts, names)
    )
    return Problem(dev=dev, test=test, texts=texts, names=names, dev_labels=labels[0], test_labels=labels[1])


def problem_as(convert: Convert) -> Problem:
    """The recorded problem with its arrays as another library has them."""
    with np.load(DATA / "problem.npz") as kept:
        arrays = {name: convert(kept[name]) for name in ("dev", "test", "texts", "names")}
        return Problem(**arrays, dev_labels=kept["dev_labels"].tolist(), test_labels=kept["test_labels"].tolist())


def evidence_of(problem: Problem, features: Any, matrix: Any) -> RuleInputs:
    sizes = tuple(len(group.options) for group in TREE.groups)
    logits = scoring.similarity_logits(features, problem.texts[: sum(sizes)], SCALE)
    return RuleInputs(
        logits=logits,
        probabilities=scoring.group_probabilities(logits, sizes),
        matrix=matrix,
        groups=tuple(group.name for group in TREE.groups),
        sizes=sizes,
        names=scoring.similarity_logits(features, problem.names, SCALE),
    )


#: rules that there were when the numbers were recorded
_RECORDED = {name: rule for name, rule in RULES.items() if name != "bayes"}


def results(problem: Problem, convert: Convert) -> dict[str, Any]:
    """All that scoring makes of the problem: plain data and arrays, by name."""
    rows = [TREE.classes.index(name) for name in CLASSES]
    matrix = convert(np.asarray(scoring.rule_matrix(TREE))[rows])
    dev, test = (evidence_of(problem, features, matrix) for features in (problem.dev, problem.test))
    found: dict[str, Any] = {"logits": dev.logits, "probabilities": dev.probabilities, "expected": dev.expected()}
    fitted = {name: fit(rule, dev, problem.dev_labels) for name, rule in _RECORDED.items()}
    for name, decision in fitted.items():
        found[f"parameters {name}"] = dict(decision.parameters)
        found[f"scores {name}"] = decision.scores(test)
        found[f"diagnosis {name}"] = _diagnosis(problem, decision, dev)
        found[f"controls {name}"] = _controls(problem, decision, test, convert)
    for sealed in (False, True):
        chosen, section = compare_rules(
            list(_RECORDED.values()), (dev, problem.dev_labels), None if sealed else (test, problem.test_labels)
        )
        found[f"rules sealed={sealed}"] = {**section, "words": chosen.words}
    found["permuted"] = permute_columns(matrix, dev.sizes, 3)
    found["streamed"] = predict(
        in_chunks(problem.test), TEST, problem.texts[: sum(dev.sizes)], dev.sizes, matrix, SCALE
    )
    for name in ("mean", "vote"):
        found[f"previews {name}"] = _previews(problem, convert, None if name == "mean" else fitted[name])
    found["mistakes"] = _mistakes(problem, fitted["mean"], dev, matrix)
    return found


def _predictions(decision: FittedRule, evidence: RuleInputs) -> tuple[int, ...]:
    return tuple(decision.scores(evidence).argmax(1).tolist())


def _diagnosis(problem: Problem, decision: FittedRule, dev: RuleInputs) -> Findings:
    predictions = _predictions(decision, dev)
    return diagnose(TREE, CLASSES, problem.dev_labels, predictions, dev.probabilities, evidence=dev, decision=decision)


def _controls(problem: Problem, decision: FittedRule, test: RuleInputs, convert: Convert) -> ShuffledControls:
    def some(rows: Sequence[int]) -> RuleInputs:
        return test.take(convert(np.array(rows)))

    predictions = _predictions(decision, test)
    return shuffled_controls(decision, test.matrix, problem.test_labels, predictions, some)


def _previews(problem: Problem, convert: Convert, decision: FittedRule | None) -> list[dict[str, Any]]:
    places = {text: number for number, text in enumerate(TEXTS)}

    def embed(texts: Sequence[str]) -> Any:
        return problem.texts[[places[text] for text in texts]]

    def ask(question: Sequence[str]) -> Any:
        logits = scoring.similarity_logits(problem.dev, embed(question), SCALE)
        return scoring.group_probabilities(logits, (len(question),)).T

    def answer(tree: Tree) -> Any:
        sizes = tuple(len(group.options) for group in tree.groups)
        logits = scoring.similarity_logits(problem.dev, embed(tree.prompts()), SCALE)
        matrix = convert(np.asarray(scoring.rule_matrix(tree))[[tree.classes.index(name) for name in CLASSES]])
        evidence = RuleInputs(
            logits=logits,
            probabilities=scoring.group_probabilities(logits, sizes),
            matrix=matrix,
            groups=tuple(group.name for group in tree.groups),
            sizes=sizes,
        )
        assert decision is not None
        return decision.scores(evidence).argmax(1)

    def obstacle(tree: Tree, valid: Tree | None) -> str:
        return "twins" if tree.word(tree.rules[3], "shape") == "egg" else ""

    ground = PreviewContext(
        labels=tuple(problem.dev_labels),
        classes=CLASSES,
        embed=embed,
        ask=ask,
        obstacle=obstacle,
        progress=lambda *_: None,
        predict=answer if decision else None,
    )
    return [{**_without_test(asdict(each)), "p": each.p} for each in preview(ground, TREE, CHANGES)]


def _without_test(preview: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in preview.items() if key != "test"}


def _mistakes(problem: Problem, decision: FittedRule, dev: RuleInputs, matrix: Any) -> list[dict[str, Any]]:
    images = [LabelledImage(path=Path("x"), digest=str(b), label=t) for b, t in enumerate(problem.dev_labels)]
    predictions, scores = _predictions(decision, dev), decision.scores(dev)
    wrong = find_mistakes(TREE, CLASSES, images, problem.dev_labels, predictions, dev.probabilities, scores, matrix)
    return [{key: value for key, value in asdict(each).items() if key != "image"} for each in wrong]


def flattened(value: Any, name: str = "") -> Mapping[str, Any]:
    """Every number, text and truth value of nested data by its place."""
    if hasattr(value, "shape"):
        value = np.asarray(value).tolist()
    if isinstance(value, Mapping):
        parts = [flattened(inner, f"{name}/{key}") for key, inner in value.items()]
    elif isinstance(value, list | tuple):
        parts = [{f"{name}/n": len(value)}, *(flattened(inner, f"{name}/{i}") for i, inner in enumerate(value))]
    else:
        return {name: value}
    return {key: inner for part in parts for key, inner in part.items()}
