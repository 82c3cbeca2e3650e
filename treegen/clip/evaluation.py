"""Scores trees on the images of a domain: each image and each text is embedded once, a revision costs what changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from treegen.clip import scoring
from treegen.clip.cache import EmbeddingCache
from treegen.clip.controls import with_random_words
from treegen.clip.diagnosis import diagnose
from treegen.clip.embedding import embed_images, read_image_set
from treegen.clip.mistakes import Mistake, find_mistakes
from treegen.clip.previewing import Ground, Preview, Variant, preview
from treegen.clip.statistics import (
    mcnemar_exact,
    mean_per_class_recall,
    middle_interval,
    minimum_detectable_effect,
    shuffled_accuracies,
    wilson_interval,
)
from treegen.clip.streaming import in_chunks, predict
from treegen.clip.wording import length_problems, name_length_problems, refuse_long
from treegen.domain import Domain
from treegen.errors import InputError, ProblemsError
from treegen.images import LabelledImage, shown
from treegen.progress import Progress, no_progress
from treegen.tree.document import content_of, digest_of
from treegen.tree.keywords import show
from treegen.tree.model import Tree
from treegen.tree.problems import errors_of
from treegen.tree.validation import check_data

if TYPE_CHECKING:
    from torch import Tensor

    from treegen.clip.encoders.interface import Encoder

SCORE_SCHEMA: Final = "urn:treegen:score:1"
SHUFFLES: Final = 200
WORD_SEEDS: Final = 5
_BATCH: Final = 64

Divide = Callable[[Sequence[LabelledImage]], dict[str, str]]  # content digest -> "dev" or "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The embedded images of one part of the split: `features` (B, D), `labels` (B) as class indices, `images` (B)."""

    features: "Tensor"
    labels: tuple[int, ...]
    images: tuple[LabelledImage, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a tree says about the images of a part: `probabilities` (B, Q) per option, `predictions` (B)."""

    probabilities: "Tensor"
    scores: "Tensor"
    predictions: tuple[int, ...]


class Evaluator:
    """The embedded images of a domain, ready to score any number of trees."""

    def __init__(
        self,
        domain: Domain,
        encoder: "Encoder",
        cache: EmbeddingCache,
        divide: Divide,
        progress: Progress = no_progress,
    ) -> None:
        """Embeds what is not in the cache.

        Args:
            domain: names the image folder, the classes and the crop.
            encoder: embeds images and texts.
            cache: keeps the embeddings.
            divide: assigns each content to the dev or the test part.
            progress: is told how far it is.

        Raises:
            InputError: there are no images, or one of the parts is empty.
        """
        self.domain, self.encoder, self.cache_rebuilt = domain, encoder, cache.rebuilt
        self._cache, self._progress = cache, progress  # which may raise `Cancelled` at any step
        self._texts: dict[str, Tensor] = {}
        self._lengths: dict[str, int] = {}  # tokens of each text
        found = read_image_set(domain, cache, progress)
        assert domain.images is not None
        embedded = embed_images(
            found.images, encoder, cache, domain.images.crop, workers=domain.images.workers, progress=progress
        )
        kept = [(image, row) for image, row in zip(found.images, embedded.rows, strict=True) if row >= 0]
        self.images = replace(
            found, images=tuple(image for image, _ in kept), skipped=(*found.skipped, *embedded.skipped)
        )
        self.cache_damaged = cache.damaged
        self.parts = self._divide(divide, embedded.features, [row for _, row in kept])

    def _divide(self, divide: Divide, features: "Tensor", rows: Sequence[int]) -> dict[str, Part]:
        """The parts of the images; `rows` gives for each image its row of the features."""
        assigned, parts = divide(self.images.images), {}
        for name in ("dev", "test"):
            members = [(i, row) for i, row in zip(self.images.images, rows, strict=True) if assigned[i.digest] == name]
            if not members:
                left_out = "".join(f"\n  {shown(s.path)}: {s.reason}" for s in self.images.skipped[:5])
                count = f"{len(self.images.images)} images in all, {len(self.images.skipped)} skipped"
                told = f"the {name} part has no images ({count}){left_out}"
                raise InputError(told, "give every class more images, or change `dev` below [split]")
            images = tuple(image for image, _ in members)
            parts[name] = Part(
                features=features[[row for _, row in members]], labels=tuple(i.label for i in images), images=images
            )
        return parts

    def text_features(self, texts: Sequence[str]) -> "Tensor":
        """Embeds texts through the cache: (N, D), rows of length 1, in the order given."""
        import torch

        unknown = [t for t in dict.fromkeys(texts) if t not in self._texts]
        if unknown:
            self._texts |= self._cache.get_texts(self.encoder.fingerprint, unknown)
            missing = [t for t in unknown if t not in self._texts]
            for start in range(0, len(missing), _BATCH):
                batch = missing[start : start + _BATCH]
                vectors = self.encoder.encode_texts(batch)
                self._cache.put_texts(self.encoder.fingerprint, batch, vectors)
                self._texts.update(zip(batch, vectors, strict=True))
                self._progress("embedding texts", start + len(batch), len(missing))
        return torch.stack([self._texts[t] for t in texts])

    def answer(self, tree: Tree, features: "Tensor", matrix: "Tensor | None" = None) -> Answers:
        """What the tree says about images.

        Args:
            tree: its rules are those of the domain's classes.
            features: (B, D).
            matrix: (K, Q), computed from the tree if not given.
        """
        logits = scoring.similarity_logits(features, self.text_features(tree.prompts()), self.encoder.logit_scale)
        probabilities = scoring.group_probabilities(logits, tuple(len(g.options) for g in tree.groups))
        scores = scoring.class_scores(probabilities, self._matrix(tree) if matrix is None else matrix)
        return Answers(probabilities=probabilities, scores=scores, predictions=tuple(scores.argmax(1).tolist()))

    def _predict(self, tree: Tree, features: "Tensor", matrix: "Tensor") -> tuple[int, ...]:
        """The predictions of `answer` alone, in memory that does not grow with the images."""
        texts, sizes = self.text_features(tree.prompts()), tuple(len(g.options) for g in tree.groups)
        found = predict(in_chunks(features), len(features), texts, sizes, matrix, self.encoder.logit_scale)
        return tuple(found.tolist())

    def _matrix(self, tree: Tree) -> "Tensor":
        """The rule matrix with its rows in the order of the domain's classes.

        Raises:
            ProblemsError: the tree's classes are not the domain's.
        """
        rows = {name: i for i, name in enumerate(tree.classes)}
        missing = [name for name in self.domain.classes if name not in rows]
        if missing:
            told = f"the tree has no rule for {', '.join(map(show, missing[:5]))}"
            raise ProblemsError(told, "`treegen check` lists all problems of the tree")
        return scoring.rule_matrix(tree)[[rows[name] for name in self.domain.classes]]

    def baseline(self, part: Part) -> tuple[int, ...]:
        """Predictions by class name alone, in the domain's name template."""
        names = self.text_features(self.domain.name_prompts())
        logits = scoring.similarity_logits(part.features, names, self.encoder.logit_scale)
        return tuple(logits.argmax(1).tolist())

    def score(self, tree: Tree, parent: Tree | None = None) -> dict[str, Any]:
        """The score document of a tree (`schemas/score.schema.json`).

        Args:
            tree: without errors.
            parent: the revision it came from, for the paired test.

        Raises:
            ProblemsError: a prompt is longer than the encoder's context, or the tree does not fit the domain.
        """
        names = name_length_problems(self.domain.name_prompts(), self.encoder)
        refuse_long([*length_problems(tree, self.encoder), *names])
        test = self.parts["test"]
        answers = self.answer(tree, test.features)
        base = self.baseline(test)
        before = None if parent is None else self.answer(parent, test.features).predictions
        against = {
            "baseline": _paired(test.labels, answers.predictions, base),
            "parent": None if before is None else _paired(test.labels, answers.predictions, before),
        }
        differing = against["parent"] or against["baseline"]
        assert differing is not None
        discordant = (differing["wins"] + differing["losses"]) / len(test.labels)
        return {
            "$schema": SCORE_SCHEMA,
            "domain": self.domain.name,
            "tree": digest_of(tree),
            "encoder": {
                "name": self.encoder.name, "fingerprint": self.encoder.fingerprint,
                "logit_scale": self.encoder.logit_scale, "precision": self.encoder.precision,
                "device": self.encoder.device,
            },
            "decision_rule": "sum",
            "images": self._images_json(),
            "test": _accuracy(test.labels, answers.predictions),
            "baseline": {**_accuracy(test.labels, base), "name_template": self.domain.name_template},
            "controls": self._controls(tree, test, answers.predictions),
            "mcnemar": against,
            "minimum_detectable_effect": {
                "difference": minimum_detectable_effect(len(test.labels), discordant),
                "discordant": discordant, "alpha": 0.05, "power": 0.8,
            },
            "dev": self.diagnose(tree),
        }  # fmt: skip

    def diagnose(self, tree: Tree) -> dict[str, Any]:
        """The `dev` part of the score document: all that feedback and language models may see."""
        dev = self.parts["dev"]
        answers = self.answer(tree, dev.features)
        return {
            **_accuracy(dev.labels, answers.predictions),
            **diagnose(tree, self.domain.classes, dev.labels, answers.predictions, answers.probabilities),
        }

    def preview(self, tree: Tree, variants: Sequence[Variant]) -> tuple[Preview, ...]:
        """What each of several changed trees would do on the dev part, compared with the tree as it is.

        Args:
            tree: as it is, with errors or without.
            variants: trees, or lists of changes; one that cannot be scored says why in its preview.
        """
        dev = self.parts["dev"]
        ground = Ground(
            features=dev.features, labels=dev.labels, classes=self.domain.classes,
            logit_scale=self.encoder.logit_scale, embed=self.text_features, obstacle=self._obstacle,
            progress=self._progress,
        )  # fmt: skip
        return preview(ground, tree, variants)

    def mistakes(self, tree: Tree) -> tuple[Mistake, ...]:
        """The wrongly classified images of the dev part, with what every group said about them.

        Raises:
            ProblemsError: the tree does not fit the domain, or an index is out of range.
        """
        dev, matrix = self.parts["dev"], self._matrix(tree)
        answers = self.answer(tree, dev.features, matrix)
        return find_mistakes(
            tree, self.domain.classes, dev.images, dev.labels, answers.predictions, answers.probabilities,
            answers.scores, matrix,
        )  # fmt: skip

    def _obstacle(self, tree: Tree) -> str:
        """Why a tree cannot be scored, in a sentence; empty if it can."""
        checked = check_data(content_of(tree), classes=self.domain.classes, domain=self.domain.name)
        problems = errors_of(checked.problems)
        if not problems:
            self._lengths |= {t: self.encoder.count_tokens(t) for t in tree.prompts() if t not in self._lengths}
            most = self.encoder.context_length
            if most is not None and any(self._lengths[text] > most for text in tree.prompts()):
                problems = tuple(length_problems(tree, self.encoder))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{problems[0].code} {problems[0].pointer or '/'}: {problems[0].message}{more}" if problems else ""

    def _images_json(self) -> dict[str, Any]:
        assert self.domain.images is not None
        root = self.domain.images.root  # paths below it: a score that is kept in git names no machine's folders
        return {
            "digest": self.images.digest,
            "test": len(self.parts["test"].labels),
            "dev": len(self.parts["dev"].labels),
            "split": {"dev": self.domain.split.dev, "seed": self.domain.split.seed},
            "classes_without_images": [
                name for k, name in enumerate(self.domain.classes) if all(i.label != k for i in self.images.images)
            ],
            "skipped": [{"path": s.below(root), "reason": s.reason} for s in self.images.skipped],
        }

    def _controls(self, tree: Tree, test: Part, predictions: Sequence[int]) -> dict[str, Any]:
        """What numbers mean nothing: chance, the rules dealt out at random, random words as options."""
        n, k = len(test.labels), len(self.domain.classes)
        shuffled = shuffled_accuracies(test.labels, predictions, k, SHUFFLES)
        worded = []
        for seed in range(WORD_SEEDS):
            self._progress("asking random words", seed, WORD_SEEDS)
            drawn = self._predict(with_random_words(tree, seed), test.features, self._matrix(tree))
            worded.append(_accuracy(test.labels, drawn)["accuracy"])
        self._progress("asking random words", WORD_SEEDS, WORD_SEEDS)
        return {
            "chance": {"n": n, "accuracy": 1 / k, "interval": list(wilson_interval(n / k, n))},
            "shuffled_rules": {**_spread(n, shuffled), "p": _permutation_p(test.labels, predictions, shuffled)},
            "random_words": _spread(n, worded),
        }


def _accuracy(labels: Sequence[int], predictions: Sequence[int]) -> dict[str, Any]:
    """n, correct, accuracy with its Wilson interval, and mean per-class recall."""
    correct = sum(a == b for a, b in zip(labels, predictions, strict=True))
    return {
        "n": len(labels), "correct": correct, "accuracy": correct / len(labels),
        "interval": list(wilson_interval(correct, len(labels))),
        "mean_per_class_recall": mean_per_class_recall(labels, predictions),
    }  # fmt: skip


def _paired(labels: Sequence[int], new: Sequence[int], old: Sequence[int]) -> dict[str, Any]:
    """McNemar's test of two predictions on the same images."""
    wins = sum(n == t != o for t, n, o in zip(labels, new, old, strict=True))
    losses = sum(o == t != n for t, n, o in zip(labels, new, old, strict=True))
    return {
        "wins": wins,
        "losses": losses,
        "difference": (wins - losses) / len(labels),
        "p": mcnemar_exact(wins, losses),
    }


def _permutation_p(labels: Sequence[int], predictions: Sequence[int], shuffled: Sequence[float]) -> float:
    """One-sided p-value of the permutation test: how often luck does as well, the tree's own deal counted in."""
    accuracy = float(_accuracy(labels, predictions)["accuracy"])
    return (1 + sum(s >= accuracy for s in shuffled)) / (1 + len(shuffled))


def _spread(n: int, accuracies: Sequence[float]) -> dict[str, Any]:
    """Mean over seeds, and the range that holds the middle 95 % of them."""
    mean = sum(accuracies) / len(accuracies)
    return {"n": n, "seeds": len(accuracies), "accuracy": mean, "interval": list(middle_interval(accuracies))}
