"""Cost of previewing the changes of a proposal: all previews against one evaluation of the tree from scratch.

One process, random vectors from a seed, images embedded beforehand as in a review session. Times are those of the
processor. Goal: 200 single changes on 10,000 images and 200 options in under a second.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import numpy as np

from treegen.clip import scoring
from treegen.clip.arrays import softmax
from treegen.clip.memo import LruMemo
from treegen.clip.preview import PreviewContext, preview
from treegen.tree.changes import Change, OptionRenamed, PromptChanged, RuleChanged, apply
from treegen.tree.document import content_of
from treegen.tree.model import ClassRule, Group, Tree
from treegen.tree.validation.checks import check_data
from treegen.tree.validation.fast_path import still_valid
from treegen.tree.validation.problems import errors_of

WIDTH = 512
Ask = Callable[[Sequence[str]], np.ndarray]


def example_tree(classes: int, groups: int, options: int) -> Tree:
    """Random rules; what they say does not matter for the time."""
    random = Random(0)
    tree_groups = tuple(
        Group(name=f"group {g}", prompt=f"It is {g} {{}}.", options=tuple(f"word {g}.{o}" for o in range(options)))
        for g in range(groups)
    )
    rules = tuple(
        ClassRule(name=f"class {k}", answers=tuple((g.name, random.randrange(options)) for g in tree_groups))
        for k in range(classes)
    )
    return Tree(domain="many", groups=tree_groups, rules=rules)


def single_changes(tree: Tree, count: int) -> list[list[Change]]:
    """Return changes of an option, a rule and a prompt, in turn."""
    result: list[list[Change]] = []
    for number in range(count):
        group, rule = tree.groups[number % len(tree.groups)], tree.rules[number % len(tree.rules)]
        word, others = tree.word(rule, group.name), group.options
        changes: list[Change] = [
            OptionRenamed(group=group.name, old=others[0], new=f"new word {number}"),
            RuleChanged(class_name=rule.name, group=group.name, old=word, new=others[others[0] == word]),
            PromptChanged(group=group.name, old=group.prompt, new=f"It seems {number} {{}}."),
        ]
        result.append([changes[number % 3]])
    return result


class Embedded:
    """Vectors of texts, drawn from a seed and kept: what the evaluator's cache is in a session."""

    def __init__(self) -> None:
        self._vectors: dict[str, np.ndarray] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        for text in texts:
            if text not in self._vectors:
                drawn = np.random.default_rng(hash(text) % 2**31).standard_normal(WIDTH, np.float32)
                self._vectors[text] = drawn / np.linalg.norm(drawn)
        return np.stack([self._vectors[t] for t in texts])


def evaluate(ask: Ask, tree: Tree) -> Any:
    """One tree from scratch, its texts and images embedded already."""
    probabilities = np.concatenate([ask(group.fill()) for group in tree.groups]).T
    return scoring.class_means(probabilities, scoring.rule_matrix(tree)).argmax(1)


def timed(repeats: int, function: Any, *arguments: Any) -> float:
    """Return the median processor time in seconds, which does not depend on what else the machine does."""
    times = []
    for _ in range(repeats):
        began = time.process_time()
        function(*arguments)
        times.append(time.process_time() - began)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of previews as a multiple of one evaluation.")
    parser.add_argument("--images", type=int, default=10_000)
    parser.add_argument("--classes", type=int, default=100)
    parser.add_argument("--groups", type=int, default=20)
    parser.add_argument("--options", type=int, default=10, help="of each group")
    parser.add_argument("--changes", type=int, nargs="+", default=[20, 200])
    args = parser.parse_args()
    tree = example_tree(args.classes, args.groups, args.options)
    features = np.random.default_rng(0).standard_normal((args.images, WIDTH), np.float32)
    features = np.asfortranarray(features / np.linalg.norm(features, axis=1, keepdims=True))  # as the evaluator does

    def obstacle(changed: Tree, valid: Tree | None) -> str:
        if valid and still_valid(valid, changed):
            return ""
        problems = errors_of(check_data(content_of(changed), classes=tree.classes, domain=tree.domain).problems)
        return problems[0].message if problems else ""

    embed, memo = Embedded(), LruMemo()

    def ask(question: Sequence[str]) -> np.ndarray:
        answers: np.ndarray = softmax(scoring.similarity_logits(features, embed(question), 100.0).T, 0)
        return answers

    context = PreviewContext(
        labels=tuple(i % args.classes for i in range(args.images)),
        classes=tree.classes,
        embed=embed,
        ask=lambda question: memo.get(question, lambda: ask(question)),
        obstacle=obstacle,
        progress=lambda *step: None,
    )
    single = timed(5, evaluate, ask, tree)
    size = f"{args.images} images, {args.groups * args.options} options, {args.classes} classes"
    print(f"one evaluation, {size}: {single:.3f} s")
    for count in args.changes:
        variants = single_changes(tree, count)
        previews = preview(context, tree, variants)
        expected = [int((evaluate(ask, apply(tree, v)) == np.array(context.labels)).sum()) for v in variants]
        assert [p.after for p in previews] == expected, "previews and evaluations differ"

        def all_previews(variants: list[list[Change]] = variants) -> None:
            memo.turn()  # the tree's own questions are remembered, those of the changes are not
            for group in tree.groups:
                context.ask(group.fill())
            memo.turn()
            preview(context, tree, variants)

        together = timed(5, all_previews)
        print(f"{count} previews: {together:.3f} s = {together / single:.1f} evaluations")
        print(f"row: {count} previews, {size}: seconds of the processor | {together:.2f} | under 1")


if __name__ == "__main__":
    main()
