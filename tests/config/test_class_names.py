"""Class lists as people have them: refused with a way out, or told, before a language model is asked."""

from pathlib import Path

import pytest

from tests.conftest import Run
from treegen.config.class_names import doubtful
from treegen.config.domain import load_domain, read_class_names
from treegen.errors import InputError

DOMAIN = 'name = "d"\nclasses_file = "classes.txt"\n'


@pytest.fixture
def listed(tmp_path: Path) -> Path:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    return tmp_path / "classes.txt"


@pytest.mark.parametrize(
    ("text", "told", "tip"),
    [
        ("id,name\n1,Newt\n2,Swan\n3,Eel\n", 'a table with 2 columns ("id", "name")', "cut -d ',' -f 2"),
        ("name\tclass_id\nNewt\t1\nSwan\t2\n", "a table with 2 columns", "-f 1"),
        ("0;Newt\n1;Swan\n2;Eel\n", "a table with 2 columns", "-f 2"),
        ("n01440764,tench\nn01443537,goldfish\nn01484850,shark\n", "a table", "-f 2"),
        ("Newt, Swan, Eel\n", "one line with 3 names", "tr ',' '\\n'"),
        ("# mine\nNewt;Swan;Eel\n", "one line with 3 names", "a line of its own"),
    ],
)
def test_what_is_no_list_of_names_is_refused_with_a_way_out(
    text: str, told: str, tip: str, listed: Path, run: Run, tmp_path: Path
) -> None:
    """By `init`, and by every command that reads the domain."""
    listed.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as raised:
        read_class_names(listed)
    assert told in raised.value.message
    assert tip in raised.value.tip
    for command in (("init", tmp_path / "new", "--classes", listed), ("draft", tmp_path, "--model", "manual")):
        done = run(*command)
        assert (done.code, told in done.err) == (2, True), done.err


@pytest.mark.parametrize(
    "text",
    [
        "Bat, fruit\nBat, vampire\nNewt\n",
        "Washington, D.C.\nParis, Texas\nRome, Italy\n",
        "name\nid\n",
        "1\n2\n3\n",
        "AC/DC\nA|B\nC|D\n",
    ],
)
def test_names_with_a_comma_are_names(text: str, listed: Path) -> None:
    listed.write_text(text, encoding="utf-8")
    assert list(read_class_names(listed)) == text.splitlines()


def test_one_class_is_too_few_and_each_duplicate_has_its_lines(listed: Path, run: Run, tmp_path: Path) -> None:
    listed.write_text("Newt\n", encoding="utf-8")
    done = run("draft", tmp_path, "--model", "manual")
    assert (done.code, "at least 2 classes are needed, found 1" in done.err) == (1, True)
    names = [f"Class {n}" for n in range(30)]
    listed.write_text("# mine\n" + "\n".join([*names, *names]), encoding="utf-8")
    done = run("draft", tmp_path, "--model", "manual")
    assert done.code == 1
    assert 'the class "Class 29" is a duplicate (lines 31, 61)' in done.err
    assert done.err.count("is a duplicate") == 30
    made = run("init", tmp_path / "new", "--classes", listed)
    assert '"Class 19" is a duplicate (lines 21, 51), and 10 more' in made.err


def test_names_that_say_nothing_are_told_before_a_model_is_asked(listed: Path, run: Run, tmp_path: Path) -> None:
    listed.write_text("n01440764\nn01443537\n001.Black_footed_Albatross\n7-spot ladybird\n12\n", encoding="utf-8")
    messages = tmp_path / "ask.txt"
    done = run("draft", tmp_path, "--model", "manual", "--messages", messages, "--answer", tmp_path / "a.txt")
    assert done.code == 0
    assert 'note: 2 of 5 class names look like WordNet ids, such as "n01440764"; write names' in done.err
    assert 'note: 1 of 5 class names look like names behind a number, such as "001.Black_footed_Albatross"' in done.err
    assert 'note: 1 of 5 class names look like bare numbers, such as "12"' in done.err
    assert "WordNet" in run("init", tmp_path / "new", "--classes", listed).err
    assert doubtful(["Wren", "7-spot ladybird", "20 pence"]) == []


@pytest.mark.slow
def test_ten_thousand_classes_are_planned(listed: Path, run: Run, tmp_path: Path) -> None:
    """251 requests; the first is written out, and it names all of them."""
    listed.write_text("\n".join(f"Creature {n}" for n in range(10_000)), encoding="utf-8")
    assert len(load_domain(tmp_path).classes) == 10_000
    messages = tmp_path / "ask.txt"
    done = run("draft", tmp_path, "--model", "manual", "--messages", messages, "--answer", tmp_path / "a.txt")
    assert done.code == 0, done.err
    assert "request 1 of about 251 is waiting" in done.err
    assert '- "Creature 9999"' in messages.read_text(encoding="utf-8")


def test_notes_that_contradict_each_other_are_told(listed: Path, run: Run, tmp_path: Path) -> None:
    """In two files, or in two rows of one; values that share one do not, and neither do sentences."""
    listed.write_text("Newt\nSwan\nEel\n", encoding="utf-8")
    one, two = tmp_path / "one.json", tmp_path / "two.csv"
    one.write_text(
        '{"Newt": {"back": "black", "tail": ["long", "flat"]}, "Eel": "Look: it is long."}', encoding="utf-8"
    )
    two.write_text("class,back,tail\nNewt,green,flat\nSwan,white,\nSwan,black,\n", encoding="utf-8")
    arguments = ("--notes", one, "--notes", two, "--model", "manual", "--messages", tmp_path / "ask.txt")
    done = run("draft", tmp_path, *arguments, "--answer", tmp_path / "a.txt")
    assert done.code == 0, done.err
    assert (
        'contradict each other on 2 attributes, and the model is shown both: "Newt" (back: black / green), "Swan"'
        in done.err
    )
