"""The score document: its schema, its numbers against loops over files, and what they must not depend on."""

import hashlib
import json
import math
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from statistics import fmean
from typing import Any

import pytest
from PIL import Image

from treegen.clip.classifier import TreeClassifier
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.clip.encoders.open_clip import OpenClipEncoder
from treegen.clip.evaluator import WORD_SEEDS, Evaluator
from treegen.clip.metrics.controls import SHUFFLES, with_random_words
from treegen.clip.metrics.statistics import (
    mcnemar_exact,
    minimum_detectable_effect,
    shuffled_accuracies,
    wilson_interval,
)
from treegen.config.domain import Domain
from treegen.errors import ProblemsError
from treegen.history.score_document import Score
from treegen.images import LabelledImage, divide
from treegen.resources import read_schema
from treegen.tree.document import digest_of
from treegen.tree.model import ClassRule, Tree
from treegen.tree.validation.schema import schema_problems

Evaluate = Callable[..., Evaluator]


def assert_valid(document: Score) -> None:
    assert schema_problems(document, "score") == []
    assert json.loads(json.dumps(document, allow_nan=False)) == document


def other_tree(tree: Tree) -> Tree:
    """A revision whose answers differ enough to win and lose images."""
    moved = tuple(replace(rule, answers=tree.rules[r - 1].answers) for r, rule in enumerate(tree.rules))
    return replace(tree, rules=moved)


@dataclass(frozen=True)
class Slow:
    """Everything again in loops, from the files on: no cache, no matrix, no batch."""

    domain: Domain
    encoder: Any

    def part(self, name: str) -> list[tuple[Path, int]]:
        """Path and label of every picture of a part."""
        files = [
            (path, label)
            for label, own in enumerate(self.domain.classes)
            for path in sorted((self.domain.folder / "images" / own).glob("*.png"))
        ]
        images = [
            LabelledImage(path=path, label=label, digest=hashlib.sha256(path.read_bytes()).hexdigest())
            for path, label in files
        ]
        parts = divide(images, self.domain.classes, self.domain.split, {})
        return [(image.path, image.label) for image in images if parts[image.digest] == name]

    def similarity(self, path: Path, text: str) -> float:
        """The scaled cosine of a picture, which is kept in 16 bits, and a text."""
        with Image.open(path) as picture:
            image = _kept(self.encoder.encode_images([picture])[0].tolist())
        words = self.encoder.encode_texts([text])[0].tolist()
        return float(self.encoder.logit_scale * sum(x * t for x, t in zip(image, words, strict=True)))

    def predict(self, tree: Tree, path: Path) -> int:
        """The class with the largest mean of its options' probabilities."""
        given: dict[str, list[float]] = {name: [] for name in self.domain.classes}
        for group in tree.groups:
            raised = [math.exp(self.similarity(path, text)) for text in group.fill()]
            for rule in tree.rules:
                index = rule.get(group.name)
                given[rule.name] += [] if index is None else [raised[index] / sum(raised)]
        means = [sum(some) / len(some) for some in given.values()]
        return means.index(max(means))

    def name(self, path: Path) -> int:
        """The class whose name fits best."""
        logits = [self.similarity(path, text) for text in self.domain.name_prompts()]
        return logits.index(max(logits))


def _kept(vector: Sequence[float]) -> list[float]:
    rounded = [struct.unpack("e", struct.pack("e", x))[0] for x in vector]
    length = math.sqrt(sum(x * x for x in rounded))
    return [x / length for x in rounded]


def slow_accuracy(labels: Sequence[int], predictions: Sequence[int]) -> dict[str, Any]:
    correct = sum(t == p for t, p in zip(labels, predictions, strict=True))
    recalls = [fmean(p == k for t, p in zip(labels, predictions, strict=True) if t == k) for k in sorted(set(labels))]
    return {
        "n": len(labels),
        "correct": correct,
        "accuracy": correct / len(labels),
        "interval": list(wilson_interval(correct, len(labels))),
        "mean_per_class_recall": pytest.approx(fmean(recalls)),
    }


