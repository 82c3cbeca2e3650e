"""The pictures of the pages, from the program itself: `python docs/screenshots.py [FOLDER]`.

The review of the sketchbook as SVG; of the tutorial two drawings of each class, and the report in Chromium.
"""

import asyncio
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import textual_image.widget
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.documentation import follow, steps
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


def shoot_tutorial(work: Path, folder: Path) -> None:
    """Follow the tutorial up to its report."""
    for step in steps((Path(__file__).parent / "tutorial.md").read_text(encoding="utf-8")):
        follow(step, work)
        if "treegen report" in step.what:
            break
    classes = sorted((work / "island" / "photos").iterdir())
    sheet = Image.new("RGB", (128 * len(classes) - 8, 248), "white")
    for i, name in enumerate(classes):
        for row, path in enumerate(sorted(name.glob("*.png"))[:2]):
            with Image.open(path) as picture:
                drawing = picture.convert("RGB").resize((120, 120), Image.Resampling.LANCZOS)
                sheet.paste(drawing, (128 * i, 128 * row))
    sheet.quantize(128).save(folder / "island.png", optimize=True)
    shoot_page(work / "island.html", folder / "report.png")


def shoot_page(page: Path, picture: Path) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        opened = browser.new_page(viewport={"width": 900, "height": 1000}, color_scheme="light")
        opened.goto(page.as_uri())
        opened.screenshot(path=picture)
        browser.close()


def main() -> None:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CONFIG_HOME"] = name  # not the theme of the person who takes them
        lay_out(Path(name), count=8)
        subprocess.run([sys.executable, "-m", "treegen", "draft", name], check=True)
        asyncio.run(shoot(Path(name) / "tree.json", folder))
    with tempfile.TemporaryDirectory() as name:
        shoot_tutorial(Path(name), folder)


if __name__ == "__main__":
    main()
