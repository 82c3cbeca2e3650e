"""`treegen check`: every problem of trees and domains, as text, JSON or annotations, and the certain fixes."""

import json
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE, Run
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_file
from treegen.vcs.versions import tree_of
from treegen.workflow.workspace import Workspace


def load_tree(path: Path) -> Tree:
    """The tree of a file that has the types of one."""
    document = check_file(path).document
    assert document is not None
    return document.tree


def test_check_reports_every_problem_and_exits_1(run: Run, tree_file: Path) -> None:
    """Three independent faults of one file are all named, with code and pointer."""
    data = json.loads(TREE)
    data["rules"]["Zandoor"]["size"] = 7
    del data["rules"]["Ulvar"]
    data["classification_groups"]["mark"]["prompt"] = "no place"
    tree_file.write_text(json.dumps(data), encoding="utf-8")
    done = run("check", tree_file)
    assert done.code == 1
    for expected in ("TG112 /rules/Zandoor/size", "TG201 /rules", "TG110 /classification_groups/mark/prompt"):
        assert expected in done.out


def test_check_fix_writes_the_digest_and_nothing_else(run: Run, tree_file: Path) -> None:
    """A tree without a digest is a warning (exit 0); --fix writes it and the canonical text; then nothing is left."""
    before = load_tree(tree_file)
    first = run("check", tree_file)
    assert first.code == 0
    assert "TG301" in first.out
    run("check", "--fix", tree_file)
    again = run("check", tree_file)
    *twins, counts = again.out.splitlines()
    assert (again.code, counts) == (0, f"{tree_file}: 0 errors, 6 warnings")
    assert all(" warning TG702 /rules/" in line for line in twins)  # the sketchbook has twins by design
    assert load_tree(tree_file) == before
    assert digest_of(before) in tree_file.read_text(encoding="utf-8")


def test_check_fix_leaves_a_file_of_which_something_would_be_lost(run: Run, tree_file: Path) -> None:
    """A key that stands twice cannot be fixed by dropping one of the two."""
    text = TREE.replace('"Zandoor": {', '"Ulvar": {')
    tree_file.write_text(text, encoding="utf-8")
    assert run("check", "--fix", tree_file).code == 1
    assert tree_file.read_text(encoding="utf-8") == text


