"""Make everything again in a new folder: `python rebuild.py OUT` draws, replays the conversation, approves and reports.

OUT contains afterwards, beside the domain and its pictures, what is committed here: tree.json, history.md, report.html.
"""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

HERE: Final = Path(__file__).resolve().parent
INPUTS: Final = ("domain.toml", "conversation.jsonl", "feedback.txt")
COUNT: Final = 32
REVIEWER: Final = "Ada Lovelace <ada@example.org>"


def treegen(folder: Path, *arguments: str) -> str:
    """Run a command of treegen in a folder and return what it printed."""
    command = [sys.executable, "-m", "treegen", *arguments]
    return subprocess.run(command, cwd=folder, stdout=subprocess.PIPE, text=True, encoding="utf-8", check=True).stdout


def history(folder: Path) -> str:
    """Return the reviews as text: the feedback and what it changed, in words."""
    text = (folder / "feedback.txt").read_text(encoding="utf-8").strip()
    feedback = "\n".join(f"> {line}".rstrip() for line in text.splitlines())
    changes = treegen(folder, "diff", "tree.json@1", "tree.json@2", "--no-color").strip()
    return (
        "# Reviews of the signal flags\n\nWritten by `rebuild.py`, from `treegen diff tree.json@1 tree.json@2`.\n\n"
        f"## Revision 1 to revision 2\n\nFeedback:\n\n{feedback}\n\nChanges:\n\n```diff\n{changes}\n```\n"
    )


def build(out: Path, count: int = COUNT) -> None:
    """Draw, draft, revise, approve and report in `out`, offline."""
    out.mkdir(parents=True)
    for name in INPUTS:
        shutil.copy(HERE / name, out / name)
    subprocess.run([sys.executable, HERE / "flags.py", out / "images", "--count", str(count)], check=True)
    treegen(out, "draft", ".")
    treegen(out, "revise", "tree.json", "--file", "feedback.txt", "--apply")
    (out / "history.md").write_text(history(out), encoding="utf-8")
    treegen(out, "approve", "tree.json", "--by", REVIEWER)
    treegen(out, "report", "tree.json", "-o", "report.html")


def main() -> None:
    """Read the arguments and build."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="a folder that does not exist yet")
    parser.add_argument(
        "--count", type=int, default=COUNT, help="pictures of each flag; the figures are those of %(default)s"
    )
    options = parser.parse_args()
    build(options.out, options.count)


if __name__ == "__main__":
    main()
