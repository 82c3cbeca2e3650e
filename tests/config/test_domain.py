import json
from dataclasses import replace
from pathlib import Path

import pytest

from treegen.config.domain import Domain, domain_path, load_domain, read_class_names, read_domain
from treegen.config.settings import DecisionSettings, ImageSettings, SplitSettings
from treegen.errors import InputError, ProblemsError
from treegen.remote.budget import Limits
from treegen.remote.litellm import Price
from treegen.tree.validation.problems import ADJUSTABLE, CODES

DOMAINS = Path(__file__).parents[1] / "data" / "domains"
VALID = sorted((DOMAINS / "valid").glob("*.toml"))
INVALID = sorted((DOMAINS / "invalid").glob("*.toml"))
HEAD = 'name = "pond"\nclasses = ["Newt", "Swan"]\n'


def expectation(path: Path) -> list[list[str]]:
    stated: list[list[str]] = json.loads(path.with_name(f"{path.stem}.expected.json").read_text(encoding="utf-8"))
    return stated


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "domain.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize("path", VALID, ids=lambda p: p.stem)
def test_a_valid_example_is_read_without_a_problem(path: Path) -> None:
    domain, problems = read_domain(path)
    assert problems == ()
    assert domain == load_domain(path)
    assert len(domain.classes) >= 2


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_an_invalid_example_gives_exactly_the_problems_it_states(path: Path) -> None:
    domain, problems = read_domain(path)
    assert domain is None
    assert sorted([p.code, p.pointer] for p in problems) == expectation(path)
    assert all(p.message.isprintable() and len(p.message) > 10 for p in problems)


def test_every_invalid_example_states_its_problems_and_every_code_of_domains_is_shown() -> None:
    assert [p.stem for p in INVALID] == [p.name[:-14] for p in sorted((DOMAINS / "invalid").glob("*.expected.json"))]
    shown = {code for path in INVALID for code, _ in expectation(path)}
    of_images = {"TG410", "TG411"}  # of the images themselves
    assert {code for code in CODES if code.startswith("TG4")} - of_images <= shown
    assert {"TG103", "TG104", "TG105", "TG106"} <= shown


@pytest.mark.parametrize("path", INVALID, ids=lambda p: p.stem)
def test_loading_an_invalid_example_lists_all_problems_with_their_places(path: Path) -> None:
    with pytest.raises(ProblemsError) as caught:
        load_domain(path)
    first, *lines = caught.value.message.split("\n")
    assert first.startswith(f"{path}: {len(lines)} problem")
    assert sorted(line.split(":")[0].split()[:2] for line in lines) == [[c, p or "/"] for c, p in expectation(path)]
    assert (caught.value.exit_code, caught.value.tip) == (1, "`treegen schema domain` shows every key")


def test_everything_in_a_full_file_arrives() -> None:
    domain = load_domain(DOMAINS / "valid" / "full.toml")
    folder = (DOMAINS / "valid").resolve()
    assert (domain.folder, domain.name, domain.noun) == (folder, "pond", "creature")
    assert (domain.hints, domain.language) == (("body colour", "number of legs"), "en")
    assert domain.classes == ("Newt", "Swan", "Eel")
    assert domain.notes == (("Newt", "Small and brown."), ("Swan", "White, with a long neck."))
    assert (domain.notes_files, domain.material) == ((folder / "notes.json", folder / "more" / "notes.csv"), ())
    assert domain.images == ImageSettings(folder=folder / "images", crop=(0.0, 0.1, 1.0, 0.55))
    assert domain.split == SplitSettings(dev=0.4, seed=7)
    assert (domain.llm.model, domain.llm.temperature, domain.llm.max_tokens) == ("openai/some-model", 0, 4000)
    assert domain.llm.api_base == "http://127.0.0.1:11434/v1"
    assert (domain.llm.timeout, domain.llm.total_timeout, domain.llm.retries) == (20.5, 3600.0, 3)
    assert (domain.llm.env_file, domain.llm.price) == (
        folder / "keys.env",
        Price(per_million_in=1, per_million_out=2.5),
    )
    assert domain.llm.caps == Limits(max_calls=3, max_cost=0.5)
    assert domain.aliases == (("Newt", ("eft", "Triturus")),)
    assert domain.check.severity == (("TG603", "error"), ("TG205", "off"), ("TG111", "error"))
    assert (domain.encoder.device, domain.encoder.precision) == ("cpu", "fp32")


