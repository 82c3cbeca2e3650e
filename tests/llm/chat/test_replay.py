"""A recording answers what was recorded, in order, and says where another request differs."""

import json
from pathlib import Path
from typing import Any

import pytest

from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError
from treegen.llm.chat import open_chat
from treegen.llm.chat.interface import Message, Reply
from treegen.llm.chat.replay import ReplayChat

SYSTEM = Message(role="system", content="You build trees.")


def asked(content: str) -> list[Message]:
    return [SYSTEM, Message(role="user", content=content)]


def call(content: str, reply: str, **more: Any) -> dict[str, Any]:
    return {"messages": [m.as_dict() for m in asked(content)], "reply": reply, **more}


def recording(folder: Path, *lines: Any) -> Path:
    """Texts are written as they are, anything else as JSON."""
    path = folder / "conversation.jsonl"
    texts = [line if isinstance(line, str) else json.dumps(line, ensure_ascii=False) for line in lines]
    path.write_text("\n".join(texts) + "\n", encoding="utf-8")
    return path


def test_a_recorded_request_gets_its_reply_with_all_that_was_recorded(tmp_path: Path) -> None:
    told = Reply(
        text="second", model="m-1", finish="length", prompt_tokens=7, completion_tokens=3, cost=0.5, seconds=2.5
    )
    kept = {
        key: getattr(told, key) for key in ("model", "finish", "prompt_tokens", "completion_tokens", "cost", "seconds")
    }
    chat = ReplayChat(recording(tmp_path, call("one", "first"), call("two", "second", **kept)))
    assert chat.complete(asked("two")) == told
    assert chat.complete(asked("one")) == Reply(text="first", model="replay/conversation.jsonl", finish="stop")


def test_the_order_of_different_requests_does_not_matter_and_a_reply_can_be_had_again(tmp_path: Path) -> None:
    chat = ReplayChat(recording(tmp_path, call("one", "first"), call("two", "second")))
    assert [chat.complete(asked(text)).text for text in ("two", "one", "two")] == ["second", "first", "second"]


def test_equal_requests_are_answered_in_the_order_of_the_recording(tmp_path: Path) -> None:
    chat = ReplayChat(recording(tmp_path, call("same", "1"), call("other", "x"), call("same", "2")))
    assert [chat.complete(asked("same")).text for _ in range(3)] == ["1", "2", "2"]


def test_a_difference_is_shown_with_its_line_message_and_place(tmp_path: Path) -> None:
    long = "The frogling's back is green and its eyes are round, as everybody knows."
    chat = ReplayChat(recording(tmp_path, call("something else entirely", "x"), "", call(long, "y")))
    with pytest.raises(ModelError) as raised:
        chat.complete(asked(long.replace("round", "long")))
    message = raised.value.message
    assert str(tmp_path / "conversation.jsonl") in message
    assert "nearest is line 3, message 2 (user)" in message
    assert "recorded 'en and its eyes are round, as everybody knows.'" in message
    assert "sent 'en and its eyes are long, as everybody knows.'" in message
    assert "--model" in raised.value.tip


def test_a_difference_in_the_first_message_is_found_there(tmp_path: Path) -> None:
    chat = ReplayChat(recording(tmp_path, call("one", "x")))
    with pytest.raises(ModelError, match=r"message 1 \(system\): recorded 'You build trees.', sent 'You grow trees.'"):
        chat.complete([Message(role="system", content="You grow trees."), asked("one")[1]])


def test_a_request_that_goes_on_where_the_recorded_one_ends_differs_there(tmp_path: Path) -> None:
    chat = ReplayChat(recording(tmp_path, call("one", "x")))
    with pytest.raises(ModelError, match="recorded 'one', sent 'one and more'"):
        chat.complete(asked("one and more"))


def test_a_conversation_of_another_length_is_named_by_its_length(tmp_path: Path) -> None:
    chat = ReplayChat(recording(tmp_path, call("one", "x")))
    with pytest.raises(ModelError, match="it has no request of 3 messages"):
        chat.complete([*asked("one"), Message(role="assistant", content="x")])


