"""Cost of a second revision: the first score of a tree against the score after one option changed.

One process, the bundled encoder, freshly drawn images, an empty cache. Loading the encoder is in no figure. A re-score
is measured twice: with the embedded images in memory, as in a review session, and reopened from the cache on disk, as
in the next command. Goal: at most 1 % of the first score at 10,000 images and 200 options, with the images in memory.
"""

import argparse
import statistics
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from treegen.tree.model import ClassRule, Group, Tree
from treegen.workflow.demo import lay_out
from treegen.workflow.workspace import Workspace

COLOURS = ("white", "green", "orange", "purple", "pink", "yellow", "brown", "gray", "blue")
FORMS = ("a four-legged animal", "a snake", "a round ball", "an octopus", "a slug", "a bird", "a fish")
RULES = ((0, 0), (0, 0), (1, 1), (1, 1), (2, 2), (2, 2), (3, 3), (4, 3), (5, 4), (5, 5), (6, 0), (7, 0), (8, 6))


def example_tree(classes: tuple[str, ...]) -> Tree:
    """Two groups; what the rules say does not matter for the time."""
    groups = (
        Group(name="colour", prompt="This creature's body is mainly {}.", options=COLOURS),
        Group(name="form", prompt="This creature looks like {}.", options=FORMS),
    )
    rules = tuple(
        ClassRule(name=name, answers=(("colour", c), ("form", f))) for name, (c, f) in zip(classes, RULES, strict=True)
    )
    return Tree(domain="sketchbook", groups=groups, rules=rules)


def larger_tree(classes: tuple[str, ...], options: int) -> Tree:
    """Groups of ten options until there are so many; what they say does not matter for the time."""
    groups = tuple(
        Group(name=f"g{g}", prompt="This creature shows {}.", options=tuple(f"mark {g} {o}" for o in range(10)))
        for g in range(options // 10)
    )
    rules = tuple(
        ClassRule(name=name, answers=tuple((group.name, (k * (g + 1) + g) % 10) for g, group in enumerate(groups)))
        for k, name in enumerate(classes)
    )
    return Tree(domain="sketchbook", groups=groups, rules=rules)


def reopened(workspace: Workspace) -> Workspace:
    """Return a workspace with everything from disk again except the encoder."""
    again = Workspace(workspace.path)
    again.__dict__["encoder"] = workspace.encoder  # a cached_property
    return again


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of a re-score as a share of the first score.")
    parser.add_argument("--count", type=int, default=60, help="images of each of the 13 classes")
    parser.add_argument("--edits", type=int, default=7, help="re-scores; their median is reported")
    parser.add_argument("--options", type=int, default=0, help="of the tree; the small one if not given")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(folder, count=args.count)
        workspace = Workspace(folder / "tree.json")
        classes = workspace.domain.classes
        tree = larger_tree(classes, args.options) if args.options else example_tree(classes)
        workspace.encoder.encode_texts(["warm"])
        began = time.perf_counter()
        workspace.evaluator.score(tree)
        first = time.perf_counter() - began
        images = len(workspace.evaluator.images.images)
        print(f"first score, {images} images: {first:.3f} s")
        for reopen in (False, True):
            times = []
            for edit in range(args.edits):
                group = replace(tree.groups[0], options=(f"white {reopen} {edit}", *tree.groups[0].options[1:]))
                changed = replace(tree, groups=(group, *tree.groups[1:]))
                began = time.perf_counter()
                used = reopened(workspace) if reopen else workspace
                used.evaluator.score(changed, tree)
                times.append(time.perf_counter() - began)
            again = statistics.median(times)
            how = "reopened" if reopen else "images in memory"
            print(
                f"re-score after one option changed, {how}: {again:.3f} s (median of {args.edits}) = "
                f"{again / first:.1%} of the first"
            )
            size = f"{images:,} images x {len(tree.prompts())} options"
            goal = "at most 0.010" if not reopen and args.options else "-"
            print(f"row: re-score after one option edit / first score, {size}, {how} | {again / first:.4f} | {goal}")


if __name__ == "__main__":
    main()