def test_a_minimal_file_gets_the_defaults() -> None:
    domain = load_domain(DOMAINS / "valid" / "minimal.toml")
    assert domain == Domain(folder=domain.folder, name="pond", classes=("Newt", "Swan"))
    assert (domain.images, domain.split.dev, domain.encoder.name) == (None, 0.5, "bundled")


def test_class_names_come_from_a_file_beside_the_domain_file() -> None:
    assert load_domain(DOMAINS / "valid" / "classes_file.toml").classes == ("Newt", "Swan", "Eel # not a comment")


def test_a_class_file_may_have_a_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "classes.txt"
    path.write_bytes("Évoli\r\n\r\n# no\r\nNewt\r\n".encode("utf-8-sig"))
    assert read_class_names(path) == ("Évoli", "Newt")


def test_the_baseline_names_every_class_in_the_template() -> None:
    domain = load_domain(DOMAINS / "valid" / "full.toml")
    assert domain.name_prompts()[0] == "a drawing of a creature called Newt"
    odd = replace(domain, name_template="{name}, {name}", classes=("{noun}", "{0}", "%s \\1"))
    assert odd.name_prompts() == ("{noun}, {noun}", "{0}, {0}", "%s \\1, %s \\1")


@pytest.mark.parametrize(
    ("noun", "text"), [("animal", "an animal"), ("bird", "a bird"), ("university", "a university")]
)
def test_the_baseline_puts_the_right_article_before_the_noun(noun: str, text: str) -> None:
    domain = replace(load_domain(DOMAINS / "valid" / "full.toml"), noun=noun)
    assert (
        replace(domain, name_template="a photo of {a noun}: {name}").name_prompt("Newt") == f"a photo of {text}: Newt"
    )
    assert replace(domain, name_template="one {a noun}, {name}").name_prompt("{a noun}") == f"one {text}, {{a noun}}"
    assert replace(domain, name_template="a {noun} {name}").name_prompt("Newt") == f"a {noun} Newt"
    assert replace(domain, name_template="{noun}: {a name}").name_prompt("Eagle") == f"{noun}: an Eagle"
    assert replace(domain, name_template="{a name}").name_prompt("{name}") == "{name}"


def test_a_folder_stands_for_the_file_in_it(tmp_path: Path) -> None:
    path = written(tmp_path, HEAD)
    assert domain_path(tmp_path) == path
    assert load_domain(tmp_path) == load_domain(path)