def slow_pairing(labels: Sequence[int], new: Sequence[int], old: Sequence[int]) -> dict[str, Any]:
    wins = losses = 0
    for label, n, o in zip(labels, new, old, strict=True):
        wins += n == label and o != label
        losses += o == label and n != label
    assert wins + losses > 0
    difference = pytest.approx((wins - losses) / len(labels))
    return {"wins": wins, "losses": losses, "difference": difference, "p": mcnemar_exact(wins, losses)}


@pytest.fixture
def slow(domain: Domain, make_encoder: Callable[[int], Any]) -> Slow:
    return Slow(domain, make_encoder(0))


def test_the_document_satisfies_its_schema_with_and_without_a_parent(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    evaluator = evaluate(domain)
    alone, paired = evaluator.score(tree), evaluator.score(tree, parent=other_tree(tree))
    assert_valid(alone)
    assert_valid(paired)
    assert alone["mcnemar"]["parent"] is None
    assert paired["mcnemar"]["parent"] is not None


def test_a_session_of_edits_says_what_each_tree_alone_is_told(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    """To the last bit: what is remembered of the groups that stayed is what would be found anew."""
    first = tree.groups[0]
    reworded = replace(tree, groups=(replace(first, options=("crimson", *first.options[1:])), *tree.groups[1:]))
    turned = replace(tree, groups=tree.groups[::-1])
    session = evaluate(domain)
    for edited in (tree, reworded, other_tree(reworded), turned, tree):
        assert session.score(edited, tree) == evaluate(domain).score(edited, tree)
        assert session.mistakes(edited) == evaluate(domain).mistakes(edited)
        assert session.preview(tree, [edited]) == evaluate(domain).preview(tree, [edited])


def _objects(schema: Any) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        if "properties" in schema and isinstance(schema.get("required"), list):
            yield schema
        for inner in schema.values():
            yield from _objects(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _objects(inner)


#: Keys that scores of earlier versions do not have, or that only some have: a sealed one has none of the test split.
OPTIONAL = {
    *("test", "baseline", "controls", "mcnemar", "minimum_detectable_effect", "recall_difference", "test_looks"),
    *("by", "digest"),  # of the split
    "reason",  # why the mean recall has no interval
    *("decision_parameters", "rules", "shuffled_columns", "test_against", "separated_by", "cost", "advice", "fit"),
    *("compute", "adapt", "exclude"),
    *("logit_scale_assumed", "files", "sets", "label_errors", "luck", "clusters", "standard_error", "looks"),
    *("balanced_accuracy", "confusion", "calibration", "information", "shared", "pairs", "together", "without"),
}


def test_the_schema_describes_every_key_requires_it_and_allows_no_other() -> None:
    schema = json.loads(read_schema("score"))
    objects, optional = list(_objects(schema)), set[str]()
    assert (schema["$id"], len(objects)) == ("urn:treegen:score:1", 49)
    for entry in objects:
        assert entry["additionalProperties"] is False
        left = set(entry["properties"]) - set(entry["required"])
        assert set(entry["required"]) <= set(entry["properties"])
        optional |= left
    assert optional == OPTIONAL
    for entry in objects:
        assert all(inner["description"].strip() for inner in entry["properties"].values())


@pytest.mark.parametrize(
    ("change", "code", "pointer"),
    [
        (lambda d: d.update(note="x"), "TG105", "/note"),
        (lambda d: d["test"].pop("n"), "TG104", "/test"),
        (lambda d: d["test"].update(accuracy=float("nan"), interval=[0.1]), "TG106", "/test/interval"),
        (lambda d: d["mcnemar"].update(baseline=None), "TG103", "/mcnemar/baseline"),
        (lambda d: d["dev"]["groups"][0].update(extra=1), "TG105", "/dev/groups/0/extra"),
        (lambda d: d["encoder"].update(fingerprint="sha256:0"), "TG106", "/encoder/fingerprint"),
    ],
)
def test_the_schema_refuses_what_is_no_score(
    domain: Domain, tree: Tree, evaluate: Evaluate, change: Callable[[Any], object], code: str, pointer: str
) -> None:
    document = evaluate(domain).score(tree)
    change(document)
    assert (code, pointer) in {(p.code, p.pointer) for p in schema_problems(document, "score")}


def test_the_test_part_equals_a_slow_recomputation_from_the_files(
    domain: Domain, tree: Tree, evaluate: Evaluate, slow: Slow
) -> None:
    files = slow.part("test")
    labels = [label for _, label in files]
    predictions = [slow.predict(tree, path) for path, _ in files]
    names = [slow.name(path) for path, _ in files]
    before = [slow.predict(other_tree(tree), path) for path, _ in files]
    found = evaluate(domain).score(tree, parent=other_tree(tree))
    assert len(labels) == 13
    assert found["test"] == slow_accuracy(labels, predictions)
    assert found["baseline"] == {**slow_accuracy(labels, names), "name_template": "a {noun} called {name}"}
    against = {
        "baseline": slow_pairing(labels, predictions, names),
        "parent": slow_pairing(labels, predictions, before),
    }
    assert found["mcnemar"] == against
    discordant = (against["parent"]["wins"] + against["parent"]["losses"]) / 13
    effect = minimum_detectable_effect(13, discordant)
    assert found["minimum_detectable_effect"] == {
        "difference": effect,
        "discordant": discordant,
        "alpha": 0.05,
        "power": 0.8,
    }


def test_the_dev_part_equals_a_slow_recomputation_from_the_files(
    domain: Domain, tree: Tree, evaluate: Evaluate, slow: Slow
) -> None:
    files = slow.part("dev")
    labels, predictions = [label for _, label in files], [slow.predict(tree, path) for path, _ in files]
    found = evaluate(domain).score(tree)["dev"]
    assert {key: found[key] for key in ("n", "correct", "accuracy", "interval", "mean_per_class_recall")} == (
        slow_accuracy(labels, predictions)
    )
    recalls = {entry["name"]: (entry["n"], entry["recall"]) for entry in found["classes"]}
    for k, name in enumerate(domain.classes):
        own = [p == k for t, p in zip(labels, predictions, strict=True) if t == k]
        assert recalls[name] == (len(own), pytest.approx(fmean(own)) if own else None)
    rules = {rule.name: rule for rule in tree.rules}
    for group, entry in zip(tree.groups, found["groups"], strict=True):
        right = []
        for path, label in files:
            expected = rules[domain.classes[label]].get(group.name)
            logits = [slow.similarity(path, text) for text in group.fill()]
            if expected is not None:
                right.append(logits.index(max(logits)) == expected)
        assert (entry["n"], entry["accuracy"]) == (len(right), pytest.approx(fmean(right)))


def test_the_diagnosis_alone_is_the_dev_part_of_the_score_and_needs_no_test_picture(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    evaluator = evaluate(domain)
    document = evaluator.score(tree)
    del evaluator.splits["test"]
    assert evaluator.diagnose(tree) == document["dev"]


def test_the_controls_equal_a_slow_recomputation_from_the_files(
    domain: Domain, tree: Tree, evaluate: Evaluate, slow: Slow
) -> None:
    files = slow.part("test")
    labels, predictions = [label for _, label in files], [slow.predict(tree, path) for path, _ in files]
    found = evaluate(domain).score(tree)["controls"]
    assert found["chance"] == {"n": 13, "accuracy": 0.2, "interval": list(wilson_interval(2.6, 13))}
    shuffled = sorted(shuffled_accuracies(labels, predictions, 5, SHUFFLES))
    correct, as_good = sum(t == p for t, p in zip(labels, predictions, strict=True)), 0
    for seed in range(SHUFFLES):
        owner = list(range(5))
        Random(seed).shuffle(owner)
        as_good += sum(owner[p] == t for t, p in zip(labels, predictions, strict=True)) >= correct
    assert 0 < as_good < SHUFFLES
    assert found["shuffled_rules"] == {
        "n": 13,
        "seeds": 200,
        "accuracy": pytest.approx(fmean(shuffled)),
        "interval": [shuffled[5], shuffled[194]],
        "p": (as_good + 1) / (SHUFFLES + 1),
    }
    worded = []
    for seed in range(WORD_SEEDS):
        drawn = with_random_words(tree, seed)
        worded.append(fmean(slow.predict(drawn, path) == label for path, label in files))
    assert found["random_words"] == {
        "n": 13,
        "seeds": 5,
        "accuracy": pytest.approx(fmean(worded)),
        "interval": [min(worded), max(worded)],
    }


def test_the_document_names_tree_encoder_domain_and_split(
    domain: Domain, tree: Tree, evaluate: Evaluate, encoder: Any
) -> None:
    found = evaluate(domain).score(tree)
    assert (found["domain"], found["tree"], found["decision_rule"]) == ("notebook", digest_of(tree), "mean")
    assert found["encoder"] == {
        "name": "fake-0",
        "fingerprint": encoder.fingerprint,
        "logit_scale": 3.7,
        "precision": "fp32",
        "device": "cpu",
    }
    split: dict[str, Any] = dict(found["images"]["split"])
    assert split.pop("digest").startswith("sha256:")
    assert split == {"dev": 0.5, "seed": 3, "by": "rank"}
    assert (found["images"]["test"], found["images"]["dev"], found["images"]["skipped"]) == (13, 13, [])


def test_a_class_without_images_is_listed_and_has_no_recall(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    found = evaluate(domain).score(tree)
    assert found["images"]["classes_without_images"] == ["Ilmet"]
    assert found["dev"]["classes"][3] == {"name": "Ilmet", "n": 0, "recall": None, "interval": None, "taken_for": []}


def test_the_order_of_the_trees_classes_changes_nothing_but_its_digest(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    assert tree.classes != domain.classes
    assert set(tree.classes) == set(domain.classes)
    evaluator = evaluate(domain)
    found: list[Any] = [evaluator.score(replace(tree, rules=rules)) for rules in (tree.rules, tree.rules[::-1])]
    assert found[0].pop("tree") != found[1].pop("tree")
    assert found[0] == found[1]


def test_the_order_of_the_domains_classes_changes_no_accuracy(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    turned = evaluate(replace(domain, classes=domain.classes[::-1])).score(tree)
    found = evaluate(domain).score(tree)
    for part in ("test", "baseline", "dev"):
        assert (turned[part]["n"], turned[part]["correct"]) == (found[part]["n"], found[part]["correct"])
    assert turned["mcnemar"] == found["mcnemar"]
    recalls = [[(c["name"], c["n"], c["recall"]) for c in d["dev"]["classes"]] for d in (turned, found)]
    assert recalls[0] == recalls[1][::-1]


def test_the_logit_scale_is_the_encoders(domain: Domain, tree: Tree, evaluate: Evaluate, make_encoder: Any) -> None:
    """Features of the same fingerprint, another scale: other probabilities."""
    sharper = make_encoder(0)
    sharper.logit_scale = 50.0
    features = evaluate(domain).splits["test"].features
    plain, sharp = (evaluate(domain, encoder=e).answer(tree, features) for e in (make_encoder(0), sharper))
    assert float(sharp.probabilities.max()) > float(plain.probabilities.max())
    assert evaluate(domain, encoder=sharper).score(tree)["encoder"]["logit_scale"] == 50.0


def test_a_tree_against_itself_differs_nowhere_and_can_show_nothing(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    found = evaluate(domain).score(tree, parent=tree)
    assert found["mcnemar"]["parent"] == {"wins": 0, "losses": 0, "difference": 0.0, "p": 1.0}
    effect = found["minimum_detectable_effect"]
    assert (effect["discordant"], effect["difference"]) == (0, None)
    assert_valid(found)


def test_a_parent_with_other_groups_is_paired_on_the_same_images(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    smaller = replace(
        tree, groups=tree.groups[:1], rules=tuple(ClassRule(name=r.name, answers=r.answers[:1]) for r in tree.rules)
    )
    evaluator = evaluate(domain)
    there, back = evaluator.score(tree, parent=smaller), evaluator.score(smaller, parent=tree)
    wins, losses = (there["mcnemar"]["parent"][key] for key in ("wins", "losses"))
    assert (back["mcnemar"]["parent"]["wins"], back["mcnemar"]["parent"]["losses"]) == (losses, wins)
    assert wins - losses == there["test"]["correct"] - back["test"]["correct"]


def test_prompts_longer_than_the_context_are_all_listed_and_nothing_is_embedded(
    domain: Domain, tree: Tree, evaluate: Evaluate, encoder: Any
) -> None:
    long = replace(tree.groups[0], options=("red", " ".join(["very"] * 20), "blue", " ".join(["rather"] * 9)))
    wordy, evaluator = replace(tree, groups=(long, *tree.groups[1:])), evaluate(domain)
    with pytest.raises(ProblemsError) as caught:
        evaluator.score(wordy)
    assert "2 prompts exceed the encoder's context length" in caught.value.message
    assert caught.value.message.count("TG120 /classification_groups/colour/options/") == 2
    assert (caught.value.exit_code, encoder.texts) == (1, [])
    assert "has 26 tokens, fake-0 reads 12" in caught.value.message


def test_a_tree_without_a_rule_for_a_class_is_a_problem_that_names_it(
    domain: Domain, tree: Tree, evaluate: Evaluate
) -> None:
    with pytest.raises(ProblemsError, match='no rule for "Wendle"'):
        evaluate(domain).score(replace(tree, rules=tuple(r for r in tree.rules if r.name != "Wendle")))


@pytest.mark.slow
def test_a_real_model_scores_a_tree_and_scores_it_alike_again(
    domain: Domain, tree: Tree, evaluate: Evaluate, cache: EmbeddingCache, tiny_clip: Path
) -> None:
    documents = [
        evaluate(domain, encoder=OpenClipEncoder(f"local-dir:{tiny_clip}", device="cpu")).score(tree) for _ in range(2)
    ]
    assert documents[0] == documents[1]
    assert documents[0]["test"]["n"] == 13
    assert_valid(documents[0])


def test_what_is_kept_between_scores_changes_none(domain: Domain, tree: Tree, evaluate: Evaluate) -> None:
    """Trees enough that the first predictions are forgotten, each beside its parent, against a fresh evaluator."""
    kept, parent = evaluate(domain), tree
    for number in range(3):
        group = replace(tree.groups[number % 2], options=(f"mark {number}", *tree.groups[number % 2].options[1:]))
        groups = tuple(group if g.name == group.name else g for g in parent.groups)
        revision = replace(parent, groups=groups)
        assert kept.score(revision, parent) == evaluate(domain).score(revision, parent)
        parent = revision


def test_the_test_part_is_never_held_as_images_by_options(
    domain: Domain, tree: Tree, evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits are made a slice at a time, and of the few images that the shuffled columns ask."""
    evaluator = evaluate(domain)
    asked: list[int] = []
    plain = TreeClassifier.evidence

    def noted(classifier: TreeClassifier, features: Any) -> Any:
        asked.append(len(features))
        return plain(classifier, features)

    monkeypatch.setattr(TreeClassifier, "evidence", noted)
    monkeypatch.setattr("treegen.clip.metrics.controls._WORK", 0)  # a sample of as many images as there are classes
    monkeypatch.setattr("treegen.clip.classifier.SLICE", 4)
    evaluator.score(tree, other_tree(tree))
    assert asked == [4, 4, 4, 1, len(domain.classes)]  # the dev split is asked group by group
