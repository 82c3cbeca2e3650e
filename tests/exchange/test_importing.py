"""Writing an imported tree: whole, kept as a revision, never over something unasked."""

import json
from pathlib import Path

import pytest

from tests.conftest import TREE, revisions_of
from tests.exchange.conftest import PETS, Write
from treegen.errors import InputError, ProblemsError
from treegen.exchange.importing import find_domain, import_file, keep_existing, make_tree, refuse_output, write_report
from treegen.tree.validation.checks import check_file

DOMAIN = 'name = "pets"\nnoun = "pet"\nclasses = ["Siamese", "Persian", "Beagle", "Pug", "Poodle"]\n'


def test_the_revision_names_file_and_format(write: Write, tmp_path: Path) -> None:
    source = write("pets.json", PETS)
    out = tmp_path / "tree.json"
    done = import_file(source, out, make_tree(source))
    assert check_file(out).document is not None
    (revision,) = revisions_of(out)
    assert revision == done.revision
    assert (revision.author, revision.note.partition(": ")[0]) == ("import", "imported from pets.json")
    assert "a list of phrases" in revision.note


def test_what_an_existing_tree_held_is_kept(write: Write, tmp_path: Path) -> None:
    source, out = write("pets.json", PETS), write("tree.json", TREE)
    made = make_tree(source)
    with pytest.raises(InputError, match="exists"):
        import_file(source, out, made)
    assert out.read_text(encoding="utf-8") == TREE
    import_file(source, out, made, force=True)
    first, second = revisions_of(out)
    assert (first.author, second.author, second.parent) == ("human", "import", first.id)
    assert json.loads(first.tree)["rules"] == json.loads(TREE)["rules"]
    other = write("other.json", "not a tree")
    with pytest.raises(InputError, match="is no tree"):
        keep_existing(other, force=True)
    assert keep_existing(tmp_path / "new.json", force=False) is None


def test_outputs_are_refused_before_any_work(write: Write, tmp_path: Path) -> None:
    source = write("pets.json", PETS)
    for out, told in [
        (tmp_path, "is a folder"),
        (tmp_path / "no" / "t.json", "no such folder"),
        (source, "is imported"),
    ]:
        with pytest.raises(InputError, match=told):
            refuse_output(source, out, force=True)
    with pytest.raises(InputError, match="another file"):
        write_report(source, make_tree(source).report, force=True, others=[source])


def test_the_domain_gives_name_noun_and_the_order_of_classes(write: Write, tmp_path: Path) -> None:
    write("domain.toml", DOMAIN)
    domain, origin = find_domain(None, tmp_path / "tree.json")
    assert origin.endswith("beside the output")
    made = make_tree(write("pets.json", PETS), domain=domain, domain_from=origin)
    assert made.tree.domain == "pets"
    assert made.tree.classes == ("Siamese", "Persian", "Beagle", "Pug", "Poodle", "Boxer")
    assert made.report.unknown == (("Boxer", ""),)
    assert made.tree.groups[0].prompt.startswith("A photo of a pet")
    assert find_domain(None, tmp_path / "sub" / "tree.json") == (None, "")


def test_phrases_that_give_no_group_are_one_error(write: Write) -> None:
    with pytest.raises(ProblemsError, match="give no group"):
        make_tree(write("a.json", {"a": ["red"], "b": ["red"]}))


@pytest.mark.parametrize(("name", "start"), [("r.md", "# Import"), ("r.json", "{"), ("r.txt", "pets.json: ")])
def test_reports_by_suffix(write: Write, tmp_path: Path, name: str, start: str) -> None:
    report = make_tree(write("pets.json", PETS)).report
    write_report(tmp_path / name, report, force=False, others=[])
    assert (tmp_path / name).read_text(encoding="utf-8").startswith(start)
    with pytest.raises(InputError, match="exists"):
        write_report(tmp_path / name, report, force=False, others=[])


def test_a_large_file_finishes(write: Write) -> None:
    """2,000 classes and 20,000 phrases, most of them distinct; 3,000 are linked, the others join them."""
    data = {
        f"class {k}": [f"m{(k * 7 + i * 13) % 499} m{(k + i) % 97} part{(k * 3 + i) % 40}" for i in range(10)]
        for k in range(2000)
    }
    made = make_tree(write("large.json", data))
    assert len(made.tree.rules) == 2000
    assert 2 <= made.report.groups <= 24