def test_a_missing_file_names_the_command_that_writes_one(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.toml", tmp_path / "none" / "domain.toml"):
        with pytest.raises(InputError, match="no such domain file") as caught:
            read_domain(path)
        assert "treegen init" in caught.value.tip


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('name = "pond', "end of document"),
        (HEAD + "hints = [\n", "end of document"),
        (HEAD + "noun = newt\n", "line 3, column 8"),
        (HEAD + 'name = "lake"\n', "line 3, column 14"),
        (HEAD + 'noun = "\x1b[31m"\n', "line 3, column 9"),
        (HEAD + 'noun = "\\ud83e"\n', "line 3"),
        (b'name = "\xff"\n', "not UTF-8 at byte 8"),
        (HEAD + "hints = " + "[" * 5000 + "]" * 5000, "line 3: nested deeper"),
        (HEAD + "hints = " + "1" * 5000, "not TOML"),
        ('{"name": "pond"}', "line 1, column 1"),
    ],
)
def test_text_that_is_no_toml_is_refused_with_file_and_place(tmp_path: Path, text: str | bytes, told: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(InputError) as caught:
        load_domain(path)
    assert caught.value.message.startswith(f"{path}: ")
    assert told in caught.value.message
    assert caught.value.tip
    assert caught.value.message.isprintable()


def test_a_class_file_that_is_not_utf_8_is_refused_by_its_own_name(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_bytes(b"Newt\n\xe9\n")
    path = written(tmp_path, 'name = "pond"\nclasses_file = "classes.txt"\n')
    with pytest.raises(InputError, match=r"classes.txt: not UTF-8 at byte 5"):
        load_domain(path)


def test_no_message_holds_anything_that_a_terminal_obeys(tmp_path: Path) -> None:
    bad = '"\\u001b[31m\\u007f\\u009b"'
    text = f"classes = [{bad}, {bad}]\n{bad} = 1\nname_template = {bad}\n[notes]\n{bad}=1\n[images]\n{bad} = {bad}\n"
    path = written(tmp_path, text)
    with pytest.raises(ProblemsError) as caught:
        load_domain(path)
    assert caught.value.message.count("\\u001b") >= 6
    assert caught.value.message.replace("\n", "").isprintable()


def test_a_domain_of_ten_thousand_classes_and_notes_tells_the_one_class_that_stands_twice(tmp_path: Path) -> None:
    names = [f"Creature {i}" for i in range(10_000)]
    (tmp_path / "classes.txt").write_text("\n".join([*names, "Creature 77"]))
    notes = "".join(f'"{name}" = "seen"\n' for name in names)
    path = written(tmp_path, f'name = "large"\nclasses_file = "classes.txt"\n[notes]\n{notes}')
    (problem,) = read_domain(path)[1]
    assert (problem.code, problem.message) == ("TG401", 'the class "Creature 77" is a duplicate (lines 78, 10001)')


def test_a_code_or_class_that_is_nearly_right_is_asked_about(tmp_path: Path) -> None:
    path = written(
        tmp_path, HEAD + '[aliases]\nSwam = ["Cygnus"]\n[check.severity]\ntg603 = "off"\nTG204 = "warning"\n'
    )
    assert [p.message for p in read_domain(path)[1]] == [
        'an alias for "Swam", which is not a class of the domain; did you mean "Swan"?',
        'unknown problem code "tg603"; did you mean "TG603"?',
        "TG204 (two classes with identical rules) is always an error: such a tree cannot be used",
    ]


def test_codes_that_are_warnings_can_be_set_and_no_others() -> None:
    assert {code for code, (severity, _) in CODES.items() if severity == "warning"} == ADJUSTABLE
    assert {"TG205", "TG603", "TG702"} <= ADJUSTABLE
    assert not ADJUSTABLE & {"TG101", "TG111", "TG120", "TG201", "TG206", "TG304", "TG401", "TG501"}


def test_a_decision_rule_its_parameters_and_a_sealed_test_part_are_read(tmp_path: Path) -> None:
    """Without them it is the mean, and the test split is open."""
    fingerprint = "sha256:" + "0" * 64
    table = f'rule = "gated"\nparameters = {{ bias = 1, "tree scale" = 0.5 }}\nencoder = "{fingerprint}"\n'
    domain = load_domain(written(tmp_path, f"{HEAD}[split]\nsealed = true\n[decision]\n{table}"))
    assert domain.split == SplitSettings(sealed=True)
    assert domain.decision == DecisionSettings(
        rule="gated", parameters=(("bias", 1.0), ("tree scale", 0.5)), encoder=fingerprint
    )
    plain = load_domain(written(tmp_path, HEAD))
    assert (plain.decision, plain.split.sealed) == (DecisionSettings(rule="mean"), False)


def test_priors_are_weights_of_classes_of_the_domain(tmp_path: Path) -> None:
    text = 'name = "d"\nclasses = ["Wren", "Robin"]\n[decision]\nrule = "bayes"\npriors = { Wren = 3 }\n'
    (tmp_path / "domain.toml").write_text(text, encoding="utf-8")
    assert load_domain(tmp_path).decision.priors == (("Wren", 3.0),)
    (tmp_path / "domain.toml").write_text(text.replace("{ Wren", "{ Wern"), encoding="utf-8")
    with pytest.raises(InputError, match=r'no class "Wern"; did you mean "Wren"'):
        load_domain(tmp_path)


def test_one_notes_file_may_be_given_without_a_list(tmp_path: Path) -> None:
    """It is read when a draft needs it: a tree is checked and scored without it."""
    (tmp_path / "domain.toml").write_text('name = "d"\nclasses = ["a", "b"]\nnotes_file = "n.json"\n', encoding="utf-8")
    assert load_domain(tmp_path).notes_files == (tmp_path.resolve() / "n.json",)
