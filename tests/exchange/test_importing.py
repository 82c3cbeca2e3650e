"""Writing an imported tree: whole, kept as a revision, never over something unasked."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, revisions_of
from tests.exchange.conftest import ARTICLE, Write
from treegen.errors import InputError
from treegen.exchange.importing import find_domain, import_file, keep_existing, make_tree, refuse_output, write_report
from treegen.tree.validation.checks import check_file

DOMAIN = 'name = "lake"\nclasses = ["swans", "Eel", "Frog"]\n'


def test_the_revision_names_file_and_format(write: Write, tmp_path: Path) -> None:
    source = write("pond.md", ARTICLE)
    out = tmp_path / "tree.json"
    done = import_file(source, out, make_tree(source))
    assert check_file(out).document is not None
    (revision,) = revisions_of(out)
    assert revision == done.revision
    assert (revision.author, revision.note.partition(": ")[0]) == ("import", "imported from pond.md")
    assert "a tree in Python" in revision.note


def test_what_an_existing_tree_held_is_kept(write: Write, tmp_path: Path) -> None:
    source, out = write("pond.md", ARTICLE), write("tree.json", TREE)
    made = make_tree(source)
    with pytest.raises(InputError, match="exists"):
        import_file(source, out, made)
    assert out.read_text(encoding="utf-8") == TREE
    import_file(source, out, made, force=True)
    first, second = revisions_of(out)
    assert (first.author, second.author, second.parent) == ("human", "import", first.id)
    assert json.loads(first.tree)["rules"] == json.loads(TREE)["rules"]
    other = write("other.json", "not a tree")
    with pytest.raises(InputError, match="is not a tree"):
        keep_existing(other, force=True)
    assert keep_existing(tmp_path / "new.json", force=False) is None


def test_outputs_are_refused_before_any_work(write: Write, tmp_path: Path) -> None:
    source = write("pond.md", ARTICLE)
    for out, told in [
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "t.json", "no such folder"),
        (source, "is imported"),
    ]:
        with pytest.raises(InputError, match=told):
            refuse_output(source, out, force=True)
    with pytest.raises(InputError, match="another file"):
        write_report(source, make_tree(source).report, force=True, other_files=[source])


def test_the_domain_gives_its_name_and_the_spelling_of_classes(write: Write, tmp_path: Path) -> None:
    write("domain.toml", DOMAIN)
    domain, origin = find_domain(None, tmp_path / "tree.json")
    assert origin.endswith("next to the output")
    made = make_tree(write("pond.md", ARTICLE), domain=domain, domain_from=origin)
    assert (made.tree.domain, made.tree.classes) == ("lake", ("Newt", "swans", "Eel"))
    assert (made.report.unknown, made.report.missing) == ((("Newt", ""),), ("Frog",))
    assert made.report.renamed == (("Swan", "swans"),)
    assert 'the file names the domain "pond", which was replaced by "lake"' in made.report.notes
    assert find_domain(None, tmp_path / "sub" / "tree.json") == (None, "")


@pytest.mark.parametrize(("name", "start"), [("r.md", "# Import"), ("r.json", "{"), ("r.txt", "pond.md: ")])
def test_reports_by_suffix(write: Write, tmp_path: Path, name: str, start: str) -> None:
    report = make_tree(write("pond.md", ARTICLE)).report
    write_report(tmp_path / name, report, force=False, other_files=[])
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    with pytest.raises(InputError, match="exists"):
        write_report(tmp_path / name, report, force=False, other_files=[])
