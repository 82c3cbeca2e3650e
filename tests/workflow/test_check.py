"""All there is to say about a tree in one call: checks, lints, severities, places; and what drafting must not see."""

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE
from treegen.config.domain import Domain, load_domain
from treegen.config.settings import CheckSettings
from treegen.errors import InputError
from treegen.tree.document import tree_from
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data, check_text
from treegen.tree.validation.problems import Place, Problem
from treegen.workflow.check import check_domain_file, check_tree, check_tree_file, check_tree_text
from treegen.workflow.review_model import ReviewModel

CLASSES = tuple(json.loads(TREE)["rules"])
DATA = Path(__file__).parents[1] / "data" / "trees"


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    return Domain(folder=tmp_path, name="sketchbook", classes=CLASSES)


@pytest.fixture
def data() -> dict[str, Any]:
    """Two options to lint, and a rule of the schema and a rule across classes that are broken."""
    found: dict[str, Any] = json.loads(TREE)
    found["classification_groups"]["size"]["options"] = ["usually tiny", "huge", "a snake or ulvars"]
    found["rules"]["Zandoor"]["size"] = 9
    return found


def written(folder: Path, data: Any) -> Path:
    path = folder / "tree.json"
    path.write_text(data if isinstance(data, str) else json.dumps(data, indent=1), encoding="utf-8")
    return path


def test_checks_and_lints_come_together_in_the_order_of_their_places(
    tmp_path: Path, data: dict[str, Any], domain: Domain
) -> None:
    found = check_tree_file(written(tmp_path, data), domain)
    codes = {p.code for p in found.problems}
    assert {"TG112", "TG205", "TG301", "TG603", "TG604", "TG607", "TG702"} <= codes
    assert (found.errors, found.switched_off) == (1, 0)
    lines = [place.line for place in found.places if place]
    assert lines == sorted(lines)
    assert len(lines) == len(found.problems)
    text = (tmp_path / "tree.json").read_text().split("\n")
    for problem, place in zip(found.problems, found.places, strict=True):
        assert place is not None
        if problem.pointer.startswith("/rules/"):
            key = problem.pointer.rsplit("/", 1)[1]
            assert text[place.line - 1][place.column - 1 :].startswith(f'"{key}"')


def test_what_a_language_model_is_told_holds_no_lint(data: dict[str, Any]) -> None:
    codes = {p.code for p in (*check_data(data).problems, *check_text(json.dumps(data)).problems)}
    assert not {code for code in codes if code[2] in "67"}


def test_severities_aliases_and_language_are_those_of_the_domain(
    tmp_path: Path, data: dict[str, Any], domain: Domain
) -> None:
    path = written(tmp_path, data)
    plain = check_tree_file(path, domain)
    levels = CheckSettings(severity=(("TG603", "error"), ("TG702", "off"), ("TG112", "error")))
    strict = check_tree_file(path, replace(domain, check=levels, aliases=(("Wendle", ("huge",)),)))
    assert (plain.errors, strict.errors) == (1, 2)
    assert strict.switched_off == sum(p.code == "TG702" for p in plain.problems) > 0
    assert next(p.message for p in strict.problems if p.code == "TG607").startswith('"huge" names the class "Wendle"')
    other = check_tree_file(path, replace(domain, language="fr"))
    assert not {"TG603", "TG604"} & {p.code for p in other.problems}
    assert "TG702" in {p.code for p in other.problems}


def test_a_text_gets_the_findings_that_it_would_get_in_its_file(
    tmp_path: Path, data: dict[str, Any], domain: Domain
) -> None:
    path = written(tmp_path, data)
    assert check_tree_text(path.read_text(), path, domain) == check_tree_file(path, domain)


def test_without_a_domain_the_defaults_count(tmp_path: Path, data: dict[str, Any]) -> None:
    found = check_tree_file(written(tmp_path, data))
    assert {"TG603", "TG604", "TG702"} <= {p.code for p in found.problems}
    assert found.document is not None


