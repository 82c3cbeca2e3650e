"""What can be read in one way is read; all else is a problem with its code, never a tree that nobody wrote."""

import json
import re
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.thorough import examples
from treegen.llm.reading import parser
from treegen.llm.reading.lexer import UnreadableError
from treegen.llm.reading.parser import ParsedReply, parse_reply, read_value

TREE: dict[str, Any] = {
    "classification_groups": {
        "color": {"prompt": "The creature's body is mainly {}.", "options": ["white", "gray"]},
        "form": {"prompt": "It looks like {} in profile.", "options": ["a #1 ball", "a snake // worm"]},
    },
    "rules": {"Abrosk": {"color": 0, "form": 0}, "Wendle": {"color": 1, "form": 1}},
}
TEXT = json.dumps(TREE, indent=2)
GROUPS, RULES = json.dumps(TREE["classification_groups"]), json.dumps(TREE["rules"])
OTHER = TEXT.replace('"gray"', '"brown"')
FENCE = "```"
PROMPT = '"The creature\'s body is mainly {}."'


def fenced(text: str, language: str = "json") -> str:
    return f"{FENCE}{language}\n{text}\n{FENCE}"


def but(old: str, new: str, text: str = TEXT) -> str:
    """The reply with one place changed."""
    assert old in text
    return text.replace(old, new, 1)


def listed(opening: str, closing: str) -> str:
    """The reply with other brackets around the options of the first group."""
    return re.sub(r'\[(\s*"white",\s*"gray"\s*)\]', rf"{opening}\1{closing}", TEXT)


PYTHON = f"pokemon_system = {TREE!r}"
JAVASCRIPT = re.sub(r'"(\w+)":', r"\1:", TEXT)
SMART = "\n".join(re.sub(r'"([^"]*)"', r"“\1”", line) for line in TEXT.splitlines())

READ_AS_IT_IS = {
    "plain": TEXT,
    "fenced": f"Here is the tree.\n\n{fenced(TEXT)}\n\nIt has two groups.",
    "fence without a language": fenced(TEXT, ""),
    "fence of tildes": f"~~~json\n{TEXT}\n~~~",
    "fence in the middle of a line": f"Here: {FENCE}json\n{TEXT}\n{FENCE} Done.",
    "fence that closes behind the brace": f"{FENCE}json\n{TEXT}{FENCE}",
    "fence in a fence": f"{FENCE}`\n{fenced(TEXT)}\n{FENCE}`",
    "fence that is not closed": f"{FENCE}json\n{TEXT}",
    "python": PYTHON,
    "python with comments": but('"gray"', '"gray"  # don\'t ask: "brown", Wendle [', TEXT),
    "indented assignment": f"In a function:\n    tree = {TREE!r}",
    "annotated assignment": f"tree: dict[str, object] = {TREE!r}",
    "trailing commas": but('"gray"\n', '"gray",\n', but("}\n}", "},\n}")),
    "options as tuples": listed("(", ")"),
    "concatenated texts in parentheses": but(PROMPT, '("The creature\'s "\n "body is mainly {}.")'),
    "triple quotation marks": but(PROMPT, f'""{PROMPT}""'),
    "escaped apostrophe": but("creature's", r"creature\'s"),
    "placeholder in the prose before": f"Each prompt holds {{}} once.\n{TEXT}",
    "placeholder in the prose after": f"{TEXT}\nEach prompt holds {{}} once, as in {{x}}.",
    "apostrophes in the prose": f"Here's what I'd say:\n{TEXT}\nThat's it, isn't it?",
    "reasoning": f"<think>Say {OTHER}? No.</think>\n{TEXT}",
    "reasoning twice": f"<think>one {OTHER}</think><thinking>two {{</thinking>{TEXT}",
    "reasoning that only ends": f"Say {OTHER}? No.\n</think>\n{TEXT}",
    "two equal blocks": f"{fenced(TEXT)}\nAgain:\n{fenced(TEXT)}",
    "equal in two notations": f"{fenced(TEXT)}\nIn Python:\n{fenced(PYTHON, 'python')}",
    "an example of something else": fenced('{"temperature": 0.2}') + fenced(TEXT),
    "wrapper": json.dumps({"pokemon_system": TREE}),
    "list with one object": json.dumps([TREE]),
    "several assignments": f"classification_groups = {TREE['classification_groups']!r}\n"
    f"# per class\npokemon_rules = {TREE['rules']!r}",
    "several assignments in a fence": fenced(f"classification_groups = {GROUPS}\n\nrules = {RULES}", "python"),
    "classification_cot": json.dumps({"classification_cot": TREE["classification_groups"], "rules": TREE["rules"]}),
    "NAME_rules": but('"rules"', '"pokemon_rules"'),
    "text that Python would parse from JSON": f'tree = json.loads("""{TEXT}""")',
    "byte order mark": f"\ufeff{TEXT}",
    "windows line ends": TEXT.replace("\n", "\r\n"),
}

