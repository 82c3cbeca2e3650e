"""What no client can read is tidied; whatever can be read passes byte by byte, and nothing that is sent raises."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from treegen.remote.tidying import MOST_TOKENS, tidy_body, tidy_line, token_count

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)


def body(**more: Any) -> bytes:
    message = {"role": "assistant", "content": more.pop("content", "é")}
    return json.dumps({"choices": [{"message": message}], **more}, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (7, 7),
        ("7", 7),
        (7.0, 7),
        (0, 0),
        (-5, None),
        (10**30, None),
        (MOST_TOKENS + 1, None),
        (True, None),
        (7.5, None),
        ("seven", None),
        ("9" * 5000, None),
        (float("inf"), None),
        (None, None),
        ([7], None),
    ],
)
def test_a_number_of_tokens_is_believed_or_unknown(value: Any, count: int | None) -> None:
    assert token_count(value) == count


def test_what_needs_nothing_passes_byte_by_byte() -> None:
    sound = body(usage={"prompt_tokens": 7, "completion_tokens": 3})
    for text in (sound, b'{"data": [1]}', b"<html>", b"", b"[" * 100_000, b"\xff"):
        assert tidy_body(text) is text
    for line in (b"data: " + sound + b"\r\n", b"data: [DONE]\n", b": ping\n", b"event: x\n", b"\n"):
        assert tidy_line(line) is line


def test_content_in_parts_is_one_text() -> None:
    parts = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "a"}, "b"]
    assert json.loads(tidy_body(body(content=parts)))["choices"][0]["message"]["content"] == "ab"


def test_a_line_keeps_its_end() -> None:
    tidied = tidy_line(b"data:" + body(usage="free") + b"\r\n")
    assert tidied.endswith(b"}\r\n")
    assert "usage" not in json.loads(tidied[5:])


@settings(max_examples=300, deadline=None, derandomize=True)
@given(VALUES, VALUES, VALUES)
@pytest.mark.slow
def test_whatever_is_sent_becomes_counts_and_a_text(usage: Any, content: Any, choice: Any) -> None:
    message = {"content": content}
    data = json.loads(tidy_body(json.dumps({"choices": [{"delta": message}, choice], "usage": usage}).encode()))
    counts = data.get("usage") or {}
    assert all(isinstance(v, int | dict) for v in counts.values())
    assert data["choices"][0]["delta"]["content"] is None or isinstance(data["choices"][0]["delta"]["content"], str)
