"""Imports of the light commands: time of whole processes as multiples of a bare Python, and the heavy modules."""

import subprocess
import sys
import tempfile
from pathlib import Path

from check import seconds

RUNS = 7
HEAVY = ("torch", "litellm", "textual", "open_clip", "PIL", "jinja2")
TREE = """{"domain": "d", "classification_groups": {"g": {"prompt": "It is {}.", "options": ["a", "b"]}},
 "rules": {"x": {"g": 0}, "y": {"g": 1}}}"""
PROBE = """
import sys
from treegen.cli.main import main
try:
    main()
except SystemExit:
    pass
print("\\nloaded:", ",".join(m for m in {heavy!r} if m in sys.modules) or "none of {heavy!r}", file=sys.stderr)
"""


def main() -> None:
    bare = seconds([sys.executable, "-c", "pass"], RUNS)
    print(f"bare python:            {bare:.3f} s")
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree.json"
        tree.write_text(TREE, encoding="utf-8")
        for arguments in (["--help"], ["check", str(tree)], ["schema", "tree"]):
            took = seconds([sys.executable, "-m", "treegen", *arguments], RUNS)
            probe = [sys.executable, "-c", PROBE.format(heavy=HEAVY), *arguments]
            loaded = subprocess.run(probe, capture_output=True, text=True, check=False).stderr.strip().splitlines()[-1]
            print(f"treegen {arguments[0]:<15} {took:.3f} s = {took / bare:4.1f} x bare python; {loaded}")


if __name__ == "__main__":
    main()
