"""`treegen report`: what is on the page, its size, and what it does with bad input."""

import json
import os
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import Run
from tests.report.conftest import HOSTILE, made_up, markup_of
from treegen.history.store import Store
from treegen.images import WHOLE, LabelledImage
from treegen.report.album import Album, thumbnail
from treegen.report.document import Report
from treegen.report.rendering import MARK, report_html, report_markdown

pytestmark = pytest.mark.slow


class Page(HTMLParser):
    """The elements of a page and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))

    def handle_data(self, data: str) -> None:
        self.text += data

    def values(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


def test_the_page_is_whole_loads_nothing_and_every_link_leads_somewhere(run: Run, project: Path) -> None:
    done = run("report", "tree.json", "-o", "report.html", "--against", "earlier.json")
    assert done.code == 0, done.err
    text = (project / "report.html").read_text(encoding="utf-8")
    page = Page(text)
    assert text.startswith(MARK)
    assert text.rstrip().endswith("</html>")
    assert all(source.startswith("data:image/") for source in page.values("src"))
    assert page.values("src")
    links = page.values("href")
    assert len(links) > 20
    assert {link[1:] for link in links} <= set(page.values("id"))
    assert all(link.startswith("#") for link in links)
    assert "default-src 'none'" in dict(page.elements[[t for t, _ in page.elements].index("meta") + 1][1])["content"]
    assert "http:" not in text.replace("http-equiv", "")
    assert "https:" not in text
    assert str(project) not in text


def test_it_shows_the_figures_of_the_score_with_n_interval_controls_and_paired_tests(run: Run, project: Path) -> None:
    assert run("report", "tree.json", "-o", "report.html").code == 0
    text = Page((project / "report.html").read_text(encoding="utf-8")).text
    with Store(project / "tree.json") as store:
        score = store.scores()[2]
    for share in (score["test"], score["baseline"], *score["controls"].values()):
        low, high = share["interval"]
        assert f"{100 * share['accuracy']:.1f} %" in text
        assert f"{100 * low:.1f} to {100 * high:.1f}" in text
    for paired in (score["mcnemar"]["baseline"], score["mcnemar"]["parent"]):
        assert f"{paired['wins']} images won, {paired['losses']} lost" in text
    for sentence in [each["sentence"] for each in score["dev"]["advice"]]:
        assert sentence in text
    for digest in (score["tree"], score["images"]["digest"], score["encoder"]["fingerprint"]):
        assert digest in text
    for group in score["dev"]["groups"]:
        assert f"ECE {group['calibration']['error']:.2f}" in text
    assert "better" not in text
    assert "1 (95 %" not in text
    assert "the option" in text  # a change in words


def test_the_same_report_made_again_has_the_same_bytes(run: Run, project: Path) -> None:
    pages = []
    for _ in range(2):
        assert run("report", "tree.json", "-o", "report.html", "--against", "earlier.json").code == 0
        pages.append((project / "report.html").read_bytes())
    assert pages[0] == pages[1]


def test_without_the_test_split_nothing_is_compared_and_the_page_says_so(run: Run, project: Path) -> None:
    assert run("report", "tree.json", "-o", "report.html", "--dev", "--against", "earlier.json").code == 0
    text = Page((project / "report.html").read_text(encoding="utf-8")).text
    assert "The test split was not evaluated." in text
    assert "dev images" in text
    assert "names alone" in text


def test_markdown_goes_to_stdout_and_names_the_same_accuracy(run: Run, project: Path) -> None:
    done = run("report", "tree.json", "--format", "markdown", "--against", "earlier.json")
    with Store(project / "tree.json") as store:
        test = store.scores()[2]["test"]
    assert f"| this tree | **{100 * test['accuracy']:.1f} %** |" in done.out
    assert "#### Against `earlier.json`" in done.out
    assert len(done.out) < 20_000
    tables = [line for line in done.out.splitlines() if line.startswith("|")]
    assert not re.search(r"^\|[^\n]*\|\n[^|\n]", "\n".join(tables), re.MULTILINE)
    assert run("report", "tree.json", "-o", "report.md").code == 0
    assert (project / "report.md").read_text(encoding="utf-8").startswith("<!-- treegen")


@pytest.mark.parametrize(
    ("classes", "groups", "options", "signal"),
    [(300, 60, 10, 2.0), (300, 60, 10, 0.0), (13, 5, 9, 0.0), (40, 20, 12, 0.5), (1000, 3, 20, 0.5), (2, 60, 2, 0.0)],
)
def test_a_page_has_at_most_100_kb_without_pictures_and_counts_what_it_leaves_out(
    tmp_path: Path,
    record_property: Callable[[str, object], None],
    classes: int,
    groups: int,
    options: int,
    signal: float,
) -> None:
    report = made_up(tmp_path, (), classes=classes, groups=groups, options=options, images=2000, signal=signal)
    text = report_html(report)
    size = len(text.encode())
    record_property("figure", f"{classes} classes, {groups} groups, signal {signal}: {size / 1000:.0f} kB")
    assert size <= 100_000
    shown = Page(text).text
    if len(report.heat.classes) < classes:
        assert f"{classes - len(report.heat.classes)} classes are not shown" in shown
    if len(report.answers) < classes:
        assert f"{classes - len(report.answers)} more classes are not shown" in shown
    if report.more_pairs:
        assert f"{report.more_pairs} pairs of classes with fewer mistakes are not shown" in shown


@pytest.mark.parametrize(
    ("classes", "groups", "signal", "silent"), [(2, 8, 50.0, False), (3, 3, 1.0, True), (1, 1, 1.0, False)]
)
def test_trees_without_mistakes_without_answers_and_of_one_class_have_a_page_too(
    tmp_path: Path, classes: int, groups: int, signal: float, silent: bool
) -> None:
    report = made_up(tmp_path, (), classes=classes, groups=groups, options=3, images=30, signal=signal, silent=silent)
    text = Page(report_html(report)).text
    if not report.pairs:
        assert "Every image of the dev split is classified rightly." in text
    assert "None" not in text
    assert "nan" not in text
    assert report_markdown(report)


def test_200_pictures_of_any_content_fit_into_what_is_left_of_a_megabyte() -> None:
    """Noise, which no encoder compresses, in tall, wide and large pictures."""
    rng = np.random.default_rng(0)
    for height, width in ((480, 640), (1200, 90), (60, 2000), (40, 30)):
        picture = Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))
        assert 200 * len(thumbnail(picture)) <= 900_000


def test_pictures_within_the_budget_are_the_most_telling_and_one_that_is_gone_says_so(
    drawn: Path, tmp_path: Path
) -> None:
    there = sorted((drawn / "images" / "Wendle").glob("*.png"))
    album = Album(2, WHOLE)
    places = [
        album.place(LabelledImage(path=path, label=0, digest=path.name), priority)
        for path, priority in ((there[0], 3), (tmp_path / "gone.png", 0), (there[1], 1), (there[2], 2))
    ]
    album.fill()
    assert [bool(place.source) for place in places] == [False, False, True, True]
    assert [place.name for place in album.missing] == ["gone.png"]
    assert places[1].missing == "no such file"


def test_hostile_names_stay_text(hostile: Report) -> None:
    text = report_html(hostile)
    page = Page(text)
    assert [tag for tag, _ in page.elements].count("script") == 1
    assert not [name for _, attributes in page.elements for name in attributes if name.startswith("on")]
    assert "img" not in {tag for tag, _ in page.elements}
    for name in (HOSTILE[0], HOSTILE[1], HOSTILE[4], HOSTILE[5], HOSTILE[6], HOSTILE[7]):
        assert name in page.text
    assert "\\u001b" in page.text
    assert "\\u202e" in page.text
    assert not {"\x1b", "\u202e"} & set(text)


def test_hostile_names_stay_text_in_markdown(hostile: Report) -> None:
    text = report_markdown(hostile)
    assert not {"\x1b", "\u202e"} & set(text)
    spans = markup_of(text)
    assert "<script" not in spans
    assert "<img" not in spans
    assert "@octocat" not in spans
    assert "](http" not in spans
    assert "**bold**" not in spans
    rows = [line for line in spans.splitlines() if line.startswith("| CODE")]
    assert rows
    assert {line.count("|") for line in rows} <= {4, 5, 6}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["-o", "nowhere/report.html"], "there is no folder"),
        (["-o", "images"], "is a folder"),
        (["-o", "tree.json"], "not a page of treegen"),
        (["-o", "domain.toml"], "not a page of treegen"),
        ([], "name it with -o"),
        (["-o", "report.html", "--against", "gone.json"], "gone.json"),
        (["-o", "report.html", "--against", "domain.toml"], "domain.toml"),
    ],
)
def test_an_output_or_a_tree_that_cannot_be_used_is_refused_before_anything_is_written(
    run: Run, project: Path, arguments: list[str], words: str
) -> None:
    before = {path: path.read_bytes() for path in project.glob("*.*") if path.is_file()}
    done = run("report", "tree.json", *arguments)
    assert done.code in (1, 2)
    assert words in done.err
    assert "Traceback" not in done.err
    assert {path: path.read_bytes() for path in project.glob("*.*") if path.is_file()} == before


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_to_is_refused(run: Run, project: Path) -> None:
    (project / "closed").mkdir(mode=0o555)
    done = run("report", "tree.json", "-o", "closed/report.html")
    assert (done.code, "not writable" in done.err) == (2, True)


def test_an_earlier_page_is_replaced_and_other_files_only_by_force(run: Run, project: Path) -> None:
    page = project / "page.html"
    page.write_text("<p>mine", encoding="utf-8")
    assert run("report", "tree.json", "-o", "page.html").code == 2
    assert page.read_text(encoding="utf-8") == "<p>mine"
    assert run("report", "tree.json", "-o", "page.html", "--force").code == 0
    assert run("report", "tree.json", "-o", "page.html", "--pictures", "0").code == 0
    assert "data:image/" not in page.read_text(encoding="utf-8").partition("<main>")[2]


def test_images_that_are_gone_are_an_error_and_no_page_is_written(run: Run, project: Path) -> None:
    (project / "images").rename(project / "moved")
    done = run("report", "tree.json", "-o", "report.html")
    assert done.code == 2
    assert "images" in done.err
    assert not (project / "report.html").exists()


def test_a_tree_with_errors_is_refused(run: Run, project: Path) -> None:
    tree = json.loads((project / "tree.json").read_text(encoding="utf-8"))
    tree["rules"]["Abrosk"]["colour"] = 99
    (project / "tree.json").write_text(json.dumps(tree), encoding="utf-8")
    done = run("report", "tree.json", "-o", "report.html")
    assert done.code == 1
    assert not (project / "report.html").exists()


def test_a_label_that_may_be_wrong_stands_beside_what_it_looks_like(run: Run, project: Path) -> None:
    images = project / "images"
    for number in range(8):
        (images / "Zandoor" / f"{number:03}.png").replace(images / "Nubbet" / f"z{number:03}.png")
    assert run("report", "tree.json", "-o", "doubts.html", "--dev").code == 0
    text = (project / "doubts.html").read_text(encoding="utf-8")
    section = re.sub(r"<[^>]+>", "", text.partition('id="doubts"')[2].partition("</section>")[0])
    assert re.search(r"z00\d\.png: labelled Nubbet, looks like [A-Z][a-z]+ in \d groups?", section)
    assert "intervals are for these 13 classes" in text.casefold()
