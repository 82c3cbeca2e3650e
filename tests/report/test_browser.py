"""The pages in a real browser: headless Chromium, driven by playwright."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.browsing import CONTRAST, Opened
from tests.conftest import Run
from treegen.report.document import Report
from treegen.report.rendering import report_html

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def page_file(scored: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with another tree beside it."""
    from treegen.report.document import build_report
    from treegen.vcs.versions import open_version
    from treegen.workflow.workspace import Workspace

    folder = Path(shutil.copytree(scored, tmp_path_factory.mktemp("browser") / "project"))
    with Workspace(folder / "tree.json") as workspace:
        report = build_report(
            workspace, open_version("tree.json", folder), against=open_version("earlier.json", folder)
        )
    path = folder / "report.html"
    path.write_text(report_html(report), encoding="utf-8")
    return path


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_loads_nothing_complains_of_nothing_fits_and_has_contrast(
    browser: Any, page_file: Path, theme: str, width: int
) -> None:
    size = {"width": width, "height": 900}
    with Opened(browser, page_file, color_scheme=theme, viewport=size) as opened:
        assert opened.complaints == []
        assert opened.outside() == []
        assert opened.page.evaluate("document.documentElement.scrollWidth") <= width
        count, weak = opened.page.evaluate(CONTRAST)
        assert count > 500
        assert weak == []
        pictures = opened.page.locator("img")
        assert pictures.count() > 20
        assert opened.page.evaluate("[...document.images].every((image) => image.naturalWidth > 0)")


def test_a_cell_of_the_heat_map_leads_to_its_images_and_filters_work(browser: Any, page_file: Path) -> None:
    with Opened(browser, page_file) as opened:
        page = opened.page
        cell = page.locator(".heat a").first
        target = cell.get_attribute("href")
        cell.click()
        assert page.url.endswith(target)
        assert page.locator(f"{target}:target figure").count() > 0
        pairs = page.locator(".pair").count()
        name = page.locator(".pair h3 bdi, .pair h3").first.inner_text().split(" taken for ")[0]
        page.locator(".filter input").fill(name)
        shown = page.locator(".pair:visible")
        assert 0 < shown.count() < pairs
        assert all(name.lower() in text.lower() for text in shown.all_inner_texts())
        page.locator(".filter input").fill("no such class")
        assert shown.count() == 0
        assert page.locator("output").inner_text() == f"0 of {pairs} pairs shown"
        page.locator(".heat a").first.click()  # what is hidden is shown again when a link leads to it
        page.locator(".heat a").last.click()
        page.locator(".pair:target").wait_for(state="visible")
        values = page.locator(".filter option").evaluate_all("options => options.map((o) => o.value)")
        counts = []
        for value in values[1:]:
            page.locator(".filter select").select_option(value)
            counts.append(page.locator(".pair figure[data-group]:visible").count())
        page.locator(".filter select").select_option("")
        assert sum(counts) == page.locator(".pair figure[data-group]:visible").count() > 0
        assert opened.complaints == []


def test_without_script_everything_is_shown_but_the_filter(browser: Any, page_file: Path) -> None:
    with Opened(browser, page_file, java_script_enabled=False) as opened:
        assert opened.page.locator(".filter").is_hidden()
        assert opened.page.locator(".pair").first.is_visible()
        assert opened.page.locator(".heat a").count() > 0


def test_it_prints(browser: Any, page_file: Path, tmp_path: Path) -> None:
    with Opened(browser, page_file, color_scheme="dark") as opened:
        opened.page.emulate_media(media="print")
        assert opened.page.locator("nav").is_hidden()
        assert opened.page.locator(".filter").is_hidden()
        _, weak = opened.page.evaluate(CONTRAST)
        assert weak == []
        opened.page.pdf(path=tmp_path / "report.pdf", format="A4", print_background=True)
    content = (tmp_path / "report.pdf").read_bytes()
    assert content.startswith(b"%PDF")
    assert content.count(b"/Type /Page\n") + content.count(b"/Type /Page ") > 3


def test_hostile_names_run_nothing(browser: Any, hostile: Report, tmp_path: Path) -> None:
    path = tmp_path / "hostile.html"
    path.write_text(report_html(hostile), encoding="utf-8")
    with Opened(browser, path) as opened:
        assert opened.complaints == []
        assert opened.outside() == []
        assert "<script>alert(1)</script>" in opened.page.inner_text("body")
        assert opened.page.locator("script").count() == 1


def test_a_comparison_opens_too(browser: Any, run: Run, project: Path) -> None:
    assert run("compare", "tree.json", "earlier.json", "-o", "comparison.html").code == 0
    for theme in ("light", "dark"):
        with Opened(browser, project / "comparison.html", color_scheme=theme) as opened:
            assert (opened.complaints, opened.outside()) == ([], [])
            count, weak = opened.page.evaluate(CONTRAST)
            assert (count > 100, weak) == (True, [])
