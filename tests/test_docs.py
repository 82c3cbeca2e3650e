"""The documentation site: it builds without a warning, its tutorial is true, and its pages open in a browser."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.browsing import CONTRAST, Opened
from tests.conftest import ROOT
from tests.documentation import differences, follow, steps
from treegen.cli import start
from treegen.doctor import choices

DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as `make docs` builds it: a warning, such as a link that leads nowhere, is an error."""
    for package in ("sphinx", "myst_parser", "furo", "sphinx_click"):
        pytest.importorskip(package, reason="the extra docs is not installed")
    folder = tmp_path_factory.mktemp("site").resolve()
    command = [sys.executable, "-m", "sphinx", "-b", "html", "-W", "--keep-going", "-q", DOCS, folder / "html"]
    done = subprocess.run(
        [*map(str, command), "-d", str(folder / "cache")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder / "html"


@pytest.mark.slow
def test_every_page_is_built_and_has_what_the_program_says_of_itself(site: Path) -> None:
    assert {page.stem for page in PAGES} <= {page.stem for page in site.glob("*.html")}
    options = (site / "cli.html").read_text(encoding="utf-8")
    assert "--require-approved" in options
    assert "TG705" in (site / "problem-codes.html").read_text(encoding="utf-8")
    assert "name_template" in (site / "schemas.html").read_text(encoding="utf-8")
    assert "load_tree" in (site / "api.html").read_text(encoding="utf-8")
    assert "<math" in (site / "method.html").read_text(encoding="utf-8")


@pytest.mark.slow
def test_pages_name_no_folder_of_this_machine(site: Path) -> None:
    for path in site.rglob("*.html"):
        assert str(ROOT) not in path.read_text(encoding="utf-8"), path.name


@pytest.mark.slow
@pytest.mark.parametrize(
    "page", [page for page in PAGES if steps(page.read_text(encoding="utf-8"))], ids=lambda p: p.stem
)
def test_what_a_page_shows_is_what_the_commands_print(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    wrong = []
    for step in steps(page.read_text(encoding="utf-8")):
        printed = follow(step, tmp_path)
        if step.kind == "run" and (difference := differences(step.text, printed)):
            wrong.append(f"$ {step.what}\n{difference}")
    assert not wrong, "\n\n".join(wrong)


def test_the_tutorial_is_run() -> None:
    tutorial = steps((DOCS / "tutorial.md").read_text(encoding="utf-8"))
    assert sum(step.kind == "run" and step.what.startswith("treegen ") for step in tutorial) > 10


def test_the_questions_of_start_are_those_of_the_program() -> None:
    """The block cannot be run, as it shows pictures that nobody has: it is made of the program's own words."""
    block = (DOCS / "tutorial.md").read_text(encoding="utf-8").partition("$ treegen start\n")[2].partition("```")[0]
    encoder, download = next(iter(choices._ENCODERS.items()))
    words = f"a download of {download[1]}; {download[2]}"
    plan = start.Plan(
        images=Path("photos"),
        folder=Path("birds-tree"),
        noun="bird",
        hints=(),
        encoder=choices.Choice(name=encoder, words=words),
        model=choices._MANUAL,
        notes=(),
        encoders=(),
        models=(),
    )
    asked = [f"{start._HINTS} [none]:", f"{start._NOTES} [none]:", "", *plan.lines, f"{start._GO_ON}:"]
    assert block.splitlines()[1:] == asked


@pytest.mark.parametrize(
    ("shown", "printed", "alike"),
    [
        ("tree 79.2 %\n...\nend\n", "tree     79.8 %\nmore\nand more\n\nend\n", True),
        ("tree 79.2 %\n", "tree 89.2 %\n", False),
        ("tree 79.2 %\n", "forest 79.2 %\n", False),
        ("one\n", "one\ntwo\n", False),
        ("0 errors, 3 warnings\n", "0 errors, 4 warnings\n", False),
        ("wrote x.html: 225 kB, 87 pictures\n", "wrote x.html: 231 kB, 86 pictures\n", True),
        ("...\n0 errors, 3 warnings\n", "one\n0 errors, 4 warnings\n", False),
        ("...\n", "", True),
        ("", "anything\n", False),
    ],
)
def test_words_and_counts_are_compared_and_measurements_may_differ(shown: str, printed: str, alike: bool) -> None:
    assert (differences(shown, printed) == "") is alike


@pytest.mark.browser
def test_pages_load_nothing_complain_of_nothing_and_have_contrast(browser: Any, site: Path) -> None:
    for name in sorted(page.stem for page in PAGES):
        with Opened(browser, site / f"{name}.html", color_scheme="light") as opened:
            behind = set()
            for theme in ("light", "dark"):
                opened.page.emulate_media(color_scheme=theme)
                behind.add(opened.page.evaluate("getComputedStyle(document.body).backgroundColor"))
                count, weak = opened.page.evaluate(CONTRAST)
                assert count > 50
                assert (name, theme, weak) == (name, theme, [])
            assert len(behind) == 2
            assert (name, opened.complaints, opened.outside(site)) == (name, [], [])
            assert opened.page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


@pytest.mark.browser
def test_a_phone_does_not_scroll_sideways_and_the_search_finds(browser: Any, site: Path) -> None:
    for name in ("tutorial", "commands", "method", "schemas"):
        with Opened(browser, site / f"{name}.html", viewport={"width": 390, "height": 800}) as opened:
            assert (name, opened.page.evaluate("document.documentElement.scrollWidth")) == (name, 390)
    with Opened(browser, site / "search.html") as opened:
        opened.page.goto(f"{(site / 'search.html').as_uri()}?q=McNemar")
        opened.page.locator("#search-results li").first.wait_for()
        assert (opened.complaints, opened.outside(site)) == ([], [])
