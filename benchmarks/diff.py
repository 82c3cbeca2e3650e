"""Cost of `treegen diff`: whole processes, on two synthetic trees; as ratios to a bare Python of the same run.

Goal: 1,000 classes, 30 groups and 20 options in at most 0.5 s.
"""

import json
import sys
import tempfile
from pathlib import Path

from check import SIZES, seconds, synthetic_tree


def edited(text: str) -> str:
    """The same tree with an option renamed and one added in a third of the groups, and 100 rules re-pointed."""
    data = json.loads(text)
    groups = data["classification_groups"]
    for name in list(groups)[: len(groups) // 3]:
        options = groups[name]["options"]
        options[0] += ", at times"
        options.insert(1, "none of these")
        for rule in data["rules"].values():
            rule[name] += rule[name] >= 1
    last = list(groups)[-1]
    for rule in list(data["rules"].values())[:100]:
        rule[last] = (rule[last] + 1) % len(groups[last]["options"])
    return json.dumps(data, indent=2)


def main() -> None:
    bare = seconds([sys.executable, "-c", "pass"], 7)
    print(f"bare python: {bare:.3f} s")
    with tempfile.TemporaryDirectory() as name:
        old, new = Path(name) / "old.json", Path(name) / "new.json"
        for size in SIZES:
            text = synthetic_tree(*size)
            old.write_text(text, encoding="utf-8")
            new.write_text(edited(text), encoding="utf-8")
            took = seconds([sys.executable, "-m", "treegen", "diff", str(old), str(new)], 7)
            classes, groups, options = size
            print(
                f"diff of {classes:6} classes x {groups:2} groups x {options:2} options: "
                f"{took:.3f} s = {took / bare:5.1f} x bare python"
            )


if __name__ == "__main__":
    main()