READ_AS_JSON5 = {
    "comments of JavaScript": but('"gray"', '"gray" // don\'t ask: "brown", Wendle ['),
    "block comments": but('"gray"', '"gray" /* not "brown" } */'),
    "javascript": f"const tree = {JAVASCRIPT};",
    "single quotation marks and comments": "{ // so:\n" + re.sub(r'"([^"\n\']*)"', r"'\1'", TEXT[1:]),
    "escaped solidus": but('"a snake // worm"', r'"a snake \/\/ worm",'),
    "no-break spaces": TEXT.replace("  ", "\u00a0\u00a0"),
}

REFUSED = {
    # nothing to read
    "empty": ("", "TG501"),
    "prose": ("I cannot help with that.", "TG501"),
    "prose with a placeholder": ("Each prompt holds {} once.", "TG501"),
    "another object": ('{"answer": 42}', "TG501"),
    "list": ("[1, 2]", "TG501"),
    "yaml": ("classification_groups:\n  color:\n    prompt: It is {}.\n    options: [white, gray]\n", "TG501"),
    "rules alone": (json.dumps({"rules": TREE["rules"]}), "TG501"),
    "groups and rules in two blocks": (
        fenced(f"classification_groups = {GROUPS}") + fenced(f"rules = {RULES}"),
        "TG501",
    ),
    "nested too deep": ('{"a":' * 101 + TEXT + "}" * 101, "TG501"),
    "nested far too deep": ('{"a":' * 50_000, "TG501"),
    "nested far too deep and not JSON": ("{'a':[" * 50_000 + "]}" * 50_000, "TG501"),
    "a set": (listed("{", "}"), "TG501"),
    "bytes as an option": (but('"white"', 'b"white"'), "TG501"),
    # cut off
    "cut": (TEXT[: TEXT.index('"Wendle"') + 12], "TG503"),
    "cut behind an inner brace": (TEXT[: TEXT.rindex("},\n") + 2], "TG503"),
    "cut in the slot of a prompt": (TEXT[: TEXT.index("{}") + 2], "TG503"),
    "cut in a fence": (f"{FENCE}json\n{TEXT[:-4]}\n{FENCE}", "TG503"),
    "cut in its reasoning": (f"<think>Perhaps {TEXT}", "TG503"),
    "group that is not closed": (but("]\n    }\n  },", "]\n    },"), "TG503"),
    # abbreviated
    "dots for options": (but('"gray"', '"gray", ...'), "TG504"),
    "dots with a count": (but('"gray"', '"gray", ... (15 more)'), "TG504"),
    "ellipsis sign": (but('"gray"', '"gray", …'), "TG504"),
    "dots as an option": (but('"gray"', '"gray", "..."'), "TG504"),
    "dots as a class": (but('"Wendle"', '"…"'), "TG504"),
    "dots in place of a rule": (re.sub(r'("Wendle": )\{[^}]*\}', r"\1{...}", TEXT), "TG504"),
    "dots in a comment": (but('"gray"', '"gray"  # ... and so on'), "TG504"),
    "dots in a block comment": (but('"gray"', '"gray" /* ... more */'), "TG504"),
    # in two ways
    "key twice": (but('"Wendle"', '"Abrosk"'), "TG102"),
    "key twice in Python": (but("'Wendle'", "'Abrosk'", PYTHON), "TG102"),
    "key twice without quotation marks": (but("Wendle:", "Abrosk:", JAVASCRIPT), "TG102"),
    "key twice as number and text": (but("'Wendle'", "'1'", but("'Abrosk'", "1", PYTHON)), "TG102"),
    "key twice and comments": (but('"Wendle"', '"Abrosk" /* again */'), "TG102"),
    "name assigned twice": (f"classification_groups = {GROUPS}\nrules = {RULES}\nrules = {RULES}", "TG102"),
    "two different trees": (f"{TEXT}\nor\n{OTHER}", "TG502"),
    "two different blocks": (f"{fenced(TEXT)}\nBetter:\n{fenced(OTHER)}", "TG502"),
    "two blocks that differ in order alone": (
        fenced(TEXT) + fenced(json.dumps({**TREE, "rules": dict(reversed(TREE["rules"].items()))})),
        "TG502",
    ),
    "two blocks inside lines": (f"A: {FENCE}json\n{TEXT}\n{FENCE}\nB: {FENCE}json\n{OTHER}\n{FENCE}", "TG502"),
    "two blocks glued": (f"{FENCE}json\n{TEXT}{FENCE}\nor\n{FENCE}json\n{OTHER}{FENCE}", "TG502"),
    "a block and a tree outside": (f"{TEXT}\nbut better\n{fenced(OTHER)}", "TG502"),
    "list with two trees": (f"[{TEXT}, {OTHER}]", "TG502"),
    "a correction of one rule": (f'{TEXT}\nOops, rather:\n{{"Wendle": {{"color": 0}}}}', "TG502"),
    "a correction without quotation marks": (f"{TEXT}\nOops, rather:\n{{Wendle: {{color: 0}}}}", "TG502"),
    "a correction that cannot be read": (f"{fenced(TEXT)}\nCorrected:\n{fenced(OTHER[:-9])}", "TG502"),
    "a group added behind": (TEXT + '\ntree["size"] = {"prompt": "It is {}.", "options": ["big", "small"]}', "TG502"),
    "closed too early": (but("    }\n  },\n", "    }\n  }\n},\n"), "TG502"),
    "closed too early, without a comma": (but('": {\n', '": {}\n'), "TG502"),
    "closing brace too many": (f"{TEXT}\n}}", "TG502"),
    "brackets of two kinds": (listed("[", "}"), "TG502"),
    "texts without a comma": (but('"white",', '"white"'), "TG502"),
    "smart texts without a comma": (but('"white",', "“white”").replace('"gray"', "“gray”"), "TG502"),
    "texts without a comma, and comments": (but('"white",', '"white" // no comma, don\'t\n'), "TG502"),
    "texts without a comma in a tuple": (but('"gray"', '"gray" "brown"', listed("(", ")")), "TG502"),
    "a comma too many": (but('"white",', '"white",,'), "TG502"),
    "a comma first": (but('"white",', ', "white",'), "TG502"),
    "a text without quotation marks": (but('"gray"', "gray"), "TG502"),
    "etc.": (but('"gray"', '"gray", etc.'), "TG502"),
    "a remark on an index": (but('"form": 1', '"form": 1 (snake)'), "TG502"),
    "a remark on a line": (but('"gray"', '"gray" <- two options'), "TG502"),
    "quotation marks in a text": (but("body", '"body"'), "TG502"),
    "apostrophe in single quotation marks": ("{'classification_groups': {'c': {'prompt': 'A frog's {}.'}}}", "TG502"),
    "a comment or the end of a text": (but("a snake //", 'a snake" //'), "TG502"),
    "smart quotation marks": (SMART, "TG502"),
    "some smart quotation marks": (but('"white"', "“white”"), "TG502"),
    "missing comma between entries": (but('"form": 0\n    },', '"form": 0\n    }'), "TG502"),
    "a text made by adding": (but("body is", 'body " + "is'), "TG502"),
    "a diff": ("\n".join(f"+ {line}" for line in TEXT.splitlines()).replace("+ {", "{", 1), "TG502"),
    "an escape of Python alone": (but("gray", r"\U0001f600", but("}\n}", "},\n}")), "TG502"),
    "half of a surrogate pair in JSON5": (but("gray", r"\ud83d", but("}\n}", "},\n}")), "TG502"),
    "an infinite number of JSON5": (but('"form": 1', "form: Infinity"), "TG502"),
    "a number too large for a float": (but('"form": 1', "'form': 1e999"), "TG502"),
    "an index with a leading zero": (but('"form": 1', '"form": 01'), "TG502"),
    "no value": (but('"form": 1', '"form": '), "TG502"),
    "no colon": (but('"Wendle":', '"Wendle"'), "TG502"),
    "numbered options": (but('"white"', '0: "white"'), "TG502"),
    "numbered lines": ("\n".join(f"{i} {line}" for i, line in enumerate(TEXT.splitlines())), "TG502"),
    "quoted mail": ("\n".join(f"> {line}" for line in TEXT.splitlines()), "TG502"),
    "a template text of Python": (but('"The creature', 'f"The creature'), "TG502"),
    "an escape of another language": (but("body", r"\x62ody"), "TG502"),
    "an escape that JSON reads as a form feed": (but('form": {', '\\form": {'), "TG502"),
    "not a number": (but('"form": 1', '"form": NaN'), "TG502"),
    "two names for the groups": (but('"rules"', f'"classification_cot": {GROUPS}, "rules"'), "TG502"),
    "two names for the rules": (but('"rules"', f'"pokemon_rules": {RULES}, "rules"'), "TG502"),
    "very many objects": ('{"a": 1}' * 1001, "TG502"),
}


