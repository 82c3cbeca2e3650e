"""Cost of a language model's proposal until its changes are on the screen: difference, units, variants, a choice.

One process, a synthetic tree. The proposal re-points rules, renames, adds and removes options, and brings classes and a
group. Goal: 3,000 changes of 1,000 classes and 30 groups divided into units in at most 0.3 s, in time that grows with
their number.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

from check import synthetic_tree

from treegen.tree.changes import Change, apply
from treegen.tree.changes.difference import difference
from treegen.tree.document import tree_from
from treegen.tree.model import Tree
from treegen.workflow.proposal_units import alone, closure, take, units_of


def proposed(text: str, changes: int) -> Tree:
    """Change the tree about so often: of a hundred changes two add an option, two rename one, the rest move a class.

    In every third group an option goes, and its classes have the one before it.
    """
    random, data = Random(0), json.loads(text)
    groups, rules = data["classification_groups"], data["rules"]
    names = list(groups)
    for name in names[::3]:
        del groups[name]["options"][1]
        for rule in rules.values():
            rule[name] -= rule[name] >= 1
    for number in range(changes // 50):
        options = groups[names[number % len(names)]]["options"]
        options[number % len(options)] += f", at times {number}"
        options.append(f"new mark {number}")
    places = [(rule, group) for rule in rules for group in names]
    removed = len(names[::3]) * len(rules) // len(groups[names[1]]["options"])
    for rule, group in random.sample(places, min(max(0, changes - removed - changes // 25), len(places))):
        rules[rule][group] = random.randrange(len(groups[group]["options"]))
    for number in range(5):
        rules[f"new class {number}"] = dict(next(iter(rules.values())))
    groups["a new group"] = {"prompt": "It is {} a new group.", "options": ["no", "yes"]}
    for rule in rules.values():
        rule["a new group"] = 0
    return tree_from(data)


def seconds(function: Callable[[], Any], runs: int) -> float:
    """Return the median processor time in seconds, which does not depend on what else the machine does."""
    times = []
    for _ in range(runs):
        began = time.process_time()
        function()
        times.append(time.process_time() - began)
    return statistics.median(times)


def measured(old: Tree, changes: tuple[Change, ...], runs: int) -> float:
    """Print the time of each step; return that of the units, in seconds."""
    units = units_of(old, changes)
    everything = range(len(units))
    steps: dict[str, Callable[[], Any]] = {
        "units": lambda: units_of(old, changes),
        "one choice, with its tree": lambda: apply(old, take(old, units, closure(units, [len(units) // 2]))),
        "all of them, with their tree": lambda: apply(old, take(old, units, everything)),
        "changes of the first 200 alone": lambda: alone(old, units[:200]),
    }
    print(f"{len(changes)} changes, {len(units)} units")
    took = {name: seconds(step, runs) for name, step in steps.items()}
    for name, each in took.items():
        print(f"  {name}: {each:.3f} s")
    return took["units"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of dividing a proposal into units.")
    parser.add_argument("--classes", type=int, default=1_000)
    parser.add_argument("--groups", type=int, default=30)
    parser.add_argument("--options", type=int, default=20, help="of each group")
    parser.add_argument("--changes", type=int, default=3_000)
    parser.add_argument("--runs", type=int, default=3)
    args = parser.parse_args()
    text = synthetic_tree(args.classes, args.groups, args.options)
    old = tree_from(json.loads(text))
    for changes in (args.changes // 2, args.changes):
        new = proposed(text, changes)
        print(f"difference: {seconds(partial(difference, old, new), args.runs):.3f} s")
        took = measured(old, difference(old, new), args.runs)
    size = f"{args.changes:,} changes of {args.classes:,} classes x {args.groups} groups"
    print(f"row: units of {size}: seconds | {took:.2f} | at most 0.3")


if __name__ == "__main__":
    main()
