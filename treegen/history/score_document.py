"""The score document as types: what every score has, and what only one with an evaluation of the test split has.

The keys of the test split are not keys of `Score` at all: mypy names every reader that takes them for granted. The
format itself is `schemas/score.schema.json`.
"""

from typing import Any, NotRequired, TypedDict, cast


class Share(TypedDict):
    """A share of n images, 0 to 1, with its 95 % interval."""

    n: int
    correct: int
    accuracy: float
    interval: list[float]


class Accuracy(Share):
    """How often a tree is right; the recall is `None` without images."""

    mean_per_class_recall: float | None


class Baseline(Accuracy):
    """Classification by class name alone."""

    name_template: str


class Spread(TypedDict):
    """A mean over seeds, and the range that holds the middle 95 % of them."""

    n: int
    seeds: int
    accuracy: float
    interval: list[float]


class Shuffled(Spread):
    """A spread with the p-value of the permutation test."""

    p: float


class Chance(TypedDict):
    """A class drawn at random."""

    n: int
    accuracy: float
    interval: list[float]


class ShuffledControls(TypedDict):
    """What chance gives, and rules permuted across classes; scores of earlier versions know fewer ways."""

    chance: Chance
    shuffled_rules: Shuffled
    shuffled_columns: NotRequired[Shuffled]


class Controls(ShuffledControls):
    """What the same images give without the tree's knowledge."""

    random_words: Spread


class Paired(TypedDict):
    """McNemar's test of two predictions on the same images; of images in clusters, the sign-flip test of these.

    `clusters` differ, and `standard_error` is that of the difference, 0 to 1.
    """

    wins: int
    losses: int
    difference: float
    p: float
    clusters: NotRequired[int]
    standard_error: NotRequired[float]


class Resampled(TypedDict):
    """A difference of mean per-class recalls with its bootstrap interval, or the reason why there is none."""

    difference: float
    interval: list[float] | None
    resamples: int
    reason: NotRequired[str]


class AgainstOthers(TypedDict):
    """The tree against the name baseline, and against its parent revision if it has one."""

    baseline: Paired
    parent: Paired | None


class RecallAgainstOthers(TypedDict):
    """The same for mean per-class recall."""

    baseline: Resampled
    parent: Resampled | None


class Effect(TypedDict):
    """The smallest difference that so many images could show; `None` if they could show none."""

    difference: float | None
    discordant: float
    alpha: float
    power: float


class Findings(TypedDict):
    """Where a tree goes wrong. Older scores have neither cost nor advice."""

    classes: list[dict[str, Any]]
    groups: list[dict[str, Any]]
    confused: list[dict[str, Any]]
    cost: NotRequired[dict[str, int]]
    advice: NotRequired[list[dict[str, Any]]]


class Fit(TypedDict):
    """The best score below which an image is said to fit no class."""

    least: float
    share: float
    n: int


class SetCoverage(Share):
    """How often prediction sets have the true class, with their mean size, and how many are empty."""

    level: float
    size: float
    empty: int
    own: int


class Calibrated(TypedDict):
    """Whether a tree is right as often as its probabilities say; not there if its scores are no probabilities."""

    calibration: NotRequired[dict[str, Any]]


class DoubtfulLabel(TypedDict):
    """A dev image whose answers contradict its label in every group."""

    path: str
    label: str
    looks_like: str
    groups: int
    agreeing: int


class Luck(TypedDict):
    """The evaluations of the dev split that the tree was chosen by, and what they would gain by luck alone."""

    evaluations: int
    tried: int
    first: float
    gain: float
    expected: float
    corrected: float
    standard_error: NotRequired[float]


class LookRecall(TypedDict):
    """The images of one look of a class, as the image set names it, and how many of them have the right class."""

    name: str
    look: str
    n: int
    recall: float
    interval: list[float]


class Diagnosis(Accuracy, Findings, Calibrated):
    """The dev split: all that feedback and language models may see."""

    luck: NotRequired[Luck]

    fit: NotRequired[Fit | None]
    label_errors: NotRequired[list[DoubtfulLabel]]
    looks: NotRequired[list[LookRecall]]


class ScoredBy(TypedDict):
    """The encoder of a score."""

    name: str
    fingerprint: str
    logit_scale: float
    precision: str
    device: str
    logit_scale_assumed: NotRequired[bool]


class Split(TypedDict):
    """How the images were split, with a digest of both splits; scores of earlier versions lack it."""

    dev: float
    seed: int
    by: NotRequired[str]
    digest: NotRequired[str]


class LeftOutFiles(TypedDict):
    """Picture files left out for one reason."""

    reason: str
    count: int
    paths: list[str]


class FileCounts(TypedDict):
    """Counts of the picture files of a set: each was read, or left out."""

    found: int
    read: int
    left_out: list[LeftOutFiles]


class ImageFiles(FileCounts):
    """The same, with the folder that holds them."""

    below: str


class ClusterCounts(TypedDict):
    """How many clusters the images of each split come from, if the set says so."""

    clusters: NotRequired[dict[str, int]]


class ScoredImages(ClusterCounts):
    """The images of a score. Older scores do not count files."""

    digest: str
    test: int
    dev: int
    split: Split
    classes_without_images: list[str]
    skipped: list[dict[str, str]]
    files: NotRequired[ImageFiles]


class Comparison(TypedDict):
    """Decision rules that were compared on one tree."""

    chosen: str
    first: str
    folds: int
    entries: list[dict[str, Any]]
    abstaining: list[dict[str, Any]]


class Comparisons(TypedDict):
    """Sections that compare the tree with others on the test split."""

    mcnemar: AgainstOthers
    recall_difference: NotRequired[RecallAgainstOthers]
    minimum_detectable_effect: Effect


class TestSplit(Comparisons, Calibrated):
    """What a score says of the test split."""

    test: Accuracy
    baseline: Baseline
    controls: Controls
    sets: NotRequired[SetCoverage]


Score = TypedDict(
    "Score",
    {
        "$schema": str,
        "domain": str,
        "tree": str,
        "encoder": ScoredBy,
        "decision_rule": str,
        "decision_parameters": NotRequired[dict[str, float]],
        "compute": NotRequired[dict[str, Any]],
        "images": ScoredImages,
        "dev": Diagnosis,
        "rules": NotRequired[Comparison],
    },
)


class TestedScore(Score, TestSplit):
    """A score that includes an evaluation of the test split."""

    test_looks: NotRequired[int]


def as_tested(score: Score | None) -> TestedScore | None:
    """Return the score if it evaluated the test split, else `None`: it may be sealed, or only dev was requested."""
    return cast(TestedScore, score) if score is not None and "test" in score else None
