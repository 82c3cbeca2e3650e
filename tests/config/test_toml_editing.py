"""A table is written and nothing else of the text changes."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from treegen.config.toml_editing import Value, with_table, write_table

TEXT = """# The pond.
name = "pond"      # short
classes = ["Newt", "Swan"]

[decision]         # chosen in May
# the plain one
rule = "sum"       # the article's
encoder = "old"

[split]
dev = 0.5
"""
VALUES: dict[str, Value] = {"rule": "weighted", "parameters": {"colour": 1.25, "main form": 0.75}}


def test_a_table_that_is_not_there_comes_at_the_end() -> None:
    text = 'name = "pond"\n[split]\ndev = 0.5'
    shown = '[decision]\nrule = "weighted"\nparameters = {colour = 1.25, "main form" = 0.75}\n'
    assert with_table(text, "decision", VALUES) == f"{text}\n\n{shown}"
    assert with_table("", "decision", VALUES) == shown


def test_a_table_that_is_there_keeps_its_comments_and_place() -> None:
    assert with_table(TEXT, "decision", VALUES) == TEXT.replace(
        'rule = "sum"       # the article\'s\nencoder = "old"\n',
        'rule = "weighted"       # the article\'s\nparameters = {colour = 1.25, "main form" = 0.75}\n',
    )


def test_the_same_values_again_change_nothing() -> None:
    once = with_table(TEXT, "decision", VALUES)
    assert with_table(once, "decision", VALUES) == once


def test_line_ends_of_windows_stay() -> None:
    text = with_table(TEXT.replace("\n", "\r\n"), "decision", VALUES)
    assert text.count("\r\n") == text.count("\n")
    assert tomllib.loads(text)["decision"] == VALUES


def test_a_hash_inside_a_text_is_no_comment() -> None:
    text = '[decision]\nrule = "a # b" # c\n'
    assert with_table(text, "decision", {"rule": "x"}) == '[decision]\nrule = "x" # c\n'


@pytest.mark.parametrize(
    "text",
    [
        'decision = { rule = "sum" }\nname = "x"  # x\n',
        'decision.rule = "sum"\nname = "x"\n',
        '[decision]\nrule = """\nsum"""\n# the end\n',
        '[decision]\nparameters = [\n 1,\n]\nrule = "sum"',
        '[decision]\nrule = "sum"\n[decision.parameters]\ncolour = 1\n[split]\ndev = 0.5\n',
        '[decision.parameters]\ncolour = 1\n[split]\ndev = 0.5\n[decision]\nrule = "sum"\n',
        "[[some]]\na = 1\n[[some]]\na = 2\n[decision]  # now\n\n[[more]]\nb = 1\n",
    ],
)
def test_every_notation_of_a_table_is_edited(text: str) -> None:
    after = with_table(text, "decision", VALUES)
    assert tomllib.loads(after) == {**tomllib.loads(text), "decision": VALUES}
    assert [line for line in after.splitlines() if "#" in line] == [line for line in text.splitlines() if "#" in line]


def test_a_comment_about_the_next_table_stays_with_it() -> None:
    text = '[decision]\nrule = "sum"\n\n# about the split\n[split]\ndev = 0.5\n# the end'
    assert with_table(text, "decision", VALUES) == text.replace(
        'rule = "sum"', 'rule = "weighted"\nparameters = {colour = 1.25, "main form" = 0.75}'
    )
    assert with_table("# the end", "decision", {"rule": "sum"}) == '# the end\n\n[decision]\nrule = "sum"\n'


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends_of_a_file_stay(tmp_path: Path, mark: bytes, end: str) -> None:
    path = tmp_path / "domain.toml"
    path.write_bytes(mark + TEXT.replace("\n", end).encode())
    write_table(path, "decision", {"rule": "weighted", "encoder": "old"})
    assert path.read_bytes() == mark + TEXT.replace('"sum"', '"weighted"').replace("\n", end).encode()


keys = st.text(st.characters(min_codepoint=32, max_codepoint=0x17F), max_size=6)


@given(st.dictionaries(keys, st.floats(allow_nan=False, allow_infinity=False), max_size=3), st.booleans())
def test_any_names_and_numbers_come_back_as_they_were(parameters: dict[str, float], there: bool) -> None:
    values: dict[str, Value] = {"rule": "weighted", "parameters": parameters}
    found = tomllib.loads(with_table(TEXT if there else "", "decision", values))
    assert found["decision"] == values


COMMENTS = st.sampled_from(["", "# one", "\n# two\n", "\n\n"])
PIECES = st.lists(
    st.sampled_from(["[a]\nx = 1 # c", "[[b]]\ny = 2", "[c.d]\nz = '''\n1\n2'''", '[e."f g"]\n"h" = [1, # one\n 2]']),
    unique=True,
)


@given(PIECES, PIECES, st.lists(COMMENTS, min_size=9, max_size=9), st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_everything_else_stays_byte_by_byte(
    before: list[str], behind: list[str], between: list[str], end: str, newline: bool
) -> None:
    """Whatever stands around the table: other tables, arrays of tables, comments, with or without a last line end."""
    tables = [*before, '[decision] # t\nrule = "sum" # r', *(piece for piece in behind if piece not in before)]
    parts = [part for pair in zip(tables, between, strict=False) for part in pair]
    text = ("\n".join(parts) + "\n" * newline).replace("\n", end)
    assert with_table(text, "decision", {"rule": "weighted"}) == text.replace('"sum"', '"weighted"')
