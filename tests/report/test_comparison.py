"""`treegen compare`: paired tests on the same images, corrected over all of them."""

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.report.conftest import HOSTILE, made_up, markup_of
from treegen.clip.metrics.statistics import holm, mcnemar_exact
from treegen.errors import InputError
from treegen.history.store import Store
from treegen.images import LabelledImage
from treegen.report.comparison import compare, compare_evaluations, corrected, entry_label, shared_images, summary
from treegen.report.evaluation import Evaluation, SplitPredictions, aligned
from treegen.report.rendering import MARK, comparison_html, comparison_markdown
from treegen.tree.model import ClassRule, Group, Tree
from treegen.vcs.versions import Version
from treegen.workflow.workspace import Workspace

pytestmark = pytest.mark.slow


def _predictions(text: str, labels: str, paths: str = "abcdefgh") -> SplitPredictions:
    """Predictions on images that are letters; a class is a digit."""
    images = tuple(LabelledImage(path=Path(path), label=int(label)) for path, label in zip(paths, labels, strict=False))
    values, true = tuple(map(int, text)), tuple(map(int, labels))
    return SplitPredictions(images=images, labels=true, predictions=values, baseline=values)


POND = Tree(
    domain="pond",
    groups=(Group(name="g", prompt="{}", options=("x", "y")),),
    rules=(ClassRule(name="Newt", answers=(("g", 0),)), ClassRule(name="Swan", answers=(("g", 1),))),
)


def _evaluation(side: SplitPredictions, **more: object) -> Evaluation:
    plain = Evaluation(
        name="t", tree=POND, encoder="E", fingerprint="f", rule="mean", dev=side, test=side, groups=(), evaluations=3
    )
    return replace(plain, **more)  # type: ignore[arg-type]


def test_only_images_that_every_encoder_has_are_compared() -> None:
    whole = _evaluation(_predictions("0011", "0011"))
    part = _evaluation(_predictions("011", "011", paths="acd"), fingerprint="other")
    common, left_out = aligned([whole, part])
    assert left_out == 2  # one on each split
    assert [[str(image.path) for image in each.dev.images] for each in common] == [["a", "c", "d"]] * 2
    assert [each.dev.predictions for each in common] == [(0, 1, 1)] * 2


def test_p_values_are_corrected_over_all_pairs_and_what_was_not_tested_stays_out() -> None:
    tests = [{"wins": w, "losses": 0, "difference": 0.1, "p": mcnemar_exact(w, 0)} for w in (5, 8, 20)]
    found = corrected([tests[0], None, *tests[1:]])  # type: ignore[list-item]
    assert found[1] is None
    assert [each["p_holm"] for each in found if each] == list(holm([test["p"] for test in tests]))


def test_the_figures_are_those_of_the_scores(run: Run, project: Path) -> None:
    done = run("compare", "earlier.json", "tree.json", "--json")
    document = json.loads(done.out)
    assert run("score", "tree.json").code == 0
    with Store(project / "tree.json") as store:
        earlier, later = store.scores().values()
    assert [entry["test"] for entry in document["entries"]] == [earlier["test"], later["test"]]
    assert [entry["tree"] for entry in document["entries"]] == [earlier["tree"], later["tree"]]
    (pair,) = document["pairs"]
    assert (pair["first"], pair["second"]) == (1, 0)
    assert {key: pair[key] for key in ("wins", "losses", "difference", "p")} == later["mcnemar"]["parent"]
    assert pair["p_holm"] == pair["p"]
    recalls = {row["name"]: row["shares"][1] for row in document["per_class"]}
    for each in later["dev"]["classes"]:
        assert recalls[each["name"]]["accuracy"] == each["recall"]
        assert recalls[each["name"]]["interval"] == each["interval"]
    groups = {row["name"]: row["shares"][1]["accuracy"] for row in document["per_group"]}
    assert groups == {group["name"]: group["accuracy"] for group in later["dev"]["groups"]}
    for each in document["changed"]:
        assert len(set(each["predicted"])) == 2


def test_a_comparison_counts_its_evaluations_of_the_test_split_and_adds_no_revision(run: Run, project: Path) -> None:
    (project / "third.json").write_text(
        (project / "tree.json").read_text(encoding="utf-8").replace('"tiny"', '"minute"'), encoding="utf-8"
    )
    with Store(project / "tree.json") as store:
        before = [revision.id for revision in store.revisions()]
    counts = [
        json.loads(run("compare", "tree.json", "third.json", "--json", *more).out)["evaluations"]
        for more in (["--dev"], [], [])
    ]
    assert counts == [0, 3, 3]
    with Store(project / "tree.json") as store:
        assert [revision.id for revision in store.revisions()] == before


def test_three_entries_are_tested_in_every_pair(run: Run, project: Path) -> None:
    done = run("compare", "earlier.json", "tree.json", "earlier.json", "--json")
    document = json.loads(done.out)
    assert [(pair["second"], pair["first"]) for pair in document["pairs"]] == list(combinations(range(3), 2))
    assert [pair["p_holm"] for pair in document["pairs"]] == list(holm([pair["p"] for pair in document["pairs"]]))
    assert document["pairs"][1]["difference"] == 0  # a tree and itself