def said(parsed: ParsedReply) -> str:
    return f"{parsed.data} {[(p.code, p.message) for p in parsed.problems]}"


def cases(table: Mapping[str, object]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("name", table)


@cases(READ_AS_IT_IS)
def test_wrapping_and_notation_do_not_change_what_is_read(name: str) -> None:
    parsed = parse_reply(READ_AS_IT_IS[name])
    assert json.dumps(parsed.data) == json.dumps(TREE), said(parsed)
    assert parsed.problems == ()
    assert not parsed.repaired


@cases(READ_AS_JSON5)
def test_json5_gives_the_same_tree_and_is_marked(name: str) -> None:
    parsed = parse_reply(READ_AS_JSON5[name])
    assert json.dumps(parsed.data) == json.dumps(TREE), said(parsed)
    assert parsed.repaired


@pytest.mark.slow
@cases(REFUSED)
def test_what_is_unclear_cut_or_no_tree_is_one_problem_and_no_data(name: str) -> None:
    text, code = REFUSED[name]
    parsed = parse_reply(text)
    assert parsed.data is None, said(parsed)
    assert [p.code for p in parsed.problems] == [code], said(parsed)
    assert len(parsed.problems[0].message) < 200


def test_a_reply_cut_at_the_token_limit_is_refused_even_if_it_looks_whole() -> None:
    assert [p.code for p in parse_reply(TEXT, finish="length").problems] == ["TG503"]
    assert parse_reply(TEXT, finish="stop").data == TREE


def test_a_huge_reply_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parser, "MOST_CHARACTERS", len(TEXT))
    assert parse_reply(TEXT).data == TREE
    refused = parse_reply(TEXT + " ")
    assert [p.code for p in refused.problems] == ["TG501"]
    assert str(len(TEXT)) in refused.problems[0].message


