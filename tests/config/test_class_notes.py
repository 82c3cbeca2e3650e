"""Notes of files on the classes of a domain: how names are matched, what a request may hold, what the user is told."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from treegen.config.class_notes import MOST_OF_ALL, MOST_OF_CLASS, notes_of, with_notes, without_asking
from treegen.config.domain import Domain
from treegen.errors import InputError

SAMPLES = Path(__file__).parents[1] / "data" / "notes"
Write = Callable[[str, Any], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def call(name: str, content: Any) -> Path:
        path = tmp_path / name
        path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")
        return path

    return call


def domain_of(folder: Path, *classes: str, **more: Any) -> Domain:
    return Domain(folder=folder.resolve(), name="pond", classes=classes, **more)


def notes(domain: Domain) -> dict[str, str]:
    found = notes_of(domain, domain.classes)["notes"]
    assert isinstance(found, dict)
    return found


def test_the_domains_own_notes_come_first_then_the_files_in_their_order(tmp_path: Path) -> None:
    domain = domain_of(tmp_path, "Newt", "Swan", "Eel", notes=(("Newt", "Seen in May."), ("Eel", "rare")))
    noted, told = with_notes(domain, [SAMPLES / "phrases.json", SAMPLES / "texts.json"])
    assert notes(noted) == {
        "Newt": "Seen in May. brown back; four short legs; a tail like a leaf; "
        "A small brown animal. It has four legs and a tail.",
        "Swan": "white feathers; a long, curved neck; White, with a long neck.",
        "Eel": "rare",
    }
    assert told == (
        f"{SAMPLES / 'phrases.json'}: notes on 2 of 3 classes, 5 texts",
        f'{SAMPLES / "phrases.json"}: 1 class has empty notes: "Eel"',
        f"{SAMPLES / 'texts.json'}: notes on 2 of 3 classes, 2 texts",
        f'{SAMPLES / "texts.json"}: 1 name is not in the domain: "Heron"',
    )


def test_a_request_about_some_classes_has_the_files_notes_on_those_alone(tmp_path: Path) -> None:
    domain = domain_of(tmp_path, "Newt", "Swan", notes=(("Swan", "own"),))
    noted, _ = with_notes(domain, [SAMPLES / "tabs.tsv"])
    assert notes_of(noted, ["Newt"]) == {"notes": {"Newt": "brown back; four legs", "Swan": "own"}, "material": True}


def test_a_domain_without_files_is_told_as_before(tmp_path: Path) -> None:
    domain = domain_of(tmp_path, "Newt", "Swan", notes=(("Swan", "own"),))
    assert with_notes(domain) == (domain, ())
    assert without_asking(domain) is domain
    assert notes_of(domain, ["Newt"]) == {"notes": {"Swan": "own"}, "material": False}


@pytest.mark.parametrize("name", ["blue tit", "Blue_Tit", "BLUE  TITS", "ｂｌｕｅ tit", "nun", "Nuns"])
def test_names_that_differ_in_case_underscores_plural_or_width_are_the_same(
    tmp_path: Path, write: Write, name: str
) -> None:
    domain = domain_of(tmp_path, "Wren", "Blue Tit", aliases=(("Blue Tit", ("Nun",)),))
    assert notes(with_notes(domain, [write("a.json", {name: "x"})])[0]) == {"Blue Tit": "x"}


@pytest.mark.parametrize(
    ("name", "meant"),
    [("Zaunkonig", "Zaunkönig"), ("Zaunköing", "Zaunkönig"), ("BlueTit", "Blue Tit"), ("Blue Tti", "Blue Tit")],
)
def test_names_that_are_nearly_equal_are_asked_back_or_an_error(
    tmp_path: Path, write: Write, name: str, meant: str
) -> None:
    domain = domain_of(tmp_path, "Zaunkönig", "Blue Tit", "Wren")
    path = write("a.json", {name: "x", "Wren": "y"})
    with pytest.raises(InputError) as found:
        with_notes(domain, [path])
    assert found.value.message == f"{path}: {json.dumps(name, ensure_ascii=False)} is nearly the class " + json.dumps(
        meant, ensure_ascii=False
    )
    assert "[aliases]" in found.value.tip
    asked: list[tuple[str, str]] = []

    def yes(*pair: str) -> bool:
        asked.append((pair[0], pair[1]))
        return True

    assert notes(with_notes(domain, [path], yes)[0]) == {meant: "x", "Wren": "y"}
    assert asked == [(name, meant)]
    noted, told = with_notes(domain, [path], lambda *_: False)
    assert notes(noted) == {"Wren": "y"}
    assert any("1 name is not in the domain" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("classes", "name"),
    [
        (("Audi S4 2012", "Wren"), "Audi S4 2007"),  # a digit is a difference
        (("Blue Tit", "Wren"), "Blue Jay"),
        (("Wren", "Western Gull"), "Eastern Bluebird"),
    ],
)
def test_names_that_mean_something_else_are_listed_and_not_asked_about(
    tmp_path: Path, write: Write, classes: tuple[str, ...], name: str
) -> None:
    told = with_notes(domain_of(tmp_path, *classes), [write("a.json", {name: "x", "Wren": "y"})])[1]
    assert f'1 name is not in the domain: "{name}"' in told[1]
    assert told[2] == "1 of 2 classes has no notes"


def test_a_class_that_has_notes_in_the_file_is_not_meant_by_another_name(tmp_path: Path, write: Write) -> None:
    told = with_notes(domain_of(tmp_path, "Robin"), [write("a.json", {"Robin": "x", "Robbin": "y"})])[1]
    assert '"Robbin"' in told[1]


def test_two_keys_for_one_class_are_an_error_and_two_rows_are_not(tmp_path: Path, write: Write) -> None:
    domain = domain_of(tmp_path, "Wren", "Robin")
    with pytest.raises(InputError, match='"wren" and "WREN" both mean the class "Wren"'):
        with_notes(domain, [write("a.json", {"wren": "x", "WREN": "y"})])
    rows = [{"class": "wren", "text": "x"}, {"class": "WREN", "text": "y"}, {"class": "Wren", "text": "x"}]
    assert notes(with_notes(domain, [write("b.json", rows)])[0]) == {"Wren": "x; y"}


def test_a_spelling_that_two_classes_share_is_not_certain(tmp_path: Path, write: Write) -> None:
    domain = domain_of(tmp_path, "wren", "Wren", "Robin")
    with pytest.raises(InputError, match="nearly the class"):
        with_notes(domain, [write("a.json", {"WREN": "x", "Robin": "y"})])


def test_a_file_about_something_else_is_an_error(tmp_path: Path, write: Write) -> None:
    with pytest.raises(InputError) as found:
        with_notes(domain_of(tmp_path, "Wren"), [write("a.json", {f"car {n}": "x" for n in range(30)})])
    assert "none of its names is a class of the domain" in found.value.message
    assert "and 20 more" in found.value.message
    with pytest.raises(InputError, match="contains no notes"):
        with_notes(domain_of(tmp_path, "Wren"), [write("b.json", {})])


def test_a_notes_file_of_the_domain_stays_in_its_folder(tmp_path: Path, write: Write) -> None:
    """Who clones a folder does not send files beside it to a language model; who names one does."""
    path = write("a.json", {"Wren": "x"})
    inner = tmp_path / "inner"
    inner.mkdir()
    domain = domain_of(inner, "Wren", notes_files=(inner / ".." / "a.json",))
    with pytest.raises(InputError, match="is outside the domain's folder"):
        with_notes(domain)
    (inner / "link.json").symlink_to(path)
    with pytest.raises(InputError, match="is outside the domain's folder"):
        with_notes(domain_of(inner, "Wren", notes_files=(inner / "link.json",)))
    assert notes(with_notes(domain_of(inner, "Wren"), [path])[0]) == {"Wren": "x"}
    with pytest.raises(InputError, match="cannot be read"):
        with_notes(domain_of(inner, "Wren", notes_files=(inner / "a\0b",)))


def test_where_nobody_can_be_asked_a_name_that_is_not_certain_is_left_out(tmp_path: Path, write: Write) -> None:
    path = write("a.json", {"Wrenn": "x", "Robin": "y"})
    domain = domain_of(tmp_path, "Wren", "Robin", notes_files=(path,))
    assert notes(without_asking(domain)) == {"Robin": "y"}


def test_long_lists_are_cut_and_say_so(tmp_path: Path, write: Write) -> None:
    phrases = [f"phrase number {n} of forty which says something long about a wren and its nest" for n in range(40)]
    noted, told = with_notes(domain_of(tmp_path, "Wren", "Robin"), [write("a.json", {"Wren": phrases, "Robin": "x"})])
    text = notes(noted)["Wren"]
    assert len(text) <= MOST_OF_CLASS + 40
    shown = text.count("phrase number")
    assert 20 < shown < 40
    assert text.endswith(f"; ({shown} of 40 phrases shown)")
    assert told[-1] == f'the notes on 1 class are shortened to fit into one request: "Wren" {shown} of 40 shown'


def test_one_long_text_is_cut_at_a_word(tmp_path: Path, write: Write) -> None:
    noted, _ = with_notes(domain_of(tmp_path, "Wren"), [write("a.json", {"Wren": "a brown bird " * 1000})])
    assert notes(noted)["Wren"].endswith((" bird … (cut)", " brown … (cut)", " a … (cut)"))


@pytest.mark.parametrize("count", [30, 300, 3000])
@pytest.mark.slow
def test_all_notes_of_a_request_fit_and_the_short_ones_stay_whole(tmp_path: Path, write: Write, count: int) -> None:
    """Long lists give way first; of very many classes only some are shown, evenly."""
    long = {f"class {n}": [f"phrase {i} of class {n}, which is a long one" for i in range(60)] for n in range(count)}
    domain = domain_of(tmp_path, "short", *long)
    noted, told = with_notes(domain, [write("a.json", {"short": "brown", **long})])
    shown = notes(noted)
    assert sum(map(len, shown.values())) <= MOST_OF_ALL + 40 * (count + 1)
    assert shown["short"] == "brown"
    assert sum("phrase 0" in text for text in shown.values()) >= min(count, 600)
    assert f"the notes on {count} classes are shortened" in told[-1]
    some = notes_of(noted, domain.classes[:11])["notes"]
    assert min(len(text) for name, text in some.items() if name != "short") > 1900  # a batch has room
