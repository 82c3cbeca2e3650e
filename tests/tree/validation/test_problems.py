from dataclasses import replace

import pytest

from treegen.tree.validation.problems import CODES, Fix, Problem, errors_of, pointer_to, with_levels


@pytest.mark.parametrize(
    ("parts", "pointer"),
    [
        ((), ""),
        (("rules", "A", 0), "/rules/A/0"),
        (("a/b",), "/a~1b"),
        (("a~b",), "/a~0b"),
        (("~1",), "/~01"),
        (("",), "/"),
        (("Évoli 🦎",), "/Évoli 🦎"),
    ],
)
def test_a_pointer_escapes_as_rfc_6901_says(parts: tuple[str | int, ...], pointer: str) -> None:
    assert pointer_to(*parts) == pointer


def test_a_pointer_can_always_be_written_as_utf_8() -> None:
    assert pointer_to("rules", "\ud83e") == "/rules/?"


def test_every_code_has_a_severity_and_a_meaning() -> None:
    assert all(code[:2] == "TG" and code[2:].isdigit() and len(code) == 5 for code in CODES)
    assert all(severity in ("error", "warning") and meaning for severity, meaning in CODES.values())


def test_a_problem_takes_its_severity_from_its_code() -> None:
    assert Problem(code="TG204", pointer="", message="m").severity == "error"
    assert Problem(code="TG205", pointer="", message="m").severity == "warning"


def test_a_problem_as_json_holds_plain_values_and_the_summary_of_its_fix() -> None:
    problem = Problem(code="TG301", pointer="/digest", message="missing", fix=Fix(summary="write it", edits=()))
    assert problem.as_json() == {
        "code": "TG301",
        "severity": "warning",
        "pointer": "/digest",
        "message": "missing",
        "fix": "write it",
    }
    assert Problem(code="TG101", pointer="", message="m").as_json()["fix"] is None


def test_warnings_are_no_errors() -> None:
    error, warning = (Problem(code=c, pointer="", message="m") for c in ("TG101", "TG113"))
    assert errors_of([warning, error, warning]) == (error,)


def test_a_project_may_raise_a_warning_or_switch_it_off() -> None:
    unused, hedge, spaces = (Problem(code=c, pointer=c, message="m") for c in ("TG205", "TG604", "TG113"))
    kept, off = with_levels([unused, hedge, spaces, unused], {"TG205": "off", "TG604": "error"})
    assert off == 2
    assert kept == (replace(hedge, level="error"), spaces)
    assert [p.severity for p in kept] == ["error", "warning"]
    assert errors_of(kept) == kept[:1]
    assert kept[0].as_json()["severity"] == "error"
    assert with_levels([unused], {}) == ((unused,), 0)