def test_the_table_the_page_and_the_markdown_name_every_entry(run: Run, project: Path) -> None:
    shown = run("compare", "earlier.json", "tree.json")
    assert shown.code == 0
    page = run("compare", "earlier.json", "tree.json", "-o", "c.html")
    assert page.code == 0
    html = (project / "c.html").read_text(encoding="utf-8")
    markdown = run("compare", "earlier.json", "tree.json", "--format", "markdown").out
    for text in (shown.out, html, markdown):
        assert "earlier.json" in text
        assert "names alone" in text
        assert "chance" in text.lower()
        assert "Holm" in text
        assert "better" not in text
    assert html.startswith(MARK)
    assert run("compare", "earlier.json", "tree.json", "-o", "c.html").code == 0
    assert (project / "c.html").read_text(encoding="utf-8") == html


def test_tests_on_other_images_than_the_accuracies_are_said_with_their_number(run: Run, project: Path) -> None:
    """Classes without an answer in a group count for one tree only; the same images for both need no word."""
    shared = "for which both trees expect an answer"
    assert shared not in run("compare", "earlier.json", "tree.json").out
    tree = json.loads((project / "tree.json").read_text(encoding="utf-8"))
    tree.pop("digest", None)
    tree["rules"]["Abrosk"]["size"] = None
    (project / "nulls.json").write_text(json.dumps(tree), encoding="utf-8")
    document = json.loads(run("compare", "tree.json", "nulls.json", "--json").out)
    size = next(row for row in document["per_group"] if row["name"] == "size")
    whole, part = [share["n"] for share in size["shares"]]
    assert whole > part == size["against"][1]["n"]
    assert document["pairs"][0]["n"] == document["entries"][0]["test"]["n"]
    words = f"size (tested on {part}, accuracies over {whole} and {part})"
    assert run("compare", "tree.json", "nulls.json", "-o", "c.html").code == 0
    html = (project / "c.html").read_text(encoding="utf-8")
    markdown = run("compare", "tree.json", "nulls.json", "--format", "markdown").out
    for text in (run("compare", "tree.json", "nulls.json").out, html, markdown):
        assert words in text
        assert shared in text


def test_images_that_an_encoder_lacks_are_said_with_the_number_of_the_others(project: Path) -> None:
    with Workspace(project / "tree.json") as workspace:
        whole = _evaluation(_predictions("0011", "0011"))
        part = _evaluation(_predictions("011", "011", paths="acd"), fingerprint="other")
        workspace.domain = replace(workspace.domain, classes=("Newt", "Swan"))
        document = compare_evaluations(workspace, [whole, part])
    words = "on the 3 images of the test split that every encoder can embed (2 images were left out)"
    assert words in shared_images(document)
    assert words in comparison_html(document)


def test_revisions_of_the_history_are_compared_by_name(run: Run, project: Path) -> None:
    document = json.loads(run("compare", "tree.json@1", "tree.json@2", "--json").out)
    assert [entry["name"] for entry in document["entries"]] == ["tree.json@1", "tree.json@2"]
    assert run("report", "tree.json@1", "-o", "r.html", "--against", "tree.json@2").code == 0
    assert "<h1>tree.json@1</h1>" in (project / "r.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["tree.json"], 2, "nothing to compare"),
        (["tree.json", "gone.json"], 2, "gone.json"),
        (["tree.json", "earlier.json", "--format", "html"], 2, "name it with -o"),
        (["tree.json", "earlier.json", "--json", "--format", "markdown"], 2, "give one of the two"),
        (["tree.json", "earlier.json", "-o", "tree.json"], 2, "not a page of treegen"),
        (["tree.json", "other.json"], 1, "other.json"),
        (["tree.json", "earlier.json", "--encoder", "local-dir:/nowhere"], 3, "/nowhere"),
        ([], 2, "TREE"),
    ],
)
def test_what_cannot_be_compared_is_said(run: Run, project: Path, arguments: list[str], code: int, words: str) -> None:
    text = (project / "tree.json").read_text(encoding="utf-8")
    (project / "other.json").write_text(text.replace("Abrosk G", "Abrosk H"), encoding="utf-8")
    done = run("compare", *arguments)
    assert done.code == code
    assert words in done.err
    assert "Traceback" not in done.err
    assert (project / "tree.json").read_text(encoding="utf-8") == text


def test_two_encoders_are_told_apart(project: Path) -> None:
    """The bundled model by two names of the domain: the same figures, labels that say by whom."""
    with Workspace(project / "tree.json") as workspace:
        tree = Version(name="tree.json", tree=workspace.load()[0])
        with pytest.raises(InputError, match="nothing to compare"):
            compare([workspace], [tree])
        document = compare([workspace, workspace], [tree])
    assert "No significant difference" in summary(document)
    assert [entry_label(document, i) for i in range(2)] == ["tree.json (1)", "tree.json (2)"]
    document["entries"][1] |= {"encoder": "other", "fingerprint": "sha256:other"}
    assert [entry_label(document, i) for i in range(2)] == ["tree.json by bundled", "tree.json by other"]


def test_hostile_names_stay_text(tmp_path: Path, project: Path) -> None:
    report = made_up(tmp_path, HOSTILE, classes=9, groups=9, options=9, images=90)
    with Workspace(project / "tree.json") as workspace:
        workspace.domain = replace(workspace.domain, classes=report.tree.classes)
        side = _predictions("01234567", "01234567")
        other = replace(side, predictions=side.predictions[::-1])
        evaluations = [
            _evaluation(each, name=name, encoder=name) for each, name in zip((side, other), HOSTILE, strict=False)
        ]
        document = compare_evaluations(workspace, evaluations)
    html = comparison_html(document)
    assert html.count("<script") == 1
    assert "<img" not in html
    assert not {"\x1b", "\u202e"} & set(html)
    assert "<script" not in markup_of(comparison_markdown(document))
    assert "<img" not in markup_of(comparison_markdown(document))