def test_the_message_names_the_line_and_shows_the_place() -> None:
    (problem,) = parse_reply(but('"white",', '"white"')).problems
    line = TEXT[: TEXT.index('"gray"')].count("\n") + 1
    assert f"line {line} of the object" in problem.message
    assert '"gray"' in problem.message


def test_what_no_reader_reads_has_its_line_and_column() -> None:
    text = but('"white",', "“white”,")
    before = text[: text.index("“")]
    (problem,) = parse_reply(text).problems
    place = f"line {before.count(chr(10)) + 1}, column {len(before) - before.rindex(chr(10))} of the object"
    assert place in problem.message


def test_the_reader_that_comes_further_says_where_it_stopped() -> None:
    """JSON5 stops at the comment, Python behind it at the apostrophe."""
    (problem,) = parse_reply("{'a': None,  # so\n 'b': 'x' 1,\n 'rules': {}}").problems
    assert "line 2, column" in problem.message


def test_words_of_json_are_read_in_python_too() -> None:
    """A trailing comma is what models get wrong most; it must not cost a large tree the slow reader."""
    parsed = parse_reply(but('"form": 1\n', '"form": null,\n'))
    assert parsed.data is not None
    assert (parsed.data["rules"]["Wendle"]["form"], parsed.repaired) == (None, False)
    assert read_value("[true, false, null,]") == ([True, False, None], False)