def test_an_empty_recording_matches_nothing(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no recorded request matches"):
        ReplayChat(recording(tmp_path)).complete(asked("one"))


def test_measured_figures_and_white_space_at_the_ends_are_not_compared(tmp_path: Path) -> None:
    recorded = "Before.\n<measured>\naccuracy 46 %\n</measured>\nBetween. <measured>a</measured> After.\n"
    chat = ReplayChat(recording(tmp_path, call(recorded, "x")))
    same = "Before.\n<measured>accuracy 47 %\nof 12</measured>\nBetween. <measured></measured> After."
    assert chat.complete(asked(same)).text == "x"
    with pytest.raises(ModelError, match="no recorded request"):
        chat.complete(asked(same.replace("Between", "Beyond")))


def test_the_same_words_with_other_pictures_are_another_request(tmp_path: Path) -> None:
    """A recording keeps the digests of pictures, and tells descriptions of the right ones alone."""
    shown, other = (Message(role="user", content="what?", images=(f"data:image/png;base64,{c}",)) for c in "AB")
    line = {"messages": [shown.as_stored()], "reply": "a frogling"}
    chat = ReplayChat(recording(tmp_path, line))
    assert chat.complete([shown]).text == "a frogling"
    for message in (other, Message(role="user", content="what?")):
        with pytest.raises(ModelError, match=r"nearest is line 1, message 1 \(user\): different pictures"):
            chat.complete([message])


def test_a_text_may_hold_any_kind_of_line_end(tmp_path: Path) -> None:
    odd = "one\u2028two\u0085three\x0bfour\r\nfive"
    chat = ReplayChat(recording(tmp_path, call(odd, odd)))
    assert chat.complete(asked(odd)).text == odd


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("{", "not JSON"),
        ('{"messages": []} x', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[]", "expected an object"),
        ('"text"', "expected an object"),
        ('{"messages": []}', "expected an object"),
        ('{"reply": "x"}', "expected an object"),
        ('{"messages": [], "reply": null}', "expected an object"),
        ('{"messages": {}, "reply": "x"}', "expected an object"),
        ('{"messages": ["x"], "reply": "x"}', "expected an object"),
        ('{"messages": [{"role": "user"}], "reply": "x"}', "expected an object"),
        ('{"messages": [{"role": "user", "content": null}], "reply": "x"}', "expected an object"),
        ('{"messages": [{"role": 1, "content": "x"}], "reply": "x"}', "expected an object"),
        ('{"messages": [{"role": "user", "content": "x", "images": 1}], "reply": "x"}', "expected an object"),
        ('{"messages": [{"role": "user", "content": "x", "images": [[]]}], "reply": "x"}', "expected an object"),
    ],
)
def test_a_bad_line_is_named_by_its_number(tmp_path: Path, line: str, word: str) -> None:
    path = recording(tmp_path, call("one", "x"), "", line)
    with pytest.raises(InputError) as raised:
        ReplayChat(path)
    assert raised.value.message.startswith(f"{path}, line 3: {word}")


def test_a_missing_recording_is_an_input_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.jsonl: no such file"):
        open_chat(LlmSettings(model="replay/nowhere.jsonl"), tmp_path)


def test_the_file_is_relative_to_the_domain(tmp_path: Path) -> None:
    recording(tmp_path, call("one", "first"))
    chat = open_chat(LlmSettings(model="replay/conversation.jsonl"), tmp_path)
    assert chat.complete(asked("one")).text == "first"


@pytest.mark.parametrize("model", ["replay/x.jsonl", "openai/m"])
def test_answer_files_belong_to_manual_alone(tmp_path: Path, model: str) -> None:
    with pytest.raises(InputError, match="belong to --model manual"):
        open_chat(LlmSettings(model=model), tmp_path, answers=[tmp_path / "a.txt"])


def test_no_model_at_all_is_an_input_error_that_lists_the_ways(tmp_path: Path) -> None:
    with pytest.raises(InputError) as raised:
        open_chat(LlmSettings(), tmp_path)
    assert all(way in raised.value.tip for way in ("litellm", "replay/FILE", "manual"))
