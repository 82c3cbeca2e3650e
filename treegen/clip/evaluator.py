"""Score trees on a domain's images: each image and text is embedded once, a revision costs only what changed."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache, partial
from typing import TYPE_CHECKING, Any, Final, cast

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import Array, namespace, softmax, to_device, to_numpy
from treegen.clip.classifier import TreeClassifier
from treegen.clip.compute.adapting import Questions, embed_adapted
from treegen.clip.compute.joining import ViewJoin, compute_json, compute_words
from treegen.clip.compute.pictures import embed_pictures
from treegen.clip.decisions import MEAN, RULES, DecisionRule, FittedRule, RuleInputs, decision_of, fit
from treegen.clip.decisions.abstaining import least_fit
from treegen.clip.decisions.comparing import compare_rules
from treegen.clip.decisions.comparing import held_out_scores as scores_of_held_out
from treegen.clip.diagnosis.diagnose import diagnose, look_recalls
from treegen.clip.diagnosis.group_report import group_predictions
from treegen.clip.diagnosis.label_errors import find_label_errors
from treegen.clip.diagnosis.mistakes import Mistake, find_mistakes
from treegen.clip.diagnosis.observations import Observations
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.embedding.embed import embed_images, read_image_set
from treegen.clip.embedding.texts import embed_texts
from treegen.clip.memo import LruMemo
from treegen.clip.metrics.accuracy import accuracy_of, comparisons, paired_change, spread
from treegen.clip.metrics.calibration import calibration_of
from treegen.clip.metrics.controls import shuffled_controls, with_random_words
from treegen.clip.preview import Preview, PreviewContext, Question, Variant, preview
from treegen.clip.questions.prediction_sets import LEVEL, SetLimits, coverage, set_limits
from treegen.clip.text_checks import check_lengths, length_problems
from treegen.config.domain import Domain
from treegen.errors import InputError
from treegen.history.score_document import (
    Calibrated,
    ClusterCounts,
    Comparison,
    Controls,
    Diagnosis,
    DoubtfulLabel,
    Paired,
    Score,
    ScoredBy,
    ScoredImages,
    TestSplit,
)
from treegen.images import LabelledImage, below, clusters_of, digest_of_splits, shown
from treegen.progress import Progress, no_progress
from treegen.tree.document import content_of, digest_of
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.fast_path import still_valid
from treegen.tree.validation.problems import Problem, errors_of

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL.Image import Image

    from treegen.clip.encoders.interface import Encoder

SCORE_SCHEMA: Final = "urn:treegen:score:1"
WORD_SEEDS: Final = 5
_MOST_RESULTS: Final = 2 * WORD_SEEDS + 6  # trees whose predictions on the test split and learnt rules are kept

Divide = Callable[[Sequence[LabelledImage]], dict[str, str]]  # content digest -> "dev" or "test"


@dataclass(frozen=True, kw_only=True)  # no slots, for `clusters`
class SplitData:
    """The embedded images of one split: `features` (B, D), `labels` (B) as class indices, `images` (B).

    With several views of each image, features are (B, V, D). They are a NumPy array (float32), or a torch tensor on the
    GPU if that is where the encoder is. In NumPy they are laid out as (D, B), which halves the time of the product with
    the few texts of one question.
    """

    features: Array
    labels: tuple[int, ...]
    images: tuple[LabelledImage, ...]

    @cached_property
    def clusters(self) -> tuple[int, ...] | None:
        """The cluster of each image (B), one of its own where the set names none; `None` if it names none at all."""
        return clusters_of(self.images)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """A tree's answers on images: `probabilities` (B, Q) per option, `scores` (B, K), `predictions` (B)."""

    probabilities: Array
    scores: Array
    predictions: tuple[int, ...]
    evidence: RuleInputs
    decision: FittedRule


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
        """Embed what is not in the cache.

        Args:
            domain: names the image folder, the classes and the crop.
            encoder: embeds images and texts.
            cache: stores the embeddings.
            divide: assigns each content to the dev or the test split.
            progress: called with the progress.

        Raises:
            InputError: there are no images, or one of the splits is empty.
        """
        self.domain, self.encoder = domain, encoder
        self.cache, self._progress = cache, progress  # progress may raise `Cancelled` at any step
        self._texts: dict[str, NDArray[np.float32]] = {}
        self.join = ViewJoin.of(domain)
        self._answers, self._found = LruMemo(), LruMemo()  # per question, and per group, on the dev split
        self._predictions: dict[Tree, tuple[int, ...]] = {}  # on the test split, for the last trees
        self._right: dict[tuple[str, Tree], NDArray[np.bool_]] = {}  # on the dev split, for the last trees
        self._learnt: dict[tuple[str, Tree], FittedRule] = {}  # for the last trees
        self._adapted: dict[tuple[str, str], Array] = {}  # features after training, by questions and split
        image_set = read_image_set(domain, cache, progress)
        assert domain.images is not None
        embedded = embed_images(
            image_set.images,
            encoder,
            cache,
            domain.images.crop,
            workers=domain.images.workers,
            views=domain.compute.views,
            progress=progress,
        )
        readable = [(image, row) for image, row in zip(image_set.images, embedded.rows, strict=True) if row >= 0]
        self.images = replace(
            image_set, images=tuple(image for image, _ in readable), skipped=(*image_set.skipped, *embedded.skipped)
        )
        self.splits = self._divide(divide, to_device(embedded.features, encoder.device), [row for _, row in readable])

    def _divide(self, divide: Divide, features: Array, rows: Sequence[int]) -> dict[str, SplitData]:
        """Return the images by split; `rows` gives for each image its row of the features."""
        assigned, splits = divide(self.images.images), {}
        for name in ("dev", "test"):
            members = [(i, row) for i, row in zip(self.images.images, rows, strict=True) if assigned[i.digest] == name]
            if not members:
                left_out = "".join(f"\n  {s.below(self.images.root)}: {s.reason}" for s in self.images.skipped[:5])
                count = f"images in all: {len(self.images.images)}, skipped: {len(self.images.skipped)}"
                files = self.images.files
                left_out += f"\n  {files.sentence(shown(self.images.root.name))}" if files.left_out else ""
                message = f"the {name} split has no images ({count}){left_out}"
                has_own_split = any(image.split for image in self.images.images)
                remedy = "the split that the image set names" if has_own_split else "`dev` below [split]"
                tip = f"give every class more images, or change {remedy}"
                raise InputError(
                    message, tip if self.images.images else "check the content of the files: none is a picture"
                )
            images = tuple(image for image, _ in members)
            chosen = features[[row for _, row in members]]
            if isinstance(chosen, np.ndarray):
                chosen = np.asfortranarray(chosen)
            splits[name] = SplitData(features=chosen, labels=tuple(i.label for i in images), images=images)
        return splits

    def text_features(self, texts: Sequence[str]) -> Array:
        """Embed texts through the cache: (N, D), rows of length 1, in the given order."""
        unknown = [text for text in texts if text not in self._texts]
        if unknown:
            self._texts |= embed_texts(unknown, self.encoder, self.cache, self._progress)
        return to_device(np.stack([self._texts[text] for text in texts]), self.encoder.device)

    def features(self, tree: Tree, split: str) -> Array:
        """Return the features of a split by which a tree is to be judged: (B, D), or (B, V, D) with several views.

        They are those of `splits`, unless the domain adapts the image tower to each image.
        """
        if self.domain.compute.adapt != "lora":
            return self.splits[split].features
        return self._adapted_features(self._classifier(tree, names=False).questions, split)

    def _adapted_features(self, questions: Questions, split: str) -> Array:
        """Return the features of a split after training on each image; without training if no layer can be trained."""
        data, images = self.splits[split], self.domain.images
        assert images is not None

        if (questions.digest, split) in self._adapted:
            return self._adapted[questions.digest, split]
        adapted = embed_adapted(
            data.images,
            self.encoder,
            self.cache,
            images.crop,
            questions,
            workers=images.workers,
            progress=self._progress,
        )
        if adapted is None:
            return data.features
        _forget(self._adapted)
        self._adapted[questions.digest, split] = to_device(adapted, self.encoder.device)
        return self._adapted[questions.digest, split]

    def embed_pictures(self, tree: Tree, pictures: "Sequence[Image]", digests: Sequence[str]) -> Array:
        """Embed pictures of no image set as those of the set: (B, D), or (B, V, D) with several views.

        Args:
            tree: whose questions they will be asked.
            pictures: in RGB, cropped (B).
            digests: SHA-256 of each file in hex (B).
        """
        compute = self.domain.compute
        if compute.plain:
            return to_device(self.encoder.encode_images(pictures), self.encoder.device)
        questions = self._classifier(tree, names=False).questions if compute.adapt == "lora" else None
        features = embed_pictures(self.encoder, pictures, digests, compute.views, questions)
        return to_device(features, self.encoder.device)

    def answer(self, tree: Tree, features: Array) -> Answers:
        """Answer the questions of a tree about images.

        Args:
            tree: its rules are those of the domain's classes.
            features: as `features` returns them.
        """
        decision = self.decide(tree)
        evidence = self.evidence(tree, features, names=decision.rule.uses_names)
        scores = decision.scores(evidence)
        return Answers(
            probabilities=evidence.probabilities,
            scores=scores,
            predictions=tuple(to_numpy(scores).argmax(1).tolist()),
            evidence=evidence,
            decision=decision,
        )

    def evidence(self, tree: Tree, features: Array, *, names: bool) -> RuleInputs:
        """Return a decision rule's inputs for images (B, D); with `names` also the class-name similarities."""
        classifier = self._classifier(tree, names=names)  # embeds all texts at once, also if groups are asked singly
        if features is not self.splits["dev"].features or self.domain.compute.adapt == "prompt":
            return classifier.evidence(features)
        self._answers.turn()
        answers = [self._answer_of(g.fill(), self.join.views_of(g), self._answers) for g in tree.groups]
        xp = namespace(features)
        logits, probabilities = (xp.concat(columns).T for columns in zip(*answers, strict=True))
        return RuleInputs(
            logits=logits,
            probabilities=probabilities,
            matrix=classifier.matrix,
            groups=tuple(g.name for g in tree.groups),
            sizes=classifier.sizes,
            names=self._name_logits(features) if names else None,
            options=tuple(group.options for group in tree.groups),
            classes=classifier.classes,
            looks=classifier.looks,
        )

    def _classifier(self, tree: Tree, decision: FittedRule = MEAN, *, names: bool) -> TreeClassifier:
        """Return the tree with its classes in the order of the domain's.

        Raises:
            ProblemsError: the tree's classes are not the domain's.
        """
        return TreeClassifier(
            tree,
            self.text_features(tree.prompts()),
            self.encoder.logit_scale,
            decision=decision,
            names=self.text_features(self.domain.name_prompts()) if names else None,
            classes=self.domain.classes,
            join=self.join,
            name_prompts=self.domain.name_prompts() if names else (),
        )

    def _answer_of(self, question: Question, views: Sequence[int], memo: LruMemo) -> tuple[Array, Array]:
        """Return logits and probabilities (O, B) of a question on the dev split, memoised.

        Computed one by one, so that they do not depend on other questions, and unchanged ones are not recomputed.

        Args:
            question: its filled prompts.
            views: the numbers of the views to look at, if there are several.
            memo: of answers.
        """

        def ask() -> tuple[Array, Array]:
            features = self.splits["dev"].features
            if features.ndim > 2:
                return self.join.answer(features, self.text_features(question), self.encoder.logit_scale, views)
            logits = scoring.similarity_logits(features, self.text_features(question), self.encoder.logit_scale).T
            return logits, softmax(logits, 0)

        return memo.get((question, tuple(views)), ask)

    def words(self, decision: FittedRule) -> str:
        """Return what identifies an evaluation besides tree and encoder: the decision rule, and how images are read."""
        compute = self.domain.compute
        return decision.words if compute.plain else f"{decision.words} compute {compute_words(compute_json(compute))}"

    def decide(self, tree: Tree) -> FittedRule:
        """Return the domain's decision rule, with its frozen parameters or with what it learns on the dev split."""
        return decision_of(self.domain.decision, self.encoder.fingerprint, lambda rule: self._learn(rule, tree))

    def _learn(self, rule: DecisionRule, tree: Tree) -> FittedRule:
        if (rule.name, tree) not in self._learnt:
            dev = self.splits["dev"]
            _forget(self._learnt)
            self._learnt[rule.name, tree] = fit(rule, self._inputs(tree, "dev", names=rule.uses_names), dev.labels)
        return self._learnt[rule.name, tree]

    def _inputs(self, tree: Tree, split: str, *, names: bool) -> RuleInputs:
        """Return a decision rule's inputs for the images of a split, with their clusters."""
        evidence = self.evidence(tree, self.features(tree, split), names=names)
        return replace(evidence, clusters=self.splits[split].clusters)

    def bayes_inputs(self, tree: Tree, features: Array) -> tuple[RuleInputs, dict[str, float]]:
        """Return the inputs of the rule `bayes` for images (B, D), and its parameters, whatever rule the domain has."""
        return self.evidence(tree, features, names=False), dict(self.bayes(tree).parameters)

    def bayes(self, tree: Tree) -> FittedRule:
        """Return the rule `bayes`, as the domain freezes it or as it is learnt on the dev split."""
        own = self.domain.decision.rule == "bayes"
        return self.decide(tree) if own else self._learn(RULES["bayes"], tree)

    def posterior(self, tree: Tree, features: Array) -> "NDArray[np.float64]":
        """Return the probability of each class (B, K) by the rule `bayes`, of images (B, D)."""
        evidence, parameters = self.bayes_inputs(tree, features)
        posterior: NDArray[np.float64] = to_numpy(RULES["bayes"].scores(evidence, parameters))
        return posterior

    def compare(self, tree: Tree, rules: Sequence[DecisionRule], *, sealed: bool) -> tuple[FittedRule, Comparison]:
        """Return the decision rule chosen on the dev split, and the `rules` section of the score document.

        Args:
            tree: without errors.
            rules: the first is the one the others are compared with.
            sealed: do not evaluate the test split.
        """
        names = any(rule.uses_names for rule in rules)
        dev, test = self.splits["dev"], self.splits["test"]
        dev_inputs = (self._inputs(tree, "dev", names=names), dev.labels)
        if sealed:
            return compare_rules(rules, dev_inputs, None)
        return compare_rules(rules, dev_inputs, (self._inputs(tree, "test", names=names), test.labels))

    def baseline(self, data: SplitData) -> tuple[int, ...]:
        """Predict by class name alone, in the domain's name template."""
        split = next(name for name, each in self.splits.items() if each is data)
        return tuple(to_numpy(self.baseline_logits(split)).argmax(1).tolist())

    def baseline_logits(self, split: str) -> Array:
        """Return the class-name similarities (B, K) of a split, whose softmax are the baseline's probabilities."""
        features, compute = self.splits[split].features, self.domain.compute
        if compute.adapt == "lora":
            prompts = self.domain.name_prompts()
            names = self.text_features(prompts)
            rules, shown = np.eye(len(names), dtype=np.float32), [self.join.views_for(prompts)]
            questions = self.join.questions(names, (len(names),), rules, shown, self.encoder.logit_scale)
            features = self._adapted_features(questions, split)
        return self._name_logits(features)

    def _name_logits(self, features: Array) -> Array:
        """Return the class-name similarities (B, K)."""
        prompts = self.domain.name_prompts()
        names = self.text_features(prompts)
        if features.ndim > 2:
            return self.join.name_answers(features, names, self.encoder.logit_scale, prompts)
        return scoring.similarity_logits(features, names, self.encoder.logit_scale)

    def score(self, tree: Tree, parent: Tree | None = None, *, sealed: bool = False) -> Score:
        """Return the score document of a tree (`schemas/score.schema.json`).

        Args:
            tree: without errors.
            parent: the revision it came from, for the paired test.
            sealed: leave out the sections on the test split, which is not evaluated.

        Raises:
            ProblemsError: a prompt is longer than the encoder's context, or the tree does not fit the domain.
        """
        check_lengths(tree, self.domain.name_prompts(), self.encoder)
        decision = self.decide(tree)
        encoder: ScoredBy = {
            "name": self.encoder.name,
            "fingerprint": self.encoder.fingerprint,
            "logit_scale": self.encoder.logit_scale,
            "precision": self.encoder.precision,
            "device": self.encoder.device,
        }
        if self.encoder.scale_assumed:
            encoder["logit_scale_assumed"] = True
        score: dict[str, Any] = {
            "$schema": SCORE_SCHEMA,
            "domain": self.domain.name,
            "tree": digest_of(tree),
            "encoder": encoder,
            "decision_rule": decision.rule.name,
            **({"decision_parameters": dict(decision.parameters)} if decision.parameters else {}),
            **({} if self.domain.compute.plain else {"compute": compute_json(self.domain.compute)}),
            "images": self._images_json,
            **({} if sealed else self._tested(tree, parent, decision)),
            "dev": {**self.diagnose(tree), **self._calibrated_on_dev(tree, decision)},
        }
        return cast(Score, score)  # the keys stand in the order of the schema, which a typed literal cannot keep

    def _tested(self, tree: Tree, parent: Tree | None, decision: FittedRule) -> TestSplit:
        """Return the sections on the test split."""
        test, by_name = self.splits["test"], self.baseline(self.splits["test"])
        baseline = accuracy_of(test.labels, by_name, test.clusters)
        classifier = self._classifier(tree, decision, names=decision.rule.uses_names)
        labels, limits = np.asarray(test.labels), self.set_limits(tree, LEVEL)
        columns, start = [], 0
        features = self.features(tree, "test")
        for scores in classifier.score_slices(features):  # (B, K) of all test images may not fit into memory
            end, members = start + len(scores), limits.members(scores)
            covered = members[np.arange(len(scores)), labels[start:end]]
            columns.append((scores.argmax(1), scores.max(1), covered, members.sum(1)))
            start = end
        found, confidences, covered, sizes = map(np.concatenate, zip(*columns, strict=True))
        predictions = self._remember(tree, found)
        before = None if parent is None else self.predict_test(parent)
        return {
            "test": accuracy_of(test.labels, predictions, test.clusters),
            "baseline": {**baseline, "name_template": self.domain.name_template},
            "controls": self._controls(tree, predictions, decision),
            "sets": coverage(limits, covered, sizes, test.clusters),
            **_calibration(decision, confidences, found == labels),
            **comparisons(test.labels, predictions, baseline=by_name, parent=before, clusters=test.clusters),
        }

    def set_limits(self, tree: Tree, level: float) -> SetLimits:
        """Fit the thresholds of prediction sets on the dev split.

        Args:
            tree: without errors.
            level: share of images whose set is to have the true class, 0 to 1.
        """
        dev = self.splits["dev"]
        return set_limits(self.held_out_scores(tree), dev.labels, level, dev.clusters)

    def held_out_scores(self, tree: Tree) -> "NDArray[np.floating]":
        """Return the scores of the dev split (B, K), each by what the decision rule learns on other images."""
        dev, decision = self.splits["dev"], self.decide(tree)
        return scores_of_held_out(decision, self._inputs(tree, "dev", names=decision.rule.uses_names), dev.labels)

    def _calibrated_on_dev(self, tree: Tree, decision: FittedRule) -> Calibrated:
        """Return the `calibration` of the dev split, if the rule gives probabilities."""
        if not decision.rule.probabilities:
            return {}
        scores, labels = self.held_out_scores(tree), np.asarray(self.splits["dev"].labels)
        return _calibration(decision, scores.max(1), scores.argmax(1) == labels)

    def predict_test(self, tree: Tree) -> tuple[int, ...]:
        """Predict with a tree on the test split. The last results are kept, including the next revision's parent."""
        if tree not in self._predictions:
            decision = self.decide(tree)
            classifier = self._classifier(tree, decision, names=decision.rule.uses_names)
            self._remember(tree, classifier.predict(self.features(tree, "test")))
        return self._predictions[tree]

    def _remember(self, tree: Tree, predictions: "NDArray[np.int64]") -> tuple[int, ...]:
        _forget(self._predictions)
        self._predictions[tree] = tuple(predictions.tolist())
        return self._predictions[tree]

    def diagnose(self, tree: Tree) -> Diagnosis:
        """Return the `dev` entry of the score document: all that feedback and language models may see."""
        dev = self.splits["dev"]
        answers = self.answer(tree, self.features(tree, "dev"))
        looks = look_recalls(dev.images, self.domain.classes, dev.labels, answers.predictions)
        entry = {
            **accuracy_of(dev.labels, answers.predictions, dev.clusters),
            **diagnose(
                tree,
                self.domain.classes,
                dev.labels,
                answers.predictions,
                answers.probabilities,
                evidence=answers.evidence,
                decision=answers.decision,
                memo=self._found,
                clusters=dev.clusters,
            ),
            "fit": least_fit(answers.scores, dev.labels),
            "label_errors": self._label_errors(answers),
            **({"looks": looks} if looks else {}),
        }
        return cast(Diagnosis, entry)  # mypy cannot see which keys the parts lack

    def _label_errors(self, answers: Answers) -> list[DoubtfulLabel]:
        """Return the images of the dev split whose answers contradict their label in every group."""
        assert self.domain.images is not None
        dev, classes, root = self.splits["dev"], self.domain.classes, self.domain.images.root
        return [
            {
                "path": dev.images[doubt.index].below(root),
                "label": classes[dev.labels[doubt.index]],
                "looks_like": classes[answers.predictions[doubt.index]],
                "groups": doubt.groups,
                "agreeing": doubt.agreeing,
            }
            for doubt in find_label_errors(answers.evidence, dev.labels, answers.predictions)
        ]

    def preview(self, tree: Tree, variants: Sequence[Variant]) -> tuple[Preview, ...]:
        """Preview the effect of several changed trees on the dev split, compared with the current tree.

        Args:
            tree: the current tree, with or without errors.
            variants: trees, or lists of changes; one that cannot be scored says why in its preview.
        """
        dev, current = self.splits["dev"], {group.fill() for group in tree.groups}
        compute, join = self.domain.compute, self.join
        unseen = lru_cache(maxsize=64)(
            lambda question: self._answer_of(question, join.views_for(question), LruMemo())[1]
        )
        additive = self.domain.decision.rule == "mean" and compute.adapt == "none" and not compute.exclude
        context = PreviewContext(
            labels=dev.labels,
            clusters=dev.clusters,
            classes=self.domain.classes,
            embed=self.text_features,
            ask=lambda question: (
                self._answer_of(question, join.views_for(question), self._answers)[1]
                if question in current
                else unseen(question)
            ),
            obstacle=self.obstacle,
            progress=self._progress,
            predict=None if additive else partial(self._predict_dev, tree),
            predict_looks=partial(self._predict_dev, tree),
        )
        return preview(context, tree, variants)

    def _predict_dev(self, current: Tree, tree: Tree) -> "NDArray[np.int64]":
        """Return predictions (B) on the dev split; on the features of the current tree, which take long to adapt."""
        judged_by = tree if self.obstacle(current) else current
        return np.asarray(self.answer(tree, self.features(judged_by, "dev")).predictions)

    def paired_dev(self, tree: Tree, base: Tree) -> tuple[Paired, int]:
        """Compare a tree with another on the dev split; return the test, and how many images the other gets right."""
        before, after = self._dev_right(base), self._dev_right(tree)
        return paired_change(after.astype(np.int64) - before, self.splits["dev"].clusters), int(before.sum())

    def _dev_right(self, tree: Tree) -> "NDArray[np.bool_]":
        """Return which images of the dev split (B) a tree gets right; kept for the last trees."""
        key = (self.decide(tree).words, tree)
        if key not in self._right:
            _forget(self._right)
            dev = self.splits["dev"]
            self._right[key] = np.equal(self.answer(tree, dev.features).predictions, dev.labels)
        return self._right[key]

    def mistakes(self, tree: Tree) -> tuple[Mistake, ...]:
        """Return the misclassified images of the dev split, with every group's vote.

        Raises:
            ProblemsError: the tree does not fit the domain, or an index is out of range.
        """
        dev = self.splits["dev"]
        answers = self.answer(tree, self.features(tree, "dev"))
        return find_mistakes(
            tree,
            self.domain.classes,
            dev.images,
            dev.labels,
            answers.predictions,
            answers.probabilities,
            answers.scores,
            answers.evidence.matrix,
        )

    def observe(self, tree: Tree) -> Observations:
        """Return the answers on every image of the dev split.

        Raises:
            ProblemsError: the tree does not fit the domain, or an index is out of range.
        """
        dev = self.splits["dev"]
        answers = self.answer(tree, self.features(tree, "dev"))
        groups = group_predictions(tree, self.domain.classes, dev.labels, answers.probabilities, self._found)
        return Observations(
            images=dev.images, classes=self.domain.classes, predictions=answers.predictions, groups=tuple(groups)
        )

    def obstacle(self, tree: Tree, valid: Tree | None = None) -> str:
        """Return why a tree cannot be scored, in a sentence; empty if it can. `valid` is a tree like it that can."""
        problems: tuple[Problem, ...] = ()
        if valid is None or not still_valid(valid, tree):
            checked = check_data(content_of(tree), classes=self.domain.classes, domain=self.domain.name)
            problems = errors_of(checked.problems)
        if not problems:
            problems = tuple(length_problems(tree, self.encoder))
        more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
        return f"{problems[0].code} {problems[0].pointer or '/'}: {problems[0].message}{more}" if problems else ""

    @cached_property
    def _images_json(self) -> ScoredImages:
        assert self.domain.images is not None
        labels = {image.label for image in self.images.images}
        root = self.domain.images.root  # relative paths: a score kept in git names no machine's folders
        return {
            "digest": self.images.digest,
            "test": len(self.splits["test"].labels),
            "dev": len(self.splits["dev"].labels),
            "split": {
                "dev": self.domain.split.dev,
                "seed": self.domain.split.seed,
                "by": self.domain.split.by,
                "digest": digest_of_splits({i.digest: name for name, data in self.splits.items() for i in data.images}),
            },
            **self._clusters_json,
            "classes_without_images": [name for k, name in enumerate(self.domain.classes) if k not in labels],
            "skipped": [{"path": s.below(root), "reason": s.reason} for s in self.images.skipped],
            "files": {"below": below(root, self.domain.folder), **self.images.files.as_json()},
        }

    @property
    def _clusters_json(self) -> ClusterCounts:
        found = {name: data.clusters for name, data in self.splits.items()}
        counts = {name: len(set(clusters)) for name, clusters in found.items() if clusters is not None}
        splits = self.splits
        if not counts:
            return {}
        return {"clusters": {name: counts.get(name, len(data.images)) for name, data in splits.items()}}

    def _controls(self, tree: Tree, predictions: Sequence[int], decision: FittedRule) -> Controls:
        """Compute the controls: chance, rules permuted across classes in two ways, random words as options."""
        test, worded = self.splits["test"], list[float]()
        classifier = self._classifier(tree, names=decision.rule.uses_names)
        for seed in range(WORD_SEEDS):
            self._progress("asking random words", seed, WORD_SEEDS)
            drawn = self.predict_test(with_random_words(tree, seed))  # independent of an option's wording
            worded.append(accuracy_of(test.labels, drawn)["accuracy"])
        self._progress("asking random words", WORD_SEEDS, WORD_SEEDS)

        features = self.features(tree, "test")

        def asked(rows: Sequence[int]) -> RuleInputs:
            return classifier.evidence(features[list(rows)])

        return {
            **shuffled_controls(decision, classifier.matrix, test.labels, predictions, asked),
            "random_words": spread(len(test.labels), worded),
        }


def _forget(results: dict[Any, Any]) -> None:
    """Make room for the result of one more tree."""
    for old in list(results)[: -_MOST_RESULTS + 1]:
        del results[old]


def _calibration(decision: FittedRule, confidences: "NDArray[np.floating]", right: "NDArray[np.bool_]") -> Calibrated:
    """Return the `calibration` of the best scores (B), if they are probabilities."""
    return {"calibration": calibration_of(confidences, right)} if decision.rule.probabilities else {}
