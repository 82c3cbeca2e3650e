"""Screenshots of the real review on the sketchbook, as SVG: `python docs/screenshots.py [FOLDER]`."""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import textual_image.widget

from treegen.workflow.demo import lay_out

# as a terminal without pictures would draw them
textual_image.widget.Image = textual_image.widget.HalfcellImage  # type: ignore[assignment]
from treegen.review.app import ReviewApp, open_app  # noqa: E402

SIZE = (150, 40)
#: file -> the keys that lead there
SHOTS: dict[str, Sequence[str]] = {
    "options": ("1",),
    "rules": ("2", "j", "j", "right", "right"),
    "score": ("4",),
    "images": ("6",),
}


async def scored(app: ReviewApp) -> None:
    """Waits for the score in the background, at most two minutes."""
    async with asyncio.timeout(120):
        while app.review.stale or not (app.review.measured and app.review.measured.observations):
            await asyncio.sleep(0.05)


def slim(svg: str) -> str:
    """Without the fonts of a content network: the reader's own fixed-width font does."""
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.DOTALL)
    return re.sub(r"terminal-\d+-", "t", svg)


async def shoot(tree: Path, folder: Path) -> None:
    app = open_app(tree)
    async with app.run_test(size=SIZE) as pilot:
        await scored(app)
        app.clear_notifications()
        for name, keys in SHOTS.items():
            await pilot.press("escape", *keys)
            await pilot.pause()
            await asyncio.sleep(1)  # the details follow when the cursor rests
            text = slim(app.export_screenshot(title="treegen review tree.json"))
            (folder / f"{name}.svg").write_text(text, encoding="utf-8")
            print(f"{folder / name}.svg: {len(text) // 1000} kB")
    app.review.close()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CONFIG_HOME"] = name  # not the theme of the person who takes them
        lay_out(Path(name), count=8)
        subprocess.run([sys.executable, "-m", "treegen", "draft", name], check=True)
        asyncio.run(shoot(Path(name) / "tree.json", folder))


if __name__ == "__main__":
    main()
