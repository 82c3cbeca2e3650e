"""Print the least contrast of any text by theme and place: `python -m tests.review.contrast_table [TREE]`."""

import asyncio
import os
import sys
import tempfile
from pathlib import Path

from tests.conftest import DOMAIN, TREE
from tests.review.painted import least
from tests.review.test_contrast import THEMES, walk
from treegen.review.app import ReviewApp, open_app


class _Walker:
    """What `walk` needs of a player."""

    def __init__(self, app: ReviewApp, pilot: object) -> None:
        self.app, self._pilot = app, pilot

    async def press(self, *keys: str) -> None:
        await self._pilot.press(*keys)  # type: ignore[attr-defined]


async def table(tree: Path) -> None:
    """One line for each theme, one column for each place."""
    app = open_app(tree)
    with app.review:
        async with app.run_test(size=(160, 45)) as pilot:
            for number, theme in enumerate(THEMES):
                app.theme, row = theme, dict[str, float]()

                async def look(place: str, row: dict[str, float] = row) -> None:
                    await pilot.pause()
                    row[place] = least(app)[0]

                await walk(_Walker(app, pilot), look)  # type: ignore[arg-type]
                if not number:
                    print("theme".ljust(22), *(place[:9].rjust(9) for place in row))
                print(theme.ljust(22), *(f"{ratio:9.2f}" for ratio in row.values()))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        os.environ["XDG_CONFIG_HOME"] = name
        path = Path(name) / "tree.json"
        path.write_text(TREE, encoding="utf-8")
        path.with_name("domain.toml").write_text(DOMAIN, encoding="utf-8")
        asyncio.run(table(Path(sys.argv[1]) if len(sys.argv) > 1 else path))


if __name__ == "__main__":
    main()
