"""The content of a report, as plain data for the templates: what was found, what it rests on, what to do next."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from importlib import metadata
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.diagnosis.confusion import confusion_matrix
from treegen.config.domain import Domain
from treegen.history.score_document import Score, as_tested
from treegen.images import WHOLE
from treegen.report.album import Album, Picture
from treegen.report.comparison import ComparisonDocument, compare_evaluations
from treegen.report.evaluation import Evaluation, evaluate
from treegen.report.revisions import History, history_of
from treegen.text import counted
from treegen.tree.changes.difference import difference
from treegen.tree.model import ClassRule, Tree
from treegen.vcs.versions import Version
from treegen.workflow.score import ScoreResult, score_tree
from treegen.workflow.second import Opinion, stored_opinion
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.clip.diagnosis.group_report import GroupPredictions
    from treegen.clip.diagnosis.mistakes import GroupVote, Mistake

PICTURES: Final = 200
#: Characters of a page without pictures that the sections of varying size may take together, and the most of each. The
#: options of the groups take what the others leave; what has no room is counted on the page.
_ROOM: Final = 82_000
_MOST: Final = {"heat": 15_000, "pairs": 25_000, "groups": 9_000, "curves": 7_000, "answers": 11_000}
_MOST_CLASSES: Final = 40  # in the heat map
_MOST_CHANGES: Final = 25
_MOST_PAIRS: Final = 100
_MOST_WRONG: Final = 16  # images of one pair
_SIDE_BY_SIDE: Final = 8  # pairs that show pictures of both classes
_SEPARATED: Final = 4  # groups that tell a pair apart
_MOST_DOUBTS: Final = 12  # images whose label may be wrong
_MISLED: Final = 2  # answers listed below a wrong image
_PACKAGES: Final = ("numpy", "torch", "open_clip_torch", "transformers", "pillow")


@dataclass(frozen=True, slots=True, kw_only=True)
class WrongImage:
    """A misclassified image with the answers that misled: those that spoke for the predicted class, most first."""

    picture: Picture
    true_score: float
    predicted_score: float
    misled: "tuple[GroupVote, ...]"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfusedPair:
    """Images of one class that are taken for another.

    Attributes:
        anchor: id of the section, which the heat map links to.
        true: the class.
        predicted: the class that it is taken for.
        count: how many images.
        n: images of the true class.
        separated_by: the groups that tell the two apart: option of each, and how often each group is right on them.
        examples: pictures of either class that are classified rightly.
        wrong: the images, the first of them.
    """

    anchor: str
    true: str
    predicted: str
    count: int
    n: int
    separated_by: tuple[dict[str, Any], ...]
    examples: tuple[tuple[Picture, ...], tuple[Picture, ...]]
    wrong: tuple[WrongImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DoubtfulImage:
    """An image whose label may be wrong, with one of the class that it looks like.

    `agreeing` is the number of groups that answer as for that class, and `opinion` what a vision model says of it.
    """

    picture: Picture
    label: str
    looks_like: str
    agreeing: int
    example: Picture | None
    opinion: "Opinion | None"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionReport:
    """How often a group recognises one option on the dev split; `right` and `wrong` are one picture each."""

    name: str
    n: int
    correct: int
    interval: tuple[float, float] | None
    taken_for: tuple[tuple[str, int], ...]
    right: Picture | None
    wrong: tuple[Picture, str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSection:
    """A group: its entry in the diagnosis of the score document, its prompt, and its options.

    `listed` is whether the table of all groups has room for it, and `more` the number of options that have none.
    """

    name: str
    prompt: str
    diagnosis: Mapping[str, Any]
    listed: bool
    options: tuple[OptionReport, ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HeatMap:
    """The confusion matrix on the dev split.

    Attributes:
        classes: those shown, by their index in the domain.
        cells: (row, column, images, share of the row) where there are images; rows are true classes.
        left_out: how many classes are not shown: those that are confused least.
    """

    classes: tuple[tuple[int, str], ...]
    cells: tuple[tuple[int, int, int, float], ...]
    left_out: int

    def row(self, number: int) -> dict[int, tuple[int, float]]:
        """Return the cells of a row: column -> images and their share of the row."""
        return {column: (count, share) for row, column, count, share in self.cells if row == number}


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """The tree beside another: a comparison whose first entry is the other one, and the changes between them."""

    name: str
    comparison: ComparisonDocument
    changes: tuple[tuple[str, str], ...]
    more: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """Everything on the page.

    `curves` are the groups whose reliability is shown, `album` holds the pictures, and `measured` says how it was
    measured.
    """

    name: str
    tree: Tree
    domain: str
    noun: str
    score: Score
    notes: tuple[str, ...]
    heat: HeatMap
    pairs: tuple[ConfusedPair, ...]
    more_pairs: int
    doubts: tuple[DoubtfulImage, ...]
    more_doubts: int
    groups: tuple[GroupSection, ...]
    curves: tuple[Mapping[str, Any], ...]
    history: History
    answers: tuple[ClassRule, ...]
    measured: tuple[tuple[str, str], ...]
    album: Album
    against: Against | None = None


@dataclass(kw_only=True)
class _Builder:
    """What the sections share."""

    evaluation: Evaluation
    classes: Sequence[str]
    album: Album
    mistakes: "Sequence[Mistake]"
    rules: Mapping[str, Sequence[ClassRule]] = field(init=False)
    room: int = _ROOM

    def __post_init__(self) -> None:
        by_class: dict[str, list[ClassRule]] = {}
        for rule in self.evaluation.tree.rules:
            by_class.setdefault(rule.class_name, []).append(rule)
        self.rules = by_class

    def fit(self, costs: Sequence[int], most: int) -> int:
        """Return how many of the first items fit into the page and into `most`, and take their room."""
        totals = [total for total in accumulate(costs) if total <= min(most, self.room)]
        self.room -= totals[-1] if totals else 0
        return len(totals)


def build_report(
    workspace: Workspace,
    named: Version,
    *,
    against: Version | None = None,
    sealed: bool | None = None,
    pictures: int = PICTURES,
) -> Report:
    """Score a tree and collect what a report shows; the score is recorded in the history, as by `treegen score`.

    Args:
        workspace: names domain, encoder and history.
        named: the tree.
        against: another tree or revision to compare it with.
        sealed: use the dev split only; defaults to the domain's [split].
        pictures: the most pictures on the page.

    Raises:
        InputError: there are no images.
        ProblemsError: a tree has errors, or a prompt is too long for the encoder.
        ModelError: the encoder cannot be loaded.
    """
    evaluation = evaluate(workspace, named, sealed=sealed)
    other = _against(workspace, evaluation, against, sealed) if against else None
    # last: its count of evaluations includes those above, so that the same report made again has the same count
    scored = score_tree(workspace, named.tree, sealed=sealed)
    mistakes = workspace.evaluator.mistakes(named.tree)
    history = history_of(workspace.store, scored.revision, scored.score)
    doubtful = [each.image.digest for each in mistakes if each.label_doubtful][:_MOST_DOUBTS]
    stored = {digest: stored_opinion(workspace.store, named.tree, digest) for digest in doubtful}
    return compose(
        workspace.domain,
        evaluation,
        mistakes,
        scored,
        history,
        against=other,
        pictures=pictures,
        opinions={digest: opinion for digest, opinion in stored.items() if opinion},
    )


def compose(
    domain: Domain,
    evaluation: Evaluation,
    mistakes: "Sequence[Mistake]",
    scored: ScoreResult,
    history: History,
    *,
    against: Against | None = None,
    pictures: int = PICTURES,
    opinions: "Mapping[str, Opinion] | None" = None,
) -> Report:
    """Put together what a report shows; only the pictures are read.

    Args:
        domain: of the tree.
        evaluation: of the tree.
        mistakes: on the dev split.
        scored: the tree's score.
        history: its revisions.
        against: another tree beside it.
        pictures: the most pictures on the page.
        opinions: what a vision model said of dev images, by their contents.
    """
    tree, score = evaluation.tree, scored.score
    album = Album(pictures, domain.images.crop if domain.images else WHOLE)
    builder = _Builder(evaluation=evaluation, classes=domain.classes, album=album, mistakes=mistakes)
    heat, (pairs, more) = _heat_map(builder), _pairs(builder)
    curves, answers = _curves(builder, score), _answers(builder)
    doubts = [mistake for mistake in mistakes if mistake.label_doubtful]
    report = Report(
        name=evaluation.name,
        tree=tree,
        domain=domain.name,
        noun=domain.noun,
        score=score,
        notes=scored.notes,
        heat=heat,
        pairs=pairs,
        more_pairs=more,
        doubts=tuple(_doubtful(builder, each, opinions or {}) for each in doubts[:_MOST_DOUBTS]),
        more_doubts=max(0, len(doubts) - _MOST_DOUBTS),
        groups=_groups(builder, score),
        curves=curves,
        history=history,
        answers=answers,
        measured=_measured(score),
        album=album,
        against=against,
    )
    album.fill()
    return report


def _heat_map(builder: _Builder) -> HeatMap:
    """Count true against predicted classes; of many classes those with most errors are shown, in their own order."""
    dev, classes = builder.evaluation.dev, builder.classes
    confusion = confusion_matrix(dev.labels, dev.predictions)
    errors = confusion.errors
    present = sorted(range(len(classes)), key=lambda k: (-errors[k], k))
    cells: list[tuple[int, int, int, float]] = []
    for most in range(min(len(classes), _MOST_CLASSES), 0, -1):
        shown = sorted(present[:most])
        place = {k: row for row, k in enumerate(shown)}
        cells = [
            (place[t], place[p], count, count / confusion.totals[t])
            for (t, p), count in sorted(confusion.counts.items())
            if t in place and p in place
        ]
        names = sum(2 * len(classes[k]) + 60 for k in shown)
        if builder.fit([48 * len(cells) + 4 * (most**2 - len(cells)) + names], _MOST["heat"]):
            break
    return HeatMap(
        classes=tuple((k, classes[k]) for k in shown), cells=tuple(cells), left_out=len(classes) - len(shown)
    )


def anchor_of(true: int, predicted: int) -> str:
    """Return the id of the section on images of one class that are taken for another, by their indices."""
    return f"w{true}-{predicted}"


def _pairs(builder: _Builder) -> tuple[tuple[ConfusedPair, ...], int]:
    """Return the confused pairs of classes, most frequent first, and how many are not shown."""
    order = {name: k for k, name in enumerate(builder.classes)}
    images: dict[tuple[int, int], list[Mistake]] = {}
    for mistake in builder.mistakes:
        images.setdefault((order[mistake.true], order[mistake.predicted]), []).append(mistake)
    ordered = sorted(images.items(), key=lambda item: (-len(item[1]), item[0]))
    separated = [_separated(builder, *pair) for pair, _ in ordered[:_MOST_PAIRS]]
    costs = [_length(own, mistakes[:_MOST_WRONG]) for own, (_, mistakes) in zip(separated, ordered, strict=False)]
    shown = builder.fit(costs, _MOST["pairs"])
    pairs = [_pair(builder, number, *ordered[number], separated[number]) for number in range(shown)]
    return tuple(pairs), len(ordered) - shown


def _separated(builder: _Builder, true: int, predicted: int) -> tuple[dict[str, Any], ...]:
    """Return the groups that tell two classes apart, with the option of each."""
    from treegen.clip.diagnosis.diagnose import separating

    tree, rules = builder.evaluation.tree, [builder.rules[builder.classes[k]] for k in (true, predicted)]
    groups = separating(builder.evaluation.groups, builder.classes[true], builder.classes[predicted])

    def words(some: Sequence[ClassRule], group: str) -> str | None:
        """Return the options of all looks of a class."""
        return " or ".join(dict.fromkeys(word for rule in some if (word := tree.word(rule, group)))) or None

    return tuple({**each, "options": [words(some, each["group"]) for some in rules]} for each in groups)


def _length(separated: Sequence[Mapping[str, Any]], mistakes: "Sequence[Mistake]") -> int:
    """Return about how many characters a pair of classes takes on the page, without pictures."""
    words = [word for each in separated[:_SEPARATED] for word in (each["group"], *each["options"])]
    votes = [vote for mistake in mistakes for vote in _misled(mistake)]
    words += [word for vote in votes for word in (vote.group, vote.option, vote.true_option)]
    names = len(mistakes[0].true + mistakes[0].predicted)
    return 700 + 4 * names + sum(len(word or "") + 12 for word in words) + (130 + names) * len(mistakes)


def _pair(
    builder: _Builder,
    number: int,
    pair: tuple[int, int],
    mistakes: "Sequence[Mistake]",
    separated: tuple[dict[str, Any], ...],
) -> ConfusedPair:
    dev, (true, predicted) = builder.evaluation.dev, pair
    examples: list[tuple[Picture, ...]] = []
    for label in pair:
        rows = [i for i, k in enumerate(dev.labels) if k == label == dev.predictions[i]][:2]
        beside = rows if number < _SIDE_BY_SIDE else []
        examples.append(tuple(builder.album.place(dev.images[i], 1) for i in beside))
    return ConfusedPair(
        anchor=anchor_of(true, predicted),
        true=builder.classes[true],
        predicted=builder.classes[predicted],
        count=len(mistakes),
        n=dev.labels.count(true),
        separated_by=separated[:_SEPARATED],
        examples=(examples[0], examples[1]),
        wrong=tuple(_wrong(builder, each, 0 if place < 4 else 3) for place, each in enumerate(mistakes[:_MOST_WRONG])),
    )


def _doubtful(builder: _Builder, mistake: "Mistake", opinions: "Mapping[str, Opinion]") -> DoubtfulImage:
    dev, label = builder.evaluation.dev, builder.classes.index(mistake.predicted)
    alike = (i for i, k in enumerate(dev.labels) if k == label == dev.predictions[i])
    row = next(alike, None)
    return DoubtfulImage(
        picture=builder.album.place(mistake.image, 0),
        label=mistake.true,
        looks_like=mistake.predicted,
        agreeing=sum(vote.option == vote.predicted_option for vote in mistake.votes),
        example=None if row is None else builder.album.place(dev.images[row], 1),
        opinion=opinions.get(mistake.image.digest),
    )


def _misled(mistake: "Mistake") -> "tuple[GroupVote, ...]":
    """Return the answers that spoke most for the predicted class."""
    return tuple(sorted((vote for vote in mistake.votes if vote.margin > 0), key=lambda vote: -vote.margin)[:_MISLED])


def _wrong(builder: _Builder, mistake: "Mistake", priority: int) -> WrongImage:
    return WrongImage(
        picture=builder.album.place(mistake.image, priority),
        true_score=mistake.true_score,
        predicted_score=mistake.predicted_score,
        misled=_misled(mistake),
    )


def _groups(builder: _Builder, score: Score) -> tuple[GroupSection, ...]:
    """Return every group with its options, as far as there is room."""
    diagnoses = {entry["name"]: entry for entry in score["dev"]["groups"]}
    weakest = sorted(diagnoses, key=lambda name: (not diagnoses[name]["n"], diagnoses[name]["accuracy"] or 0.0))
    listed = set(weakest[: builder.fit([len(name) + 310 for name in weakest], _MOST["groups"])])
    sections = []
    for group, predictions in zip(builder.evaluation.tree.groups, builder.evaluation.groups, strict=True):
        # the weakest options are the ones to read about
        ordered = sorted(
            _option_reports(builder, predictions),
            key=lambda each: (each.n == 0, each.correct / each.n if each.n else 0.0),
        )
        costs = [430 + len(each.name) * 3 + sum(len(name) + 6 for name, _ in each.taken_for) for each in ordered]
        shown = max(0, builder.fit([len(group.prompt) + len(group.name) + 600, *costs], builder.room) - 1)
        sections.append(
            GroupSection(
                name=group.name,
                prompt=group.prompt,
                diagnosis=diagnoses[group.name],
                listed=group.name in listed,
                options=tuple(_with_pictures(builder, predictions, each) for each in ordered[:shown]),
                more=len(group.options) - shown,
            )
        )
    return tuple(sections)


def _option_reports(builder: _Builder, group: "GroupPredictions") -> list[OptionReport]:
    from treegen.clip.diagnosis.group_report import option_counts
    from treegen.clip.metrics.statistics import wilson_interval

    reports = []
    for index, row in enumerate(option_counts(group).tolist()):
        n, correct = sum(row), row[index]
        taken = sorted(((c, i) for i, c in enumerate(row) if c and i != index), key=lambda pair: (-pair[0], pair[1]))
        reports.append(
            OptionReport(
                name=group.options[index],
                n=n,
                correct=correct,
                interval=wilson_interval(correct, n) if n else None,
                taken_for=tuple((group.options[i], count) for count, i in taken[:3]),
                right=None,
                wrong=None,
            )
        )
    return reports


def _with_pictures(builder: _Builder, group: "GroupPredictions", report: OptionReport) -> OptionReport:
    """Add the first image on which the option is recognised, and the one that is most confidently taken for another."""
    index, images = group.options.index(report.name), builder.evaluation.dev.images
    of_option = [i for i, expected in enumerate(group.expected.tolist()) if expected == index]
    right = next((i for i in of_option if group.answers[i] == index), None)
    wrong = max((i for i in of_option if group.answers[i] != index), key=lambda i: group.confidence[i], default=None)
    place = builder.album.place
    return replace(
        report,
        right=None if right is None else place(images[right], 2),
        wrong=None if wrong is None else (place(images[wrong], 2), group.options[int(group.answers[wrong])]),
    )


def _curves(builder: _Builder, score: Score) -> tuple[Mapping[str, Any], ...]:
    """Return the groups whose reliability is shown: all, or else those with the largest calibration error."""
    groups = [group for group in score["dev"]["groups"] if group.get("calibration")]
    worst = sorted(groups, key=lambda group: -group["calibration"]["error"])
    costs = [700 + 50 * len(group["calibration"]["bins"]) + len(group["name"]) for group in worst]
    shown = worst[: builder.fit(costs, _MOST["curves"])]
    return tuple(group for group in groups if group in shown)


def _answers(builder: _Builder) -> tuple[ClassRule, ...]:
    """Return the first classes, as many as have room in the table of answers."""
    tree = builder.evaluation.tree
    head = sum(len(group.name) + 10 for group in tree.groups)
    costs = [
        sum(len(tree.word(rule, group.name) or "no answer") + 14 for group in tree.groups) + len(rule.title) + 30
        for rule in tree.rules
    ]
    return tree.rules[: max(0, builder.fit([head, *costs], _MOST["answers"]) - 1)]


def _against(workspace: Workspace, evaluation: Evaluation, other: Version, sealed: bool | None) -> Against:
    changes = difference(other.tree, evaluation.tree)
    return Against(
        name=other.name,
        comparison=compare_evaluations(workspace, [evaluate(workspace, other, sealed=sealed), evaluation]),
        changes=tuple((change.kind, change.sentence) for change in changes[:_MOST_CHANGES]),
        more=max(0, len(changes) - _MOST_CHANGES),
    )


def _measured(score: Score) -> tuple[tuple[str, str], ...]:
    """Return what the figures rest on, as names and values; nothing of it depends on when or where it was measured."""
    from treegen import __version__

    encoder, images = score["encoder"], score["images"]
    split, tested = images["split"], as_tested(score)
    scale = f"{encoder['logit_scale']:.4g}{' (assumed)' if encoder.get('logit_scale_assumed') else ''}"
    learnt = ", ".join(f"{name} = {value:.4g}" for name, value in score.get("decision_parameters", {}).items())
    rows = [
        ("Encoder", f"{encoder['name']}, {encoder['precision']} on {encoder['device']}, logit scale {scale}"),
        ("Encoder fingerprint", encoder["fingerprint"]),
        ("Decision rule", score["decision_rule"] + (f" ({learnt})" if learnt else "")),
        ("Views", _views(score.get("compute"))),
        ("Images", f"{images['dev']} dev (for choosing) and {images['test']} test (for reporting)"),
        ("Split", f"dev share {split['dev']:g}, seed {split['seed']}, by {split.get('by', 'rank')}"),
        ("Image set", images["digest"]),
        ("Split digest", split.get("digest", "")),
        ("Tree", score["tree"]),
    ]
    if tested and "test_looks" in tested:
        looks = counted(tested["test_looks"], "time")
        rows.append(("Test split", f"evaluated {looks} so far (distinct trees, encoders and decision rules)"))
    rows.append(("Versions", ", ".join([f"treegen {__version__}", *_versions()])))
    return tuple((name, value) for name, value in rows if value)


def _views(compute: dict[str, Any] | None) -> str:
    if compute is None:
        return ""
    return f"{compute['views']} of each image, joined by {compute['join']}, trained: {compute.get('adapt', 'nothing')}"


def _versions() -> Iterator[str]:
    for name in _PACKAGES:
        with suppress(metadata.PackageNotFoundError):
            yield f"{name} {metadata.version(name)}"
