"""Commands with a full cache: `score`, `check --encoder`, and the review's first score.

The demo is scored once, so that everything is in its cache. Best of several runs of whole processes, with the
libraries that they loaded. Goals: `score` and `check` within 1.0 s, the review's first score within 1.5 s of its first
paint, and neither torch nor open_clip loaded by any of them.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

HEAVY = ("torch", "torchvision", "open_clip", "transformers", "litellm")
COMMAND = """
import sys
from treegen.cli.main import main
try:
    main()
except SystemExit as end:
    assert not end.code, end
print(*(name for name in {heavy!r} if name in sys.modules), file=sys.stderr)
"""


def run(*arguments: str) -> tuple[float, str]:
    """Seconds of a whole process, and the heavy libraries that it loaded."""
    began = time.perf_counter()
    command = [sys.executable, "-c", COMMAND.format(heavy=HEAVY), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - began, done.stderr.splitlines()[-1].strip()


async def first_score(path: Path) -> tuple[float, str]:
    """Seconds from the first paint of the review to its first score."""
    from treegen.review.app import open_app

    app = open_app(path)
    painted = asyncio.Event()
    async with app.run_test(size=(120, 40)):
        app.call_after_refresh(painted.set)
        await painted.wait()
        began = time.perf_counter()
        while app.review.measured is None:
            assert time.perf_counter() - began < 60, app.scoring.status()
            await asyncio.sleep(0.01)
        took = time.perf_counter() - began
    app.review.close()
    return took, " ".join(name for name in HEAVY if name in sys.modules)


def review(path: Path) -> tuple[float, str]:
    """Do the same in a new process, where nothing is loaded yet."""
    command = [sys.executable, __file__, "--first-score", str(path)]
    seconds, loaded = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return seconds, loaded


def main() -> None:
    parser = argparse.ArgumentParser(description="Time of commands with a full cache, and what they load.")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--first-score", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.first_score:
        print(json.dumps(asyncio.run(first_score(args.first_score))))
        return
    with tempfile.TemporaryDirectory() as name:
        tree = Path(name) / "tree.json"
        run("demo", name)
        kinds: dict[str, tuple[float, Callable[[], tuple[float, str]]]] = {
            "treegen score": (1.0, partial(run, "score", str(tree))),
            "treegen check --encoder": (1.0, partial(run, "check", "--encoder", "bundled", str(tree))),
            "review, from the first paint to the first score": (1.5, partial(review, tree)),
        }
        for command, (goal, measure) in kinds.items():
            times, loaded = zip(*(measure() for _ in range(args.repeats)), strict=True)
            print(f"{command}: {min(times):.2f} s; loaded: {loaded[-1] or 'nothing heavy'}")
            print(f"row: all cached: {command}, s ({loaded[-1] or 'nothing heavy'} loaded) | {min(times):.2f} | {goal}")


if __name__ == "__main__":
    main()
