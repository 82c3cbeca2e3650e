"""Findings as text, JSON, annotations of GitHub and SARIF."""

import json
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from treegen import __version__
from treegen.cli.formats import github_lines, json_document, sarif_document, switched_off, text_lines
from treegen.tree.validation.problems import CODES, Fix, Place, Problem
from treegen.workflow.check import Findings

ERROR = Problem(code="TG112", pointer="/rules/A: B,\nC", message="100% wrong:\r\nyes, \x1b[2J")
WARNING = Problem(code="TG301", pointer="", message="no digest", fix=Fix(summary="write it", edits=()))
RAISED = Problem(code="TG603", pointer="/classification_groups/g/options/0", message="or", level="error")


def findings(path: str = "trees/tree.json", *, off: int = 0) -> Findings:
    places = (Place(line=3, column=7), None, Place(line=1, column=2))
    return Findings(path=Path(path), problems=(ERROR, WARNING, RAISED), places=places, switched_off=off)


CLEAN = Findings(path=Path("clean.json"), problems=(), places=())


def test_text_has_one_line_for_each_problem_that_an_editor_can_open_and_the_counts() -> None:
    lines = list(text_lines(findings(off=4)))
    assert [re.sub(r"\x1b\[\d*m", "", line) for line in lines[1:]] == [
        "trees/tree.json: warning TG301 /: no digest (fix: write it)",
        "trees/tree.json:1:2: error TG603 /classification_groups/g/options/0: or",
        "trees/tree.json: 2 errors, 1 warning (4 switched off in domain.toml)",
    ]
    assert lines[0].startswith("trees/tree.json:3:7: ")
    assert "\x1b[2J" not in lines[0]
    assert list(text_lines(CLEAN)) == ["clean.json: 0 errors, 0 warnings"]


def test_what_is_switched_off_is_told_only_if_there_is_something() -> None:
    assert switched_off(CLEAN) == ""
    assert "2 switched off" in switched_off(findings(off=2))


def test_json_has_places_and_counts_for_each_file() -> None:
    first, second = json_document([findings(off=1), CLEAN])
    assert (first["file"], first["errors"], first["warnings"], first["switched_off"]) == ("trees/tree.json", 2, 1, 1)
    assert [(p["code"], p["severity"], p["line"], p["column"]) for p in first["problems"]] == [
        ("TG112", "error", 3, 7),
        ("TG301", "warning", None, None),
        ("TG603", "error", 1, 2),
    ]
    assert second == {"file": "clean.json", "errors": 0, "warnings": 0, "switched_off": 0, "problems": []}


def decoded(line: str) -> tuple[str, dict[str, str], str]:
    """A workflow command as the runner reads it: its name, properties and message."""
    found = re.fullmatch(r"::(\w+) ([^\n]*?)::([^\n\r]*)", line)
    assert found is not None
    parts = (part.partition("=") for part in found[2].split(","))
    return found[1], {key: unquote(value) for key, _, value in parts}, unquote(found[3])


def test_github_reads_back_what_was_written() -> None:
    name, properties, message = decoded(next(github_lines(findings("a,b:c%/t.json"), Path("/repo"))))
    assert (name, properties) == ("error", {"file": "a,b:c%/t.json", "line": "3", "col": "7", "title": "TG112"})
    assert message == "/rules/A: B,\nC: 100% wrong:\\u000d\nyes, \\u001b[2J"


def test_github_gets_no_line_where_none_is_known_and_the_projects_severity() -> None:
    _, unplaced, raised = github_lines(findings(), Path("/repo"))
    assert unplaced == "::warning file=trees/tree.json,title=TG301::/: no digest"
    assert raised.startswith("::error file=trees/tree.json,line=1,col=2,title=TG603::")
    assert list(github_lines(CLEAN, Path("/repo"))) == []


@pytest.mark.parametrize(
    ("path", "shown"),
    [
        ("tree.json", "tree.json"),
        ("/repo/sub/tree.json", "sub/tree.json"),
        ("sub/../tree.json", "tree.json"),
        ("../other/tree.json", "/other/tree.json"),
        ("/other/tree.json", "/other/tree.json"),
    ],
)
def test_a_file_is_named_from_where_one_stands(path: str, shown: str) -> None:
    """GitHub matches annotations with the files of a pull request by their relative path."""
    line = next(github_lines(findings(path), Path("/repo")))
    assert decoded(line)[1]["file"] == shown


def test_sarif_names_its_rules_with_meaning_and_default_level() -> None:
    document = sarif_document([findings(), CLEAN], Path("/repo"))
    assert document["version"] == "2.1.0"
    assert document["$schema"].endswith("sarif-2.1.0.json")
    (run,) = document["runs"]
    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == ("treegen", __version__)
    assert run["tool"]["driver"]["rules"] == [
        {"id": code, "shortDescription": {"text": CODES[code][1]}, "defaultConfiguration": {"level": CODES[code][0]}}
        for code in ("TG112", "TG301", "TG603")
    ]
    assert (run["columnKind"], run["invocations"]) == ("unicodeCodePoints", [{"executionSuccessful": True}])


def test_sarif_results_have_a_level_a_place_and_the_rule_they_point_to() -> None:
    (run,) = sarif_document([findings("a b/é:.json")], Path("/repo"))["runs"]
    error, unplaced, raised = run["results"]
    assert [r["level"] for r in run["results"]] == ["error", "warning", "error"]
    for result in run["results"]:
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
    physical = error["locations"][0]["physicalLocation"]
    assert physical == {
        "artifactLocation": {"uri": "a%20b/%C3%A9%3A.json"},
        "region": {"startLine": 3, "startColumn": 7},
    }
    assert "region" not in unplaced["locations"][0]["physicalLocation"]
    assert raised["locations"][0]["logicalLocations"] == [{"fullyQualifiedName": RAISED.pointer}]
    assert error["message"] == {"text": ERROR.message}
    assert json.loads(json.dumps(run)) == run


def test_sarif_addresses_are_relative_where_they_can_be() -> None:
    def uri(path: str) -> str:
        run = sarif_document([findings(path)], Path("/repo"))["runs"][0]
        found = run["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        assert isinstance(found, str)
        return found

    assert uri("/repo/x/tree.json") == "x/tree.json"
    assert (urlsplit(uri("/else/tree.json")).scheme, urlsplit(uri("/else/tree.json")).path) == (
        "file",
        "/else/tree.json",
    )


def test_sarif_fingerprints_outlive_a_move_of_lines_and_tell_problems_apart() -> None:
    def prints(found: Findings) -> list[str]:
        return [
            r["partialFingerprints"]["problem/v1"] for r in sarif_document([found], Path("/r"))["runs"][0]["results"]
        ]

    moved = Findings(path=Path("trees/tree.json"), problems=(ERROR, WARNING, RAISED), places=(None, None, None))
    assert prints(findings()) == prints(moved)
    assert len(set(prints(findings()))) == 3
    assert set(prints(findings("other.json"))).isdisjoint(prints(moved))


def test_sarif_of_nothing_is_whole_and_tells_if_a_file_could_not_be_read() -> None:
    (run,) = sarif_document([], Path("/repo"), complete=False)["runs"]
    assert (run["results"], run["tool"]["driver"]["rules"]) == ([], [])
    assert run["invocations"] == [{"executionSuccessful": False}]
