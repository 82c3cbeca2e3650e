"""A sketchbook that is scored already, and a made-up report with names that attack."""

import re
import shutil
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest

from tests.conftest import TREE
from treegen.clip import scoring
from treegen.clip.decisions import MEAN, RuleInputs
from treegen.clip.diagnosis.diagnose import diagnose
from treegen.clip.diagnosis.group_report import group_predictions
from treegen.clip.diagnosis.mistakes import find_mistakes
from treegen.clip.metrics.accuracy import accuracy_of, comparisons, spread
from treegen.config.domain import Domain, load_domain
from treegen.history.store import Revision
from treegen.images import LabelledImage
from treegen.report.document import Report, compose
from treegen.report.evaluation import Evaluation, SplitPredictions
from treegen.report.revisions import History, RevisionEntry, Usage
from treegen.tree.document import digest_of
from treegen.tree.model import ClassRule, Group, Tree
from treegen.workflow.score import ScoreResult, score_tree
from treegen.workflow.workspace import Workspace

EARLIER = TREE.replace('"stripes", "spots"', '"fur", "scales"').replace("This creature is {}.", "It is {}.")


@pytest.fixture(scope="session")
def scored(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sketchbook with two scored revisions, the later one in the file; read only."""
    folder = Path(shutil.copytree(drawn, tmp_path_factory.mktemp("scored") / "sketchbook"))
    for text in (EARLIER, TREE):
        (folder / "tree.json").write_text(text, encoding="utf-8")
        with Workspace(folder / "tree.json") as workspace:
            score_tree(workspace)
    (folder / "earlier.json").write_text(EARLIER, encoding="utf-8")
    return folder


@pytest.fixture
def project(scored: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of `scored` to work in, as the current folder."""
    folder = Path(shutil.copytree(scored, tmp_path / "project"))
    monkeypatch.chdir(folder)
    return folder


#: HTML, script, an attribute that is closed, bidi control, a terminal's escape, Markdown, a template.
HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(2)>',
    "safe\u202egnp.exe",
    "red\x1b[31m",
    "`code` | **bold** @octocat #1 [x](http://evil.example)",
    "{{ 7 * 7 }}{% raw %}",
    "' onmouseover='alert(3)",
    "-->",
)


def markup_of(markdown: str) -> str:
    """Markdown without its code spans, in which nothing is markup, and without what is escaped."""
    spans = re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "CODE", markdown)
    return re.sub(r"\\.", "ESCAPED", spans)


def made_up(
    folder: Path,
    names: tuple[str, ...],
    *,
    classes: int,
    groups: int,
    options: int,
    images: int,
    signal: float = 2.0,
    silent: bool = False,
) -> Report:
    """A report on random answers; the given names come first among classes, groups and options.

    With a signal of 0 the answers know nothing of the images, and nearly all are classified wrongly. If `silent`, no
    class says anything about the first group.
    """

    def named(kind: str, count: int) -> tuple[str, ...]:
        return tuple((names[i] if i < len(names) else f"{kind} number {i}") for i in range(count))

    rng, draw = np.random.default_rng(0), Random(0)
    tree = Tree(
        domain="pond",
        groups=tuple(
            Group(name=name, prompt=f"{name} {{}}", options=named("an option of it with the", options))
            for name in named("the group", groups)
        ),
        rules=tuple(
            ClassRule(
                name=name,
                answers=tuple(
                    (group, None if silent and not number else draw.randrange(options))
                    for number, group in enumerate(named("the group", groups))
                ),
            )
            for name in named("the class", classes)
        ),
    )
    domain = _domain(folder, tree)
    labels = tuple(i % classes for i in range(images))
    logits = rng.normal(size=(images, groups * options)).astype(np.float32)
    matrix = scoring.rule_matrix(tree)
    logits += signal * matrix[list(labels)] * rng.integers(0, 2, size=logits.shape)
    sizes = (options,) * groups
    probabilities = scoring.group_probabilities(logits, sizes)
    evidence = RuleInputs(
        logits=logits, probabilities=probabilities, matrix=matrix, groups=tree.classes[:0], sizes=sizes, names=None
    )
    scores = MEAN.scores(evidence)
    predictions = tuple(scores.argmax(1).tolist())
    pictures = tuple(
        LabelledImage(path=folder / f"{names[i % len(names)] if names else 'image'} {i}.png".replace("/", "_"), label=k)
        for i, k in enumerate(labels)
    )
    baseline = tuple(rng.integers(0, classes, size=images).tolist())
    side = SplitPredictions(images=pictures, labels=labels, predictions=predictions, baseline=baseline)
    evaluation = Evaluation(
        name=names[0] if names else "tree.json",
        tree=tree,
        encoder="made up",
        fingerprint="sha256:0",
        rule="mean",
        dev=side,
        test=side,
        groups=tuple(group_predictions(tree, tree.classes, labels, probabilities)),
    )
    own = accuracy_of(labels, predictions)
    score: Any = {
        "domain": "pond",
        "tree": digest_of(tree),
        "encoder": {
            "name": "made up",
            "fingerprint": "sha256:0",
            "logit_scale": 1.0,
            "precision": "fp32",
            "device": "cpu",
        },
        "decision_rule": "mean",
        "images": {
            "digest": "sha256:1",
            "dev": images,
            "test": images,
            "split": {"dev": 0.5, "seed": 0},
            "skipped": [{"path": name, "reason": name} for name in names],
            "classes_without_images": list(names),
        },
        "test": own,
        "baseline": {**accuracy_of(labels, baseline), "name_template": "a {noun} called {name}"},
        "controls": {
            "chance": own,
            "random_words": spread(images, [0.1]),
            "shuffled_rules": {**spread(images, [0.1]), "p": 0.005},
        },
        **comparisons(labels, predictions, baseline=baseline, parent=baseline),
        "dev": {
            **own,
            **diagnose(tree, tree.classes, labels, predictions, probabilities, evidence=evidence),
        },
    }
    mistakes = find_mistakes(tree, tree.classes, pictures, labels, predictions, probabilities, scores, matrix)
    entry = RevisionEntry(
        revision=Revision(id=1, parent=None, author="llm", note=" ".join(names), digest="", tree="", created=""),
        dev=own,
        test=own,
        against_parent=None,
        p_holm=None,
        encoder="made up",
        comparable=True,
        changes=names,
        more=3,
        usage=Usage(calls=2, tokens=1234, cost=0.01, unknown=1),
        current=True,
    )
    history = History(entries=(entry, replace(entry, current=False)), earlier=1, comparisons=2, usage=entry.usage)
    scored = ScoreResult(revision=entry.revision, score=score, notes=names)
    return compose(domain, evaluation, mistakes, scored, history, pictures=0)


def _domain(folder: Path, tree: Tree) -> Domain:
    (folder / "domain.toml").write_text('name = "pond"\nnoun = "animal"\nclasses = ["a", "b"]\n', encoding="utf-8")
    return replace(load_domain(folder), classes=tree.classes)


@pytest.fixture
def hostile(tmp_path: Path) -> Report:
    """A report in which every name attacks."""
    return made_up(tmp_path, HOSTILE, classes=9, groups=9, options=9, images=90)