def test_json5_is_slow_and_not_tried_on_what_is_long(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "// so\n".join(["{", TEXT[1:]])
    monkeypatch.setattr(parser, "MOST_CHARACTERS_OF_JSON5", len(text))
    assert parse_reply(text).data == TREE
    (problem,) = parse_reply(text.replace("// so", "// so ")).problems
    assert (problem.code, "too long" in problem.message) == ("TG502", True)


def test_a_duplicate_key_of_json_has_its_pointer() -> None:
    assert parse_reply(but('"Wendle"', '"Abrosk"')).problems[0].pointer == "/rules/Abrosk"


def test_a_surrogate_pair_of_json_is_one_character() -> None:
    data = parse_reply(but("gray", r"\ud83d\ude00")).data
    assert data is not None
    assert data["classification_groups"]["color"]["options"] == ["white", "\U0001f600"]


def test_keys_and_types_are_left_for_the_schema_to_refuse() -> None:
    data = parse_reply(but('"form": 1', '"form": "1"', but('"rules"', '"notes": [], "rules"'))).data
    assert data is not None
    assert list(data) == ["classification_groups", "notes", "rules"]
    assert data["rules"]["Wendle"]["form"] == "1"


@pytest.mark.parametrize("whole", [TEXT, PYTHON, JAVASCRIPT], ids=["json", "py", "js"])
def test_no_beginning_of_a_reply_gives_a_tree(whole: str) -> None:
    read = [n for n in range(len(whole)) if parse_reply(whole[:n]).data is not None]
    assert read == []
    assert parse_reply(whole).data == TREE


def words_of(value: Any) -> list[str]:
    """Slow reference: every word of keys, texts and numbers, in order."""
    if isinstance(value, dict):
        return [word for key, inner in value.items() for word in [*words_of(key), *words_of(inner)]]
    if isinstance(value, list):
        return [word for inner in value for word in words_of(inner)]
    return re.findall(r"\w+", str(value))


@pytest.mark.slow
@pytest.mark.parametrize("whole", [TEXT, repr(TREE), JAVASCRIPT], ids=["json", "py", "js"])
@pytest.mark.parametrize("sign", ["", '"', "'", ",", ":", "{", "}", "[", "]", "(", ")", "\n", " x ", "=", "+", "“"])
def test_one_wrong_character_never_loses_or_invents_a_word(whole: str, sign: str) -> None:
    """Places of the reply in turn: the character there replaced by another sign, or left out; JSON5 is slow."""
    step = 5 if whole == JAVASCRIPT else 1
    for place in range(len(sign) % step, len(whole), step):
        text = whole[:place] + sign + whole[place + 1 :]
        parsed = parse_reply(text)
        if parsed.data is not None:
            assert words_of(parsed.data) == re.findall(r"\w+", text), (place, text[place - 20 : place + 20])


@settings(max_examples=examples(400), deadline=None, derandomize=True)
@given(st.text(alphabet="{{}}[]()\"'“”,::#/\\ \n.…abfr01=;-_<>`"))
def test_any_text_gives_data_or_a_problem(text: str) -> None:
    parsed = parse_reply(f'{{"classification_groups": {text}')
    assert (parsed.data is None) == bool(parsed.problems)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("['a', 'b',]", ["a", "b"]),
        ("names = ('a', 'b')", ["a", "b"]),
        ("Sure:\n```python\nd = {'a': [1, None],}  # so\n```\nDone.", {"a": [1, None]}),
        ("say {'a': 'b'} now", {"a": "b"}),
    ],
)
def test_one_value_of_any_shape_is_read(text: str, value: Any) -> None:
    assert read_value(text) == (value, False)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("no object", "neither"),
        ("{'a': 1} {'b': 2}", "2 objects"),
        ("[1, 2", "ends before"),
        ("[...]", "something is left out"),
        ("[" * 5000, "nested"),
        ("x" * (parser.MOST_CHARACTERS + 1), "longer than"),
    ],
)
def test_a_value_that_is_not_one_is_refused(text: str, told: str) -> None:
    with pytest.raises(UnreadableError, match=told):
        read_value(text)
