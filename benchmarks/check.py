"""Cost of `treegen check`: whole processes, all lints, on synthetic trees; as ratios to a bare Python of the same run.

Goal: 1,000 classes, 30 groups and 20 options in at most 0.5 s.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SIZES = ((13, 5, 8), (1_000, 30, 20), (10_000, 30, 20))
PARTS = "wing head tail leg eye fin horn shell fur spot".split()
LOOKS = "red blue green dark pale long short round flat spiky".split()


def synthetic_tree(classes: int, groups: int, options: int) -> str:
    """Return the canonical text of a tree without problems; the same for the same sizes."""
    from treegen.tree.document import dump, tree_from

    generator = random.Random(0)
    words = [f"{look} {part}" for look in LOOKS for part in PARTS]
    questions = {
        f"group {g}": {"prompt": f"This thing {g} has {{}}.", "options": generator.sample(words, options)}
        for g in range(groups)
    }
    rules = {f"Class {k}": {g: generator.randrange(options) for g in questions} for k in range(classes)}
    return dump(tree_from({"domain": "d", "classification_groups": questions, "rules": rules}))


def with_problems(text: str) -> str:
    """Return the tree with a hedge in every group and an index out of range in the last rule."""
    data = json.loads(text)
    for group in data["classification_groups"].values():
        group["options"][0] = "usually " + group["options"][0]
    rule = data["rules"][list(data["rules"])[-1]]
    rule[list(rule)[-1]] = 99
    return json.dumps(data, indent=2)


def seconds(command: list[str], runs: int) -> float:
    """Return the median wall time of a whole process."""
    times = []
    for _ in range(runs):
        began = time.perf_counter()
        subprocess.run(command, capture_output=True, check=False)
        times.append(time.perf_counter() - began)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost of `treegen check` in multiples of a bare Python.")
    parser.add_argument("--runs", type=int, default=7, help="processes of each kind; their median is reported")
    runs = parser.parse_args().runs
    bare = seconds([sys.executable, "-c", "pass"], runs)
    print(f"bare python: {bare:.3f} s")
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "tree.json"
        for size in SIZES:
            valid = synthetic_tree(*size)
            for kind, text in (("valid", valid), ("with problems", with_problems(valid))):
                path.write_text(text, encoding="utf-8")
                took = seconds([sys.executable, "-m", "treegen", "check", str(path)], runs)
                classes, groups, options = size
                print(
                    f"{classes:6} classes x {groups:2} groups x {options:2} options, {kind:13} "
                    f"({len(text) / 1e6:.1f} MB): {took:.3f} s = {took / bare:5.1f} x bare python"
                )


if __name__ == "__main__":
    main()
