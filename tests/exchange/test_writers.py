"""Text formats: what they hold, and that they are read back."""

import csv
import json
import runpy
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import TREE
from tests.exchange.conftest import Write
from treegen.clip.scoring import class_means, rule_matrix
from treegen.errors import InputError
from treegen.exchange.importing import make_tree
from treegen.exchange.writers import (
    article_text,
    clip_benchmark_files,
    csv_text,
    descriptors_text,
    prompts_of,
    python_text,
    safe_cell,
)
from treegen.tree.document import tree_from
from treegen.tree.model import ClassRule, Group, Tree

SAMPLE = tree_from(json.loads(TREE))
ODD = Tree(
    domain='Bob\'s "pond" \\ 2',
    groups=(
        Group(
            name="eyes #1", prompt='It "has" {} # eyes', options=("=red", "# 1, two", "größte 眼", "its own", 'say "x"')
        ),
        Group(name="class", prompt="{}", options=("...a", "-5", "@bob")),
    ),
    rules=(
        ClassRule(name="Ünit, a", answers=(("eyes #1", 1), ("class", None))),
        ClassRule(name="'b", answers=(("eyes #1", 0), ("class", 2))),
        ClassRule(name="=c", answers=(("eyes #1", 4), ("class", 0))),
        ClassRule(name="d", answers=(("eyes #1", 3), ("class", 1))),
        ClassRule(name="e", answers=(("eyes #1", 2), ("class", 1))),
    ),
)


@pytest.mark.parametrize("tree", [SAMPLE, ODD], ids=["sample", "odd"])
def test_the_article_is_read_back_as_the_same_tree_with_comments_that_agree(write: Write, tree: Tree) -> None:
    made = make_tree(write("a.py", article_text(tree)))
    assert made.tree == tree
    assert made.report.comments.contradictions == ()
    assert made.report.domain_from.startswith("the file's key")


NAMES = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8).filter(str.strip)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(NAMES, min_size=2, max_size=4, unique=True), NAMES, NAMES)
def test_any_tree_is_read_back_from_the_article_or_refused(
    write: Write, texts: list[str], domain: str, name: str
) -> None:
    options = tuple(t.replace("{", "").replace("}", "") or "x" for t in texts)
    rules = tuple(ClassRule(name=t, answers=((name, i),)) for i, t in enumerate(texts))
    tree = Tree(domain=domain, groups=(Group(name=name, prompt="It is {}.", options=options),), rules=rules)
    try:
        text = article_text(tree)
    except InputError:  # its text holds what the tolerant reader refuses
        return
    assert make_tree(write("a.py", text)).tree == tree


def test_a_text_that_cannot_be_read_back_is_refused() -> None:
    tree = Tree(
        domain="d",
        groups=(Group(name="g", prompt="{}", options=("a", "...")),),
        rules=(ClassRule(name="x", answers=(("g", 0),)),),
    )
    with pytest.raises(InputError, match="leaves something out"):
        article_text(tree)


def test_descriptors_are_the_filled_prompts_of_each_class() -> None:
    told = json.loads(descriptors_text(SAMPLE))
    assert told["Wendle"] == [
        "This creature's body is mainly green.",
        "This creature looks like a snake.",
        "The background behind the creature is a meadow.",
        "This creature has stripes.",
    ]
    assert list(told) == list(SAMPLE.classes)


def test_clip_benchmark_files_have_the_domain_as_dataset() -> None:
    files = {name: json.loads(text) for name, text in clip_benchmark_files(SAMPLE).items()}
    assert files == {
        "templates.json": {"sketchbook": prompts_of(SAMPLE)},
        "classnames.json": {"sketchbook": list(SAMPLE.classes)},
    }


@pytest.mark.parametrize("tree", [SAMPLE, ODD], ids=["sample", "odd"])
def test_csv_holds_the_answers_in_words(tree: Tree) -> None:
    text = csv_text(tree)
    assert text.count("\r\n") == 1 + len(tree.rules)
    head, *rows = csv.reader(StringIO(text, newline=""))
    assert all(cell[:1] not in ("=", "+", "-", "@") for row in [head, *rows] for cell in row)
    assert head[1:] == [group.name for group in tree.groups]
    for rule, (_, *cells) in zip(tree.rules, rows, strict=True):
        words = [None if (i := rule.get(g.name)) is None else g.options[i] for g in tree.groups]
        assert [cell.removeprefix("'") for cell in cells] == [word or "" for word in words]


@pytest.mark.parametrize(
    "formula", ["=1", "+1", "-1", "@SUM(1)", "\t=1", "\n=1", "\uff1d1", "\uff0b1", "\uff0d1", "\uff20A1"]
)
def test_no_cell_of_csv_is_a_formula(formula: str) -> None:
    """Some spreadsheets take the full-width signs for the others."""
    assert safe_cell(formula) == f"'{formula}"


def test_the_module_stands_alone_and_scores_as_treegen_does(tmp_path: Path) -> None:
    """Byte-compiles, is clean for ruff and mypy, and gives the mean rule's scores."""
    import numpy as np

    draw = np.random.default_rng(0)
    for number, tree in enumerate((SAMPLE, ODD)):
        path = tmp_path / f"module{number}.py"
        path.write_text(python_text(tree), encoding="utf-8")
        found = runpy.run_path(str(path))
        assert [t for texts in found["filled_prompts"]().values() for t in texts] == list(tree.prompts())
        parts = [draw.dirichlet(np.ones(len(g.options))) for g in tree.groups]
        scores = found["class_scores"]({g.name: p.tolist() for g, p in zip(tree.groups, parts, strict=True)})
        expected = class_means(np.concatenate(parts)[None], rule_matrix(tree))[0]
        assert list(scores) == list(tree.classes)
        assert np.allclose(list(scores.values()), expected, atol=1e-5)
        with pytest.raises(ValueError, match="probabilities"):
            found["class_scores"]({})
    for tool in (["ruff", "check", "--isolated", "--select", "E,F,W,I,B,UP,D1"], ["mypy", "--strict"]):
        done = subprocess.run([sys.executable, "-m", *tool, str(path)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