def test_a_tree_in_no_file_gets_the_same_problems_but_for_its_digest(
    tmp_path: Path, data: dict[str, Any], domain: Domain
) -> None:
    tree: Tree = tree_from(data)
    in_file = {p for p in check_tree_file(written(tmp_path, data), domain).problems if p.code != "TG301"}
    assert set(check_tree(tree, domain)) == in_file


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "TG101", (1, 1)),
        ('{"domain":\n  "d",\n  oops', "TG101", (3, 3)),
        (TREE[:700], "TG101", None),
        ("not JSON at all", "TG101", (1, 1)),
        ("\n\n[1, 2]", "TG103", (3, 1)),
        ('{"a": {"b": 1,\n "b": 2}}', "TG102", (2, 2)),
        ('{"rules":\n ' + "[" * 200 + "]" * 200 + "}", "TG101", (2, 101)),
        ('{"rules": {"A": {"g":\n NaN}}}', "TG101", (1, 18)),
        ('{"domain": 5,\n"rules": []}', "TG103", (1, 2)),
        ("null", "TG103", (1, 1)),
    ],
)
def test_bad_input_is_a_problem_with_its_place(
    tmp_path: Path, text: str, code: str, place: tuple[int, int] | None
) -> None:
    found = check_tree_file(written(tmp_path, text))
    assert found.document is None
    at = dict(zip((p.code for p in reversed(found.problems)), reversed(found.places), strict=True))[code]
    assert at is not None
    if place:
        assert at == Place(line=place[0], column=place[1])
    else:
        assert text[:700].count("\n") + 1 >= at.line > 10


def test_a_domain_file_gives_the_domain_or_its_problems_with_their_lines(tmp_path: Path) -> None:
    path = tmp_path / "domain.toml"
    path.write_text('name = "d"\nclasses = ["a", "b"]\n\n[check]\nseverity = { TG999 = "off" }\n')
    domain, found = check_domain_file(tmp_path)
    assert (domain, found.path, found.errors) == (None, path, 1)
    assert (found.problems[0].code, found.places) == ("TG408", (Place(line=5, column=1),))
    path.write_text('name = "d"\nclasses = ["a", "b"]\n')
    domain, found = check_domain_file(path)
    assert domain is not None
    assert (domain.name, found.problems, found.places) == ("d", (), ())


def test_what_cannot_be_opened_is_an_input_error_with_the_place_of_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "tree.json"
    path.write_bytes('{"domain":\n "é'.encode() + b"\xff\xfe")
    with pytest.raises(InputError, match=r"not UTF-8 at byte 15 \(line 2, column 4\)"):
        check_tree_file(path)
    with pytest.raises(InputError, match="a folder, not a file"):
        check_tree_file(tmp_path)