def test_check_formats(run: Run, tree_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON for scripts, annotations for GitHub, SARIF for code scanning, lines that editors open."""
    monkeypatch.chdir(tree_file.parent)
    found = json.loads(run("check", "--format", "json", "tree.json").out)
    assert (found[0]["problems"][0]["code"], found[0]["problems"][0]["line"]) == ("TG301", 1)
    assert "::warning file=tree.json,line=1,col=1,title=TG301::" in run("check", "--format", "github", "tree.json").out
    sarif = json.loads(run("check", "--format", "sarif", "tree.json", "none.json").out)
    assert sarif["runs"][0]["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"] == {
        "uri": "tree.json"
    }
    assert sarif["runs"][0]["invocations"] == [{"executionSuccessful": False}]
    assert "tree.json:1:1: warning TG301 /digest: " in run("check", "tree.json").out


def test_severities_of_the_domain_decide_the_exit_code_and_what_is_told(run: Run, tree_file: Path) -> None:
    """What is switched off is still counted: on stdout for people, on stderr where stdout is for programs."""
    domain = tree_file.parent / "domain.toml"
    text = domain.read_text(encoding="utf-8")
    domain.write_text(text + '\n[check]\nseverity = { TG702 = "off", TG301 = "error" }\n', encoding="utf-8")
    strict = run("check", tree_file)
    assert strict.code == 1
    assert "TG702" not in strict.out
    assert strict.out.endswith("1 error, 0 warnings (6 switched off in domain.toml)\n")
    for form in ("json", "github", "sarif"):
        done = run("check", "--format", form, tree_file)
        assert done.code == 1
        assert "6 switched off in domain.toml" in done.err
    domain.write_text(text + '\n[check]\nseverity = { TG112 = "off" }\n', encoding="utf-8")
    refused = run("check", tree_file)
    assert refused.code == 1
    assert "TG408 /check/severity/TG112: TG112 (an index outside its group's options) is always an error" in refused.out


def test_an_encoder_is_loaded_once_and_its_limit_counts(run: Run, tree_file: Path, tmp_path: Path) -> None:
    """The bundled CLIP reads fewer tokens than others."""
    data = json.loads(TREE)
    data["classification_groups"]["size"]["options"][0] = "tiny " * 40
    tree_file.write_text(json.dumps(data), encoding="utf-8")
    (tmp_path / "alone.json").write_text(json.dumps(data), encoding="utf-8")
    assert run("check", tree_file).code == 0
    done = run("check", "--encoder", "bundled", "--device", "cpu", tree_file, tmp_path / "alone.json")
    assert done.code == 1
    assert done.out.count("error TG120 /classification_groups/size/options/0: ") == 2
    wrong = run("check", "--encoder", "none:such", tree_file)
    assert wrong.code == 3
    assert "Traceback" not in wrong.err


def test_a_device_without_an_encoder_is_wrong_usage(run: Run, tree_file: Path) -> None:
    """It would look as if something had been computed on it."""
    done = run("check", "--device", "cpu", tree_file)
    assert done.code == 2
    assert "--encoder" in done.err


def test_a_folder_is_checked_as_its_domain_and_its_tree(run: Run, tree_file: Path) -> None:
    """Both are named; a folder without a domain is unreadable input."""
    done = run("check", tree_file.parent)
    assert done.code == 0
    assert [line.split(":")[0] for line in done.out.splitlines() if " errors, " in line] == [
        str(tree_file.parent / "domain.toml"),
        str(tree_file),
    ]
    (tree_file.parent / "inner").mkdir()
    assert run("check", tree_file.parent / "inner").code == 2


GATES = [("--require-approved",), ("--min-accuracy", "0.5"), ("--against", "HEAD")]


@pytest.mark.parametrize("gate", GATES)
def test_a_gate_that_finds_no_tree_does_not_pass(run: Run, workspace: Workspace, gate: tuple[str, ...]) -> None:
    """A pipeline with a mistyped path must not be green; what the domain has is still told."""
    folder = workspace.path.parent
    for path, told in ((folder, "no tree.json to check"), (folder / "domain.toml", "no tree to check")):
        done = run("check", *gate, path)
        assert done.code == 2
        assert f"{path}: {told}\n  name the tree file" in done.err
        assert "0 errors, 0 warnings" in done.out


def test_a_folder_without_a_tree_says_so_on_stderr(run: Run, workspace: Workspace) -> None:
    folder = workspace.path.parent
    done = run("check", folder)
    assert (done.code, done.err) == (0, f"{folder}: has no tree.json, so only its domain was checked\n")
    assert run("check", folder / "domain.toml").err == ""


@pytest.mark.parametrize("gate", GATES)
def test_what_cannot_be_read_as_a_tree_passes_no_gate(run: Run, workspace: Workspace, gate: tuple[str, ...]) -> None:
    for text, code, told in (('{"rules": {}}', 1, "TG104"), ("{}", 2, "tree.json: JSON, but not a tree")):
        workspace.path.write_text(text, encoding="utf-8")
        for path in (workspace.path, workspace.path.parent):
            done = run("check", *gate, path)
            assert (done.code, told in done.out + done.err) == (code, True)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"\xff\xfe", "UTF-16 text, not a tree"),
        (b"\xe9t\xe9", "not UTF-8 at byte 0"),
        (None, "no such file"),
    ],
)
def test_unreadable_tree_exits_2(run: Run, tmp_path: Path, content: bytes | None, told: str) -> None:
    """One message with the file and what is wrong; no traceback."""
    path = tmp_path / "tree.json"
    if content is not None:
        path.write_bytes(content)
    done = run("check", path)
    assert done.code == 2
    assert told in done.err
    assert str(path) in done.err
    assert "Traceback" not in done.err


def test_terminal_escapes_in_names_are_shown_not_obeyed(run: Run, tmp_path: Path) -> None:
    """A name that holds an escape sequence cannot colour or clear the terminal."""
    data = json.loads(TREE)
    data["rules"]["\x1b[2Jbad"] = {}
    path = tmp_path / "tree.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    done = run("check", path)
    assert done.code == 1
    assert "\x1b[2J" not in done.out
    assert "\\x1b[2Jbad" in done.out or "\\u001b[2Jbad" in done.out


def test_broken_domain_lists_all_its_problems(run: Run, tmp_path: Path) -> None:
    """Exit code 1 with every place, as for a tree."""
    path = tmp_path / "domain.toml"
    path.write_text('name = ""\nnouns = "x"\nclasses = ["a"]\n[split]\ndev = 2\n', encoding="utf-8")
    done = run("check", path)
    assert done.code == 1
    for line, place in ((1, "/name"), (2, "/nouns"), (3, "/classes"), (5, "/split/dev")):
        assert any(shown.startswith(f"{path}:{line}:1: error ") and place in shown for shown in done.out.splitlines())


def test_without_a_domain_it_says_what_was_not_compared(run: Run, tmp_path: Path) -> None:
    """On stderr, so that what a script reads from stdout is unchanged; with a domain there is nothing to say."""
    path = tmp_path / "tree.json"
    path.write_text(TREE, encoding="utf-8")
    alone = run("check", "--format", "json", path)
    assert alone.code == 0
    assert "no domain.toml beside it, so its classes were not compared" in alone.err
    assert json.loads(alone.out)[0]["problems"][0]["code"] == "TG301"
    classes = json.dumps(list(json.loads(TREE)["rules"]))
    (tmp_path / "domain.toml").write_text(f'name = "sketchbook"\nclasses = {classes}\n', encoding="utf-8")
    assert run("check", path).err == ""


def test_a_broken_domain_beside_the_tree_is_not_called_missing(run: Run, tmp_path: Path) -> None:
    """Its own problems are listed; the tree is still checked by itself."""
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    (tmp_path / "domain.toml").write_text('name = ""\nclasses = ["a", "b"]\n', encoding="utf-8")
    done = run("check", tmp_path / "tree.json")
    assert done.code == 1
    assert "TG106 /name" in done.out
    assert "TG301" in done.out
    assert "no domain.toml" not in done.err


def test_numbers_of_400_digits_are_problems_and_no_traceback(run: Run, tmp_path: Path) -> None:
    """An index in a tree and a share in a domain that no float can hold."""
    large = "1" + "0" * 399
    tree, domain = tmp_path / "tree.json", tmp_path / "domain.toml"
    tree.write_text(TREE.replace('"colour": 8', f'"colour": {large}'), encoding="utf-8")
    domain.write_text(f'name = "d"\nclasses = ["a", "b"]\n[split]\ndev = {large}\n', encoding="utf-8")
    for path, expected in ((tree, "TG112 /rules/Zandoor/colour"), (domain, "TG106 /split/dev")):
        done = run("check", path)
        assert done.code == 1
        assert expected in done.out
        assert "unexpected" not in done.err


def test_a_rule_of_nulls_alone_and_an_option_with_braces_are_errors(run: Run, tree_file: Path) -> None:
    """TG201: such a rule says nothing of its class. TG110: the option's braces would be filled or shown."""
    data = json.loads(TREE)
    data["rules"]["Ulvar"] = dict.fromkeys(data["rules"]["Ulvar"])
    data["classification_groups"]["mark"]["options"][0] = "{} stripes"
    tree_file.write_text(json.dumps(data), encoding="utf-8")
    done = run("check", tree_file)
    assert done.code == 1
    assert "TG201 /rules/Ulvar" in done.out
    assert "TG110 /classification_groups/mark/options/0" in done.out


def test_a_class_that_nulls_leave_with_two_answers_is_warned_of(run: Run, tree_file: Path) -> None:
    content = json.loads(tree_file.read_text())
    for group in ("colour", "form", "scene"):
        content["rules"]["Zandoor"][group] = None
    tree_file.write_text(json.dumps(content))
    done = run("check", tree_file)
    (line,) = (line for line in done.out.splitlines() if "TG610" in line)
    assert " warning TG610 /rules/Zandoor: " in line
    assert 'is answered by only "' in line
    assert " of 5 groups" in line


def test_a_for_an_is_found_in_a_prompt_filled_with_its_option(run: Run, tree_file: Path) -> None:
    content = json.loads(tree_file.read_text())
    content["classification_groups"]["size"]["prompt"] = "A {} creature."
    content["classification_groups"]["size"]["options"] = ["tiny", "enormous"]
    tree_file.write_text(json.dumps(content))
    lines = [line for line in run("check", tree_file).out.splitlines() if "TG611" in line]
    assert [line.partition(" warning ")[2].split(":")[0] for line in lines] == [
        "TG611 /classification_groups/size/options/1"
    ]


@pytest.mark.parametrize(
    ("template", "noun", "told"),
    [
        ("a photo of a {noun}: {name}", "animal", '"a animal": write {a noun} for "a {noun}"'),
        ("An {noun}, {name}", "bird", '"An bird": write {a noun} for "An {noun}"'),
        ("a {noun}, {name}", "hour", '"a hour": write {a noun}'),
        ("a {name}", "bird", '"a Abrosk" (and 3 more): write {a name} for "a {name}"'),
        ("an {name}", "bird", '"an Wendle" (and 8 more): write {a name} for "an {name}"'),
        ("a {a noun}: {name}", "animal", '"a an animal": remove "a" before it'),
        ("the {a name}", "animal", '"the an Abrosk" (and 12 more): remove "the" before it'),
        ("a {noun}: {name}", "an animal", '"a an animal": remove "a" before it'),
        ("a photo of {a noun}: {name}", "animal", ""),
        ("a photo of {a name}", "animal", ""),
        ("a {noun} called {name}", "unicorn", ""),
        ("data {noun}, a photo of the {name}", "animal", ""),
    ],
)
def test_a_for_an_is_found_in_the_template_of_the_names(
    run: Run, tmp_path: Path, template: str, noun: str, told: str
) -> None:
    domain = tmp_path / "domain.toml"
    domain.write_text(f"name_template = '{template}'\n{DOMAIN.replace('creature', noun)}", encoding="utf-8")
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    for argument in (tmp_path, tmp_path / "tree.json", domain):
        done = run("check", argument)
        lines = [line for line in done.out.splitlines() if "TG611 /name_template" in line]
        assert (done.code, len(lines)) == (0, bool(told))
        assert not told or f"{domain}:1:1: warning TG611 /name_template: " in lines[0]
        assert not told or told in lines[0]


@pytest.mark.parametrize(("line", "code"), [('TG611 = "off"', 0), ('TG611 = "error"', 1)])
def test_a_for_an_in_the_template_has_the_severity_of_the_project(
    run: Run, tmp_path: Path, line: str, code: int
) -> None:
    text = f"name_template = 'a {{noun}}: {{name}}'\n{DOMAIN.replace('creature', 'animal')}"
    (tmp_path / "domain.toml").write_text(f"{text}[check.severity]\n{line}\n", encoding="utf-8")
    done = run("check", tmp_path)
    assert (done.code, "1 switched off" in done.out) == (code, not code)
    (tmp_path / "domain.toml").write_text(f'language = "de"\n{text}', encoding="utf-8")
    assert "TG611" not in run("check", tmp_path).out


def test_what_was_fixed_is_listed(run: Run, tmp_path: Path) -> None:
    """One line a fix on stderr, the same in JSON; also of what became a duplicate by another fix."""
    path = tmp_path / "tree.json"
    path.write_text(TREE.replace('"tiny", "huge"', '"tiny", "huge", " tiny "'), encoding="utf-8")
    done = run("check", "--fix", path)
    told = [line.removeprefix(f"{path}: ") for line in done.err.splitlines() if ": fixed " in line]
    assert [line.split()[1] for line in told] == ["TG113", "TG301", "TG111"]
    assert told[0].startswith("fixed TG113 /classification_groups/size/options/2: white space around")
    assert told[0].endswith(": remove the white space")
    assert ": fixed " not in run("check", "--fix", path).err
    path.write_text(TREE, encoding="utf-8")
    (found,) = json.loads(run("check", "--fix", "--json", path).out)
    assert [problem["code"] for problem in found["fixed"]] == ["TG301"]


def test_missing_images_are_an_error_of_a_domain_and_a_warning_beside_a_tree(run: Run, tmp_path: Path) -> None:
    """A tree can be checked where its images are not, as in a clone."""
    (tmp_path / "domain.toml").write_text(f'{DOMAIN}[images]\nfolder = "not here"\n', encoding="utf-8")
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    whole = run("check", tmp_path)
    assert (whole.code, ": error TG402 /images/folder: " in whole.out) == (1, True)
    alone = run("check", tmp_path / "tree.json")
    assert alone.code == 0
    assert "warning TG402 /images/folder: the images are not here, so nothing can be scored: not here" in alone.out


def test_a_folder_with_a_tree_and_no_domain_is_checked(run: Run, tmp_path: Path) -> None:
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    done = run("check", tmp_path)
    assert (done.code, f"{tmp_path / 'tree.json'}: 0 errors" in done.out) == (0, True)


@pytest.mark.parametrize("text", ["{", TREE.replace('"tiny"', '"tiny or small"')])
def test_a_revision_is_checked_in_place_of_the_file(run: Run, workspace: Workspace, text: str) -> None:
    """Under its name, with the domain beside the file, gates too; it cannot be fixed."""
    workspace.store.add_revision(
        tree_of(TREE.replace('"huge"', '"huge or tall"'), ""), author="llm", note="", parent=None
    )
    workspace.path.write_text(text, encoding="utf-8")
    for name in (f"{workspace.path}@1", f"{workspace.path.parent}@latest"):
        done = run("check", name, "--require-approved")
        assert done.code == 1
        assert [line.partition(f"{name}:")[0] for line in done.out.splitlines()] == [""] * len(done.out.splitlines())
        assert "TG603 /classification_groups/size/options/1: " in done.out
        assert "TG801 /review" in done.out
        assert "options/0" not in done.out
        (found,) = json.loads(run("check", name, "--json").out)
        assert found["file"] == name
    fixed = run("check", "--fix", f"{workspace.path}@1")
    assert (fixed.code, "works on the file, not on a revision" in fixed.err) == (2, True)
    assert workspace.path.read_text(encoding="utf-8") == text
