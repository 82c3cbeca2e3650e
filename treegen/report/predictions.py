"""A tree's predictions and answers, image by image, as tables and for FiftyOne."""

import csv
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any, Final

from treegen.errors import InputError
from treegen.exchange.writers import safe_cell
from treegen.extras import require
from treegen.images import LabelledImage
from treegen.report.evaluation import evaluate
from treegen.vcs.versions import Version
from treegen.workflow.workspace import Workspace

FORMATS: Final = ("predictions", "fiftyone")
_SUFFIXES: Final = (".csv", ".parquet")


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupAnswer:
    """What a group answers: its most probable option, that option's probability (0 to 1), and what the rule expects."""

    group: str
    option: str
    probability: float
    expected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One image.

    Attributes:
        image: the picture.
        name: of its file, below the folder of the images.
        split: dev or test.
        true: its class.
        predicted: the class that the tree predicts.
        score: of that class under the decision rule; 0 to 1 for the mean.
        margin: the score less that of the second class; 0 with a single class.
        by_name: the class that the class name alone predicts.
        answers: one for each group, in order.
        predicted_look: the look of the predicted class that the answers fit best; empty if it has none.
    """

    image: LabelledImage
    name: str
    split: str
    true: str
    predicted: str
    score: float
    margin: float
    by_name: str
    answers: tuple[GroupAnswer, ...]
    predicted_look: str = ""


def predict_images(workspace: Workspace, named: Version, *, test: bool = False) -> list[Prediction]:
    """Return the predictions of a tree on the dev split, and if asked for on the test split, which is then recorded.

    Raises:
        InputError: there are no images.
        ProblemsError: the tree has errors or is not one of the domain, or a prompt is too long for the encoder.
        ModelError: the encoder cannot be loaded.
    """
    evaluate(workspace, named, sealed=not test)  # checks the tree, and records the evaluation
    splits = ("dev", "test") if test else ("dev",)
    return workspace.run(lambda: [each for split in splits for each in _of_split(workspace, named, split)])


def _of_split(workspace: Workspace, named: Version, split: str) -> Iterator[Prediction]:
    import numpy as np

    from treegen.clip.arrays import to_numpy
    from treegen.clip.diagnosis.group_report import group_predictions
    from treegen.clip.looks import rules_of

    evaluator, domain = workspace.evaluator, workspace.domain
    assert domain.images is not None
    data = evaluator.splits[split]
    found = evaluator.answer(named.tree, evaluator.features(named.tree, split))
    groups = group_predictions(named.tree, domain.classes, data.labels, found.probabilities)
    rules, rows = rules_of(named.tree, domain.classes), found.evidence.rows_of(found.predictions)
    scores = np.sort(to_numpy(found.scores), 1)
    margins = scores[:, -1] - scores[:, -2] if scores.shape[1] > 1 else np.zeros(len(scores))
    for i, (image, predicted, by_name) in enumerate(
        zip(data.images, found.predictions, evaluator.baseline(data), strict=True)
    ):
        yield Prediction(
            image=image,
            name=image.below(domain.images.root),
            split=split,
            true=domain.classes[image.label],
            predicted=domain.classes[predicted],
            predicted_look=rules[rows[i]].name if rules[rows[i]].look_of else "",
            score=float(scores[i, -1]),
            margin=float(margins[i]),
            by_name=domain.classes[by_name],
            answers=tuple(
                GroupAnswer(
                    group=group.name,
                    option=group.options[int(group.answers[i])],
                    probability=float(group.confidence[i]),
                    expected=None if group.expected[i] < 0 else group.options[int(group.expected[i])],
                )
                for group in groups
            ),
        )


def _records(predictions: Sequence[Prediction]) -> Iterator[dict[str, Any]]:
    """Yield one flat record for each image, all with the same keys in the same order."""
    given, looks = any(each.image.look for each in predictions), any(each.predicted_look for each in predictions)
    for each in predictions:
        record: dict[str, Any] = {
            "image": each.name,
            "split": each.split,
            "class": each.true,
            **({"look": each.image.look} if given else {}),
            "predicted": each.predicted,
            **({"predicted_look": each.predicted_look} if looks else {}),
            "correct": each.predicted == each.true,
            "score": each.score,
            "margin": each.margin,
            "by_name": each.by_name,
        }
        for answer in each.answers:
            record[f"{answer.group}: answer"] = answer.option
            record[f"{answer.group}: probability"] = answer.probability
            record[f"{answer.group}: expected"] = answer.expected
        yield record


def predictions_csv(predictions: Sequence[Prediction]) -> str:
    """Return one line for each image (RFC 4180); a cell that a spreadsheet would take for a formula is quoted."""
    out, records = StringIO(newline=""), list(_records(predictions))
    writer = csv.writer(out)
    writer.writerow([safe_cell(key) for key in records[0]])
    writer.writerows([_cell(value) for value in record.values()] for record in records)
    return out.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else safe_cell(value or "")


def predictions_parquet(predictions: Sequence[Prediction]) -> bytes:
    """Return the same table in Parquet, with types.

    Raises:
        InputError: pyarrow is not installed.
    """
    require("embed")
    import pyarrow
    import pyarrow.parquet

    out = BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(_records(predictions))), out, compression="zstd")
    return out.getvalue()


def fiftyone_samples(predictions: Sequence[Prediction], folder: Path) -> str:
    """Return the file `samples.json` of a dataset that FiftyOne opens as `fiftyone.types.FiftyOneDataset`.

    Each sample has its split as a tag, the fields `ground_truth`, `prediction` (with its score), `by_name` and
    `margin`, and in `answers` what each group says, tagged `right`, `wrong` or `not asked`.

    Args:
        predictions: of images that are files of their own.
        folder: where the file will be; pictures are named relative to it.

    Raises:
        InputError: an image is inside a tar or a table.
    """
    inside = next((each for each in predictions if each.image.member), None)
    if inside:
        message = f"{inside.name} is inside {inside.image.path.name}, and FiftyOne needs files"
        raise InputError(message, "export predictions as CSV or Parquet instead: --to predictions")
    samples = [
        {
            "filepath": Path(os.path.relpath(each.image.path.resolve(), folder.resolve())).as_posix(),
            "tags": [each.split],
            "ground_truth": _classification(each.true),
            "prediction": _classification(each.predicted, confidence=each.score),
            "by_name": _classification(each.by_name),
            "margin": each.margin,
            "answers": {"_cls": "Classifications", "classifications": [_answer(answer) for answer in each.answers]},
        }
        for each in predictions
    ]
    return json.dumps({"samples": samples}, ensure_ascii=False, indent=1) + "\n"


def _classification(label: str, **more: Any) -> dict[str, Any]:
    return {"_cls": "Classification", "label": label, **more}


def _answer(answer: GroupAnswer) -> dict[str, Any]:
    right = "not asked" if answer.expected is None else "right" if answer.option == answer.expected else "wrong"
    label = f"{answer.group}: {answer.option}"
    return _classification(label, confidence=answer.probability, tags=[right])


def export_predictions(form: str, predictions: Sequence[Prediction], out: Path | None) -> str | bytes:
    """Return predictions in one of `FORMATS`; those of `predictions` are CSV unless `out` ends in .parquet.

    Raises:
        InputError: there is no such format, or the file has another ending.
    """
    if form == "fiftyone":
        return fiftyone_samples(predictions, out.parent if out else Path())
    if out and out.suffix.lower() == ".parquet":
        return predictions_parquet(predictions)
    return predictions_csv(predictions)


def refuse_name(form: str, out: Path | None) -> None:
    """Refuse a file whose name does not say what it is, before any work is done.

    Raises:
        InputError: FiftyOne reads only a file named samples.json; a table must be .csv or .parquet.
    """
    if form == "fiftyone" and (out is None or out.name != "samples.json"):
        raise InputError("FiftyOne reads a folder with a file samples.json", "name it: -o FOLDER/samples.json")
    if form == "predictions" and out and out.suffix.lower() not in _SUFFIXES:
        raise InputError(f"{out}: predictions are written as .csv or .parquet", "name such a file with -o")