@pytest.mark.slow
def test_three_megabytes_of_ten_thousand_classes_are_checked_with_their_places(tmp_path: Path) -> None:
    options = [f"shade {chr(97 + i // 26)}{chr(97 + i % 26)}" for i in range(100)]
    groups = {f"g{g}": {"prompt": "It is {}.", "options": options} for g in range(26)}
    rules = {f"Creature {i}": {f"g{g}": (i * (g + 1) + i // 100) % 100 for g in range(26)} for i in range(10_000)}
    rules["Creature 9876"]["g7"] = 100
    path = written(tmp_path, {"domain": "large", "classification_groups": groups, "rules": rules})
    assert path.stat().st_size > 3_000_000
    found = check_tree_file(path)
    (number,) = [i for i, p in enumerate(found.problems) if p.code == "TG112"]
    place = found.places[number]
    assert place is not None
    assert path.read_text().split("\n")[place.line - 1].strip() == '"g7": 100,'


def test_a_fix_is_applied_before_the_rest_is_told(tmp_path: Path, domain: Domain) -> None:
    path = written(tmp_path, TREE.replace('"tiny"', '" tiny "'))
    before = check_tree_file(path, domain)
    after = check_tree_file(path, domain, fix=True)
    assert {"TG113", "TG301"} <= {p.code for p in before.problems}
    assert not {"TG113", "TG301"} & {p.code for p in after.problems}
    assert {"TG113", "TG301"} == {p.code for p in after.fixed}
    assert replace(after, fixed=()) == check_tree_file(path, domain)


def test_an_encoder_counts_with_its_own_context_and_compares_embeddings(tmp_path: Path, domain: Domain) -> None:
    import torch

    from tests.clip.conftest import FakeEncoder

    class Short(FakeEncoder):
        def encode_texts(self, texts: Sequence[str]) -> torch.Tensor:
            return torch.tensor([[1.0, 0.0] if "white" in t or "green" in t else [0.0, 1.0] for t in texts])

    data = json.loads(TREE)
    data["classification_groups"]["size"]["options"][0] = "long " * 80
    data["classification_groups"]["mark"]["options"] += ["striped spots", "spotted stripes", "spots stripes striped"]
    data["classification_groups"]["colour"]["options"][2:] = ["grey"]
    encoder = Short()
    encoder.name, encoder.context_length = "short", 7
    found = check_tree_file(written(tmp_path, data), domain, encoder=encoder)
    codes = [p.code for p in found.problems]
    assert "TG609" not in codes
    assert "TG120" in codes
    alike: list[Problem] = [p for p in found.problems if p.code == "TG601"]
    assert "is 1.000 (limit" in next(p.message for p in alike if p.pointer.endswith("/colour/options/1"))
    assert len({p.pointer for p in alike}) == len(alike)


PROBE = """
import sys
from treegen.cli.main import treegen
try:
    treegen.main(sys.argv[1:])
except SystemExit:
    pass
heavy = ("torch", "open_clip", "PIL", "litellm", "jsonschema")
print([m for m in heavy if m in sys.modules], file=sys.stderr)
"""


def test_a_sound_tree_is_checked_without_an_encoder_and_without_json_schema(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", PROBE, "check", str(written(tmp_path, TREE))]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stderr.strip().splitlines()[-1] == "[]"


def problem_texts(problems: Sequence[Problem]) -> list[str]:
    return sorted(f"{p.code} {p.pointer} {p.severity} {p.message}" for p in problems)


@pytest.mark.parametrize("with_domain", [False, True])
@pytest.mark.parametrize("file", sorted(DATA.rglob("*.json")), ids=lambda file: file.stem)
def test_the_review_shows_what_check_prints(tmp_path: Path, file: Path, with_domain: bool) -> None:
    """Of every file that is read as a tree; what is not one is read key by key in the review, which shows more."""
    if file.name.endswith(".expected.json"):
        return
    path = tmp_path / "tree.json"
    path.write_bytes(file.read_bytes())
    if with_domain:
        levels = 'severity = { TG205 = "off", TG605 = "error", TG302 = "off", TG303 = "error" }'
        text = f'name = "sketchbook"\nclasses = ["Newt", "Swan", "Owl"]\n[check]\n{levels}\n'
        (tmp_path / "domain.toml").write_text(text)
    domain = load_domain(tmp_path / "domain.toml") if with_domain else None
    found = check_tree_file(path, domain)
    with ReviewModel(path) as review:
        shown, blank = review.problems, review.session.is_blank
    if found.document or blank:
        for ours, theirs in zip(problem_texts(shown), problem_texts(found.problems), strict=True):
            assert ours.startswith(theirs), "it may add how it reads what is written"
    else:
        assert any(problem.severity == "error" for problem in shown)


def test_a_check_does_not_depend_on_the_history(tree_file: Path) -> None:
    domain = load_domain(tree_file.parent)
    before = check_tree_file(tree_file, domain)
    (tree_file.parent / ".treegen").mkdir(exist_ok=True)
    (tree_file.parent / ".treegen" / "store.sqlite").write_text(
        "not a database, but long enough to be read as one" * 99
    )
    assert check_tree_file(tree_file, domain) == before
