"""Compare settings of more computation at inference on one tree: choose on the dev split, report on the test split."""

import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from treegen.config.settings import ComputeSettings
from treegen.config.toml_editing import write_table
from treegen.errors import InputError
from treegen.extras import MissingExtraError
from treegen.images import open_picture
from treegen.text import did_you_mean
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.workflow.luck import record_compute
from treegen.workflow.workspace import Workspace, split_settings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.evaluator import Evaluator

_JOINS: Final[tuple[Literal["embeddings", "probabilities", "vote"], ...]] = ("embeddings", "probabilities", "vote")
#: Settings in the order of their cost; of equally good ones the first is chosen.
SETTINGS: Final[tuple[ComputeSettings, ...]] = (
    ComputeSettings(),
    *(ComputeSettings(views=4, join=join) for join in _JOINS),
    ComputeSettings(views=4, adapt="prompt"),
    *(ComputeSettings(views=16, join=join) for join in _JOINS),
    ComputeSettings(views=16, adapt="prompt"),
    ComputeSettings(views=4, adapt="lora"),
)
_WORDS: Final = re.compile(r"(4|16)/(embeddings|probabilities|vote)(?:\+(prompt|lora))?")
WORSE: Final = 0.01  # a calibration error that is higher by more is reported
_SAMPLE: Final = 16  # images that are timed
_SIGNIFICANT: Final = 0.05
_SCALES: Final = (0.01, 10_000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeComparison:
    """Settings that were compared.

    Attributes:
        document: as `--json` prints it.
        chosen: the setting that pays on the dev split; one view if none does.
        parameters: what the domain's decision rule learnt with it; empty if it learns nothing.
    """

    document: dict[str, Any]
    chosen: ComputeSettings
    parameters: dict[str, float]


def settings_named(names: str) -> tuple[ComputeSettings, ...]:
    """Return the settings of a list such as `4/embeddings,16/vote`, or `all`. One view is always included, and first.

    Raises:
        InputError: there is no setting with that name.
    """
    if names.strip() == "all":
        return SETTINGS
    found = [ComputeSettings()]
    for name in filter(None, (each.strip() for each in names.split(","))):
        match = _WORDS.fullmatch(name)
        if match:
            views, join, adapt = match.groups()
            found.append(ComputeSettings(views=int(views), join=join, adapt=adapt or "none"))  # type: ignore[arg-type]
        elif name != "plain":
            known = [settings.words for settings in SETTINGS]
            message = f"there is no compute setting {name}{did_you_mean(name, known)}"
            raise InputError(message, f"all, or some of {', '.join(known)}")
    return tuple(dict.fromkeys(found))


def compare_compute(
    workspace: Workspace, settings: Sequence[ComputeSettings], *, sealed: bool | None = None
) -> ComputeComparison:
    """Judge a tree and the name baseline with each setting.

    A setting is chosen if it is right on more images of the dev split than one view, McNemar's p corrected by Holm
    below .05; of several the one with the highest accuracy. A decision rule that learns is cross-validated there. Every
    evaluation of the test split is recorded.

    Args:
        workspace: names tree, domain and encoder.
        settings: the first is the one the others are compared with.
        sealed: use the dev split only; defaults to the domain's [split].

    Raises:
        InputError: there are no images.
        ProblemsError: the tree has errors.
        ModelError: the encoder cannot be loaded, or fails.
    """
    tree, _ = workspace.load()
    dev_only = workspace.domain.split.sealed if sealed is None else sealed
    return workspace.run(lambda: _compare(workspace, tree, settings, ("dev",) if dev_only else ("dev", "test")))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answers:
    """What one setting says of the images of a split (B): names, labels, predictions and how sure they are, 0 to 1.

    `clusters` are those of the images, if the set names any.
    """

    names: tuple[tuple[str, str], ...]
    labels: "NDArray[np.int64]"
    predictions: "NDArray[np.int64]"
    clusters: tuple[int, ...] | None
    confidences: "NDArray[np.float64]"

    def only(self, names: frozenset[tuple[str, str]]) -> "_Answers":
        """Return the answers on some images; a setting may fail on pictures that another can embed."""
        rows = [row for row, name in enumerate(self.names) if name in names]
        return _Answers(
            names=tuple(self.names[row] for row in rows),
            labels=self.labels[rows],
            predictions=self.predictions[rows],
            clusters=None if self.clusters is None else tuple(self.clusters[row] for row in rows),
            confidences=self.confidences[rows],
        )


def _compare(
    workspace: Workspace, tree: Tree, settings: Sequence[ComputeSettings], splits: Sequence[str]
) -> ComputeComparison:
    rows: list[dict[str, Any]] = []
    answers: dict[tuple[str, str], list[_Answers]] = {}  # by subject and split, one for each row
    parameters: list[dict[str, float]] = []
    scale: float | None = None
    for number, each in enumerate(settings, 1):
        obstacle = _obstacle(workspace, each)
        if obstacle:
            rows.append({**_cost(each), "unavailable": obstacle})
            continue
        evaluator = workspace.evaluator_with(replace(each, exclude=workspace.domain.compute.exclude))
        scale = _confidence_scale(evaluator, tree) if scale is None else scale
        for key, found in _answers_of(evaluator, tree, splits, scale):
            answers.setdefault(key, []).append(found)
        parameters.append(dict(evaluator.decide(tree).parameters))
        rows.append({**_cost(each), "seconds": _seconds(evaluator, tree)})
        if "test" in splits:
            _record(workspace, evaluator, tree)
        workspace.progress("comparing compute settings", number, len(settings))
    available = [row for row in rows if "unavailable" not in row]
    for (subject, split), each_setting in answers.items():
        for row, section in zip(available, _sections(each_setting), strict=True):
            row.setdefault(subject, {})[split] = section
    record_compute(workspace, tree, available)
    best = _best([row["tree"]["dev"] for row in available])
    chosen = next(each for each in settings if each.words == available[best]["setting"])
    right = [row["tree"]["dev"]["correct"] for row in available]
    document = {
        "chosen": chosen.words,
        "highest": available[right.index(max(right))]["setting"],
        "first": settings[0].words,
        "worse": WORSE,
        "entries": rows,
    }
    return ComputeComparison(document=document, chosen=chosen, parameters=parameters[best])


def _obstacle(workspace: Workspace, settings: ComputeSettings) -> str:
    """Return why a setting cannot be used with the encoder; empty if it can."""
    from treegen.clip.compute.adapting import ImageAdapter

    if settings.adapt != "lora":
        return ""
    try:
        ImageAdapter(workspace.encoder)
    except MissingExtraError as error:
        return f"{error.message}: {error.tip}"
    except InputError as error:
        return error.message
    return ""


def _cost(settings: ComputeSettings) -> dict[str, Any]:
    """Return the name of a setting with the passes of one image through the image tower."""
    from treegen.clip.compute.adapting import STEPS

    trained = settings.views * STEPS if settings.adapt == "lora" else 0
    return {"setting": settings.words, "forward_passes": settings.views + trained, "backward_passes": trained}


def _answers_of(
    evaluator: "Evaluator", tree: Tree, splits: Sequence[str], scale: float
) -> "Iterator[tuple[tuple[str, str], _Answers]]":
    """Yield the answers of the tree and of the class names on each split."""
    import numpy as np

    from treegen.clip.arrays import softmax, to_numpy

    probabilities = evaluator.decide(tree).rule.probabilities
    for split in splits:
        data = evaluator.splits[split]
        if split == "dev":
            scores = evaluator.held_out_scores(tree)
        else:
            scores = to_numpy(evaluator.answer(tree, evaluator.features(tree, split)).scores)
        exact = scores.astype(np.float64)
        by_name = to_numpy(evaluator.baseline_logits(split)).astype(np.float64)
        for subject, values in (
            ("tree", exact if probabilities else softmax(scale * exact, 1)),
            ("names", softmax(by_name, 1)),
        ):
            yield (
                (subject, split),
                _Answers(
                    names=tuple((str(image.path), image.member) for image in data.images),
                    labels=np.asarray(data.labels),
                    predictions=(exact if subject == "tree" else by_name).argmax(1),
                    clusters=data.clusters,
                    confidences=values.max(1),
                ),
            )


def _confidence_scale(evaluator: "Evaluator", tree: Tree) -> float:
    """Return the factor by which the softmax of the tree's scores fits the dev split best, with one view.

    It is the same for all settings, so that training which makes a model too sure of itself shows.
    """
    import numpy as np

    from treegen.clip.decisions.learnt import likely_factor

    scores = evaluator.held_out_scores(tree).astype(np.float64)
    return likely_factor([(scores.T, np.asarray(evaluator.splits["dev"].labels))], *_SCALES)


def _seconds(evaluator: "Evaluator", tree: Tree) -> float | None:
    """Return the seconds from the file of an image to the tree's answers, by a few dev images; `None` for a service."""
    images = evaluator.splits["dev"].images[:_SAMPLE]
    if evaluator.encoder.device == "remote":
        return None
    assert evaluator.domain.images is not None
    crop = evaluator.domain.images.crop
    evaluator.embed_pictures(tree, [open_picture(images[0], crop)], [images[0].digest])  # the model is loaded by now
    began = time.perf_counter()
    pictures = [open_picture(image, crop) for image in images]
    features = evaluator.embed_pictures(tree, pictures, [image.digest for image in images])
    evaluator.answer(tree, features)
    return (time.perf_counter() - began) / len(images)


def _sections(found: Sequence[_Answers]) -> list[dict[str, Any]]:
    """Return for each setting its accuracy, calibration error and the test against the first, on the common images."""
    from treegen.clip.metrics.accuracy import accuracy_of, paired
    from treegen.clip.metrics.calibration import calibration_of
    from treegen.clip.metrics.statistics import holm

    common = frozenset.intersection(*(frozenset(each.names) for each in found))
    aligned = [each.only(common) for each in found]
    first = aligned[0]
    tests = [paired(first.labels, each.predictions, first.predictions, first.clusters) for each in aligned[1:]]
    corrected = holm([each["p"] for each in tests])
    against = [None, *({**each, "p_holm": p} for each, p in zip(tests, corrected, strict=True))]
    return [
        {
            **accuracy_of(each.labels, each.predictions, each.clusters),
            "calibration_error": calibration_of(each.confidences, each.labels == each.predictions)["error"],
            "against": test,
        }
        for each, test in zip(aligned, against, strict=True)
    ]


def _best(sections: Sequence[Mapping[str, Any]]) -> int:
    """Return the place of the most accurate setting that is significantly above the first; 0 if none is."""
    paying = [
        place
        for place, section in enumerate(sections)
        if (test := section["against"]) and test["difference"] > 0 and test["p_holm"] < _SIGNIFICANT
    ]
    return max(paying, key=lambda place: (sections[place]["correct"], -place), default=0)


def _record(workspace: Workspace, evaluator: "Evaluator", tree: Tree) -> None:
    words = evaluator.words(evaluator.decide(tree))
    workspace.store.record_evaluations(
        evaluator.images.digest,
        split_settings(workspace.domain.split),
        [(digest_of(tree), evaluator.encoder.fingerprint, words)],
        {image.digest for image in evaluator.splits["test"].images},
    )


def freeze_compute(workspace: Workspace, comparison: ComputeComparison) -> str:
    """Write the setting that a comparison chose into the domain file; return its name.

    From then on scores, previews, labels and reports use it. A file without the table stays as it is if nothing pays.
    If the file has parameters of a decision rule, those that were learnt with this setting replace them.

    Args:
        workspace: its domain file is written.
        comparison: of `compare_compute`.

    Raises:
        InputError: a table of the file cannot be edited, or the file cannot be written.
    """
    from treegen.clip.compute.joining import compute_json
    from treegen.clip.decisions.bayes import PRIOR

    settings = replace(comparison.chosen, exclude=workspace.domain.compute.exclude)
    if settings == workspace.domain.compute:
        return settings.words
    values = compute_json(settings)
    if settings.plain:
        del values["join"]
    write_table(workspace.domain_path, "compute", values)
    decision = workspace.domain.decision
    if decision.parameters and comparison.parameters:
        learnt = {name: value for name, value in comparison.parameters.items() if not name.startswith(PRIOR)}
        kept = {"least_margin": decision.least_margin} if decision.least_margin else {}
        priors = {"priors": dict(decision.priors)} if decision.priors else {}
        rule: dict[str, Any] = {"rule": decision.rule, "parameters": learnt}
        encoder = {"encoder": workspace.encoder.fingerprint}
        write_table(workspace.domain_path, "decision", {**rule, **encoder, **kept, **priors})
    return settings.words
