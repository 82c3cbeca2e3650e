"""Groups and classes of a reply while it streams, in every shape of JSON that replies have; no half texts are shown."""

import json
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import TREE
from treegen.llm.reading.partial import Arriving, PartialGroup, PartialReply, arrived, read_partial

DATA: dict[str, Any] = json.loads(TREE)
LISTED = {
    "classification_groups": [{"name": n, **g} for n, g in DATA["classification_groups"].items()],
    "rules": [
        {"class": n, "answers": [{"group": g, "option": o} for g, o in r.items()]} for n, r in DATA["rules"].items()
    ],
}
WHOLE = PartialReply(
    groups=tuple(
        PartialGroup(name=n, prompt=g["prompt"], options=tuple(g["options"]))
        for n, g in DATA["classification_groups"].items()
    ),
    classes=tuple(DATA["rules"]),
)
SHAPES = {
    "json": json.dumps(DATA),
    "indented": json.dumps(DATA, indent=2),
    "fenced": f"Here it is, {{as}} you asked:\n```json\n{TREE}```\nDon't hesitate to ask.",
    "thought": f"<think>Perhaps {{'classification_groups': {{'wrong': {{}} }} }}? It's hard.</think>{TREE}",
    "end of a thought alone": f'so {{"classification_groups": {{"wrong": {{"prompt": 1</think>{TREE}',
    "wrapped": json.dumps({"sketchbook": DATA}),
    "an example before": f'Say {{"colour": 1}}? No:\n{TREE}',
    "named": TREE.replace('"rules"', '"sketchbook_rules"').replace("classification_groups", "classification_cot"),
    "lists": json.dumps(LISTED),
    "rules first": json.dumps({"rules": DATA["rules"], "classification_groups": DATA["classification_groups"]}),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_of_a_whole_reply_is_read(shape: str) -> None:
    assert arrived(SHAPES[shape]) == WHOLE


@pytest.mark.parametrize(
    "text", [repr(DATA), TREE.replace('"rules"', '// these:\n"rules"')], ids=["python", "comments"]
)
def test_of_another_notation_nothing_or_the_beginning_is_shown(text: str) -> None:
    assert set(arrived(text).groups) <= set(WHOLE.groups)


def test_half_a_text_is_not_shown() -> None:
    begin = TREE[: TREE.index('"a four-legged') + 8]
    assert arrived(begin).groups[-1] == PartialGroup(name="form", prompt="This creature looks like {}.")


def test_what_has_come_only_grows() -> None:
    """Each prefix says the beginning of what a longer one says."""
    before = PartialReply()
    for end in range(0, len(TREE), 3):
        now = arrived(TREE[:end])
        assert [g.name for g in now.groups][: len(before.groups)] == [g.name for g in before.groups]
        assert now.classes[: len(before.classes)] == before.classes
        before = now


def test_a_reply_that_begins_anew_is_read_anew() -> None:
    heard = Arriving()
    assert heard.now == PartialReply()
    for text, said in (
        (TREE[:600], arrived(TREE[:600])),
        ("", PartialReply()),
        (TREE, WHOLE),
        ("x" * len(TREE), PartialReply()),
    ):
        heard.hear(text)
        assert heard.now == said


def test_without_jiter_nothing_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "jiter", None)
    assert arrived(TREE) == PartialReply()


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


def holds(whole: Any, part: Any, last: bool) -> bool:
    """Whether `part` is a beginning of `whole`; only the last value of all may break off, and be a shorter number."""
    if isinstance(part, dict) and isinstance(whole, dict):
        same = list(whole)[: len(part)] == list(part)
        return same and all(holds(whole[k], v, last and i == len(part) - 1) for i, (k, v) in enumerate(part.items()))
    if isinstance(part, list) and isinstance(whole, list):
        pairs = list(zip(whole, part, strict=False))
        return len(part) <= len(whole) and all(
            holds(w, p, last and i == len(part) - 1) for i, (w, p) in enumerate(pairs)
        )
    if last and isinstance(part, int | float) and isinstance(whole, int | float) and not isinstance(whole, bool):
        return True
    return type(part) is type(whole) and part == whole


@settings(deadline=None, derandomize=True)
@given(VALUES, st.booleans(), st.sampled_from([None, 2]), st.data())
def test_partial_reading_agrees_with_json_and_never_invents(
    value: Any, ascii_only: bool, indent: int | None, data: st.DataObject
) -> None:
    """A complete document is read as `json` reads it; each beginning holds nothing that the whole does not hold."""
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent)
    assert read_partial(text) == json.loads(text)
    cut = data.draw(st.integers(1, len(text)))
    assert holds(value, read_partial(text[:cut]), last=True) or read_partial(text[:cut]) is None


@pytest.mark.parametrize(
    "text",
    ["{" * 50_000, '{"a":' * 50_000, "</think>" * 10_000, "<" * 100_000, '{"' + "\\" * 100_001, "\x00\ud83d", "}]" * 9],
)
def test_anything_else_says_nothing_and_breaks_nothing(text: str) -> None:
    assert arrived(text) == PartialReply()
