"""A person's answers come from files in order, from standard input once, or from a real terminal."""

import io
import json
import os
import pty
import select
import subprocess
import sys
from pathlib import Path

import pytest

from tests.waiting import PATIENCE
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError
from treegen.llm.chat import open_chat
from treegen.llm.chat.interface import Message, Reply
from treegen.llm.chat.manual import AnswerNeededError, ManualChat, as_text

REQUEST = [Message(role="system", content="You build trees."), Message(role="user", content="Build one.")]
LONGER = [*REQUEST, Message(role="assistant", content="{}"), Message(role="user", content="Not empty.")]


def files(folder: Path, *texts: str) -> tuple[Path, ...]:
    paths = tuple(folder / f"answer{number}.txt" for number in range(len(texts)))
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, encoding="utf-8")
    return paths


def test_answer_files_are_used_in_their_order(tmp_path: Path) -> None:
    chat = ManualChat(answers=files(tmp_path, "first é\n", "second"))
    assert chat.complete(REQUEST) == Reply(text="first é\n", model="manual")
    assert chat.complete(LONGER).text == "second"


def test_when_the_answers_are_used_up_the_error_names_the_file_of_the_request(tmp_path: Path) -> None:
    messages = tmp_path / "messages.txt"
    chat = ManualChat(answers=files(tmp_path, "first"), messages=messages)
    chat.complete(REQUEST)
    with pytest.raises(ModelError) as raised:
        chat.complete(LONGER)
    assert "used up" in raised.value.message
    assert str(messages) in raised.value.tip
    assert "--answer" in raised.value.tip
    assert messages.read_text(encoding="utf-8") == as_text(LONGER)


def test_when_the_answers_are_used_up_and_no_file_was_named_the_error_says_how_to_name_one(tmp_path: Path) -> None:
    chat = ManualChat(answers=files(tmp_path, "first"))
    chat.complete(REQUEST)
    with pytest.raises(ModelError) as raised:
        chat.complete(LONGER)
    assert "--messages FILE" in raised.value.tip


def test_used_up_answers_are_not_looked_for_on_standard_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("from standard input"))
    chat = ManualChat(answers=files(tmp_path, "first"))
    chat.complete(REQUEST)
    with pytest.raises(ModelError):
        chat.complete(REQUEST)
    assert sys.stdin.read() == "from standard input"


def test_the_messages_file_holds_the_latest_request(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    messages = tmp_path / "messages.txt"
    chat = ManualChat(answers=files(tmp_path, "a", "b"), messages=messages)
    chat.complete(REQUEST)
    assert messages.read_text(encoding="utf-8") == "You build trees.\n\nBuild one.\n"
    chat.complete(LONGER)
    text = messages.read_text(encoding="utf-8")
    headings = [line for line in text.splitlines() if line.startswith("## ")]
    assert headings == ["## system", "## user", "## assistant", "## user"]
    assert all(message.content in text for message in LONGER)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count(str(messages)) == 2


def test_a_messages_file_that_cannot_be_written_is_an_input_error_and_uses_no_answer(tmp_path: Path) -> None:
    answers = files(tmp_path, "a")
    with pytest.raises(InputError, match="cannot be written"):
        ManualChat(answers=answers, messages=tmp_path / "nowhere" / "messages.txt").complete(REQUEST)
    assert ManualChat(answers=answers, messages=tmp_path / "messages.txt").complete(REQUEST).text == "a"


def test_a_messages_file_of_an_earlier_run_is_replaced(tmp_path: Path) -> None:
    """Of a first request or of a later one, which begins with a heading; the template may have changed further down."""
    messages = tmp_path / "messages.txt"
    for earlier in (as_text(REQUEST), as_text(LONGER), "You build trees.\nMore of the system prompt.\n\nAnother."):
        messages.write_text(earlier, encoding="utf-8")
        ManualChat(answers=files(tmp_path, "a"), messages=messages).complete(REQUEST)
        assert messages.read_text(encoding="utf-8") == as_text(REQUEST)


@pytest.mark.parametrize("held", ['name = "pond"\n', "{}", "# You build trees.\n", "I said: You build trees.\n"])
def test_a_messages_file_that_holds_something_else_stays_and_no_answer_is_used(tmp_path: Path, held: str) -> None:
    messages = tmp_path / "messages.txt"
    messages.write_text(held, encoding="utf-8")
    chat = ManualChat(answers=files(tmp_path, "a"), messages=messages)
    with pytest.raises(InputError, match="exists and is not a messages file"):
        chat.complete(REQUEST)
    assert messages.read_text(encoding="utf-8") == held
    messages.unlink()
    assert chat.complete(REQUEST).text == "a"


def test_an_empty_system_prompt_lets_nothing_be_replaced_but_its_own_messages(tmp_path: Path) -> None:
    """A template of the user's may be empty; no file begins with nothing."""
    request = [Message(role="system", content=""), REQUEST[1]]
    domain, messages = tmp_path / "domain.toml", tmp_path / "messages.txt"
    domain.write_text('name = "pond"\n', encoding="utf-8")
    with pytest.raises(InputError, match="is not a messages file"):
        ManualChat(answers=files(tmp_path, "a"), messages=domain).complete(request)
    chat = ManualChat(answers=files(tmp_path, "a", "b"), messages=messages)
    assert [chat.complete(request).text, chat.complete(request).text] == ["a", "b"]


def test_a_missing_answer_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.txt: no such file"):
        ManualChat(answers=(tmp_path / "nowhere.txt",)).complete(REQUEST)


def test_an_answer_that_is_not_utf8_is_named_with_the_byte(tmp_path: Path) -> None:
    path = tmp_path / "answer.txt"
    path.write_bytes(b"abc\xff")
    with pytest.raises(InputError, match=r"answer\.txt: not UTF-8 at byte 3"):
        ManualChat(answers=(path,)).complete(REQUEST)


def test_an_empty_answer_is_an_input_error_that_says_where_the_messages_are(tmp_path: Path) -> None:
    answers = files(tmp_path, " \n\t\n")
    with pytest.raises(InputError, match="the answer is empty"):
        ManualChat(answers=answers).complete(REQUEST)
    messages = tmp_path / "messages.txt"
    with pytest.raises(InputError) as raised:
        ManualChat(answers=answers, messages=messages).complete(REQUEST)
    assert str(messages) in raised.value.tip


def test_standard_input_that_is_no_terminal_is_one_answer(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("line 1\n.\nline 3\n"))
    chat = ManualChat()
    assert chat.complete(REQUEST).text == "line 1\n.\nline 3\n"
    out, err = capsys.readouterr()
    assert out == ""
    assert as_text(REQUEST) in err
    with pytest.raises(ModelError) as raised:
        chat.complete(LONGER)
    assert "another is needed" in raised.value.message
    assert "--answer" in raised.value.tip


def test_empty_standard_input_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(InputError, match="the answer is empty"):
        ManualChat().complete(REQUEST)


def test_empty_standard_input_is_the_first_step_if_the_request_is_in_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    with pytest.raises(AnswerNeededError, match="a request is waiting for its answer") as raised:
        ManualChat(messages=tmp_path / "ask.txt").complete(REQUEST)
    assert raised.value.tip.endswith("run the command again with --answer FILE")


def test_standard_input_that_is_not_utf8_is_an_input_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"abc\xff"), encoding="utf-8"))
    with pytest.raises(InputError, match="standard input: not UTF-8 at byte 3"):
        ManualChat().complete(REQUEST)


def test_manual_is_opened_by_its_name(tmp_path: Path) -> None:
    chat = open_chat(LlmSettings(model="manual"), tmp_path, answers=files(tmp_path, "a"))
    assert chat.name == "manual"
    assert chat.complete(REQUEST).text == "a"


PROGRAM = """
import json, sys, termios
from treegen.errors import TreegenError
from treegen.llm.chat.interface import Message
from treegen.llm.chat.manual import AnswerNeededError, ManualChat, as_text
before = termios.tcgetattr(0)
from pathlib import Path
messages = Path(sys.argv[3]) if len(sys.argv) > 3 else None
chat, answers = ManualChat(messages=messages), []
try:
    for _ in range(int(sys.argv[2])):
        answers.append(chat.complete([Message(role="user", content="Build one.")]).text)
except TreegenError as error:
    answers.append(error.message)
open(sys.argv[1], "w").write(json.dumps([answers, termios.tcgetattr(0) == before]))
"""


def in_terminal(folder: Path, *pastes: bytes, messages: Path | None = None) -> tuple[list[str], bool, str]:
    """Runs the program in a terminal of its own and pastes each text when it is asked for.

    Returns the answers, whether the terminal's settings were given back, and what was shown.
    """
    ours, theirs = pty.openpty()
    result = folder / "result.json"
    command = [sys.executable, "-c", PROGRAM, str(result), str(len(pastes)), *([str(messages)] if messages else [])]
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True)
    os.close(theirs)
    shown, waiting, asked = b"", b"", 0
    try:
        while True:
            readable, writable, _ = select.select([ours], [ours] if waiting else [], [], PATIENCE)
            assert readable or writable, shown.decode(errors="replace")
            if writable:
                waiting = waiting[os.write(ours, waiting[:512]) :]
            if readable:
                try:
                    shown += os.read(ours, 65536)
                except OSError:  # the program has ended
                    break
            if asked < shown.count(b"Paste the answer" if messages is None else b"and press Enter."):
                waiting, asked = waiting + pastes[asked], asked + 1
        assert process.wait(PATIENCE) == 0, shown.decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    answers, restored = json.loads(result.read_text())
    return answers, restored, shown.decode(errors="replace")


def test_a_paste_in_a_terminal_ends_at_a_line_with_a_full_stop(tmp_path: Path) -> None:
    answers, restored, shown = in_terminal(tmp_path, "{\r  é. \r...\r}\r.\r".encode(), b"second\r . \r")
    assert answers == ["{\n  é. \n...\n}\n", "second\n"]
    assert restored
    assert shown.count("Build one.") == 2


def test_what_is_pasted_behind_the_full_stop_is_the_beginning_of_the_next_answer(tmp_path: Path) -> None:
    answers, _, _ = in_terminal(tmp_path, b"first\r.\rsec", b"ond\r.\r")
    assert answers == ["first\n", "second\n"]


def test_a_pasted_line_longer_than_a_terminals_line_is_not_cut(tmp_path: Path) -> None:
    long = "x" * 20_000
    answers, _, _ = in_terminal(tmp_path, f"{long}\r.\r".encode())
    assert answers == [f"{long}\n"]


def test_end_of_input_ends_a_paste_too(tmp_path: Path) -> None:
    answers, _, _ = in_terminal(tmp_path, b"{}\r\x04")
    assert answers == ["{}\n"]


def test_an_empty_or_broken_paste_is_an_input_error(tmp_path: Path) -> None:
    assert in_terminal(tmp_path, b".\r")[0] == ["the answer is empty"]
    assert in_terminal(tmp_path, b"ab\xff\r.\r")[0] == ["the answer: not UTF-8 at byte 2"]


def test_a_reply_in_a_file_is_named_or_lies_beside_the_request(tmp_path: Path) -> None:
    """The first reply is given by the name of its file, the second is pasted."""
    saved = tmp_path / "saved.json"
    saved.write_text("from a file", encoding="utf-8")
    answers, restored, shown = in_terminal(
        tmp_path, f"{saved}\n".encode(), b"pasted\n.\n", messages=tmp_path / "ask.txt"
    )
    assert answers == ["from a file", "pasted\n"]
    assert restored
    assert f"Paste all of {tmp_path / 'ask.txt'} into a chat window" in shown


def test_enter_alone_reads_the_reply_saved_after_the_request(tmp_path: Path) -> None:
    messages, reply = tmp_path / "ask.txt", tmp_path / "reply.txt"
    messages.write_text(as_text([Message(role="user", content="Build one.")]), encoding="utf-8")  # of an earlier run
    reply.write_text("of a minute ago", encoding="utf-8")
    os.utime(messages, ns=(reply.stat().st_mtime_ns - 10**9,) * 2)
    assert in_terminal(tmp_path, b"\n", messages=messages)[0] == ["of a minute ago"]
    os.utime(reply, ns=(messages.stat().st_mtime_ns - 10**9,) * 2)
    answers, *_ = in_terminal(tmp_path, b"\npasted\n.\n", messages=messages)
    assert "pasted\n" in answers[0]
    assert answers[0].strip() == "pasted"


def test_the_request_is_copied_by_the_desktops_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "xclip"
    program.write_text(f"#!/bin/sh\ncat > {tmp_path}/copied\n", encoding="utf-8")
    program.chmod(0o755)
    for variable in ("SSH_CONNECTION", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    _, _, shown = in_terminal(tmp_path, b"done\n.\n", messages=tmp_path / "ask.txt")
    assert "(it is on the clipboard)." in shown
    assert (tmp_path / "copied").read_text(encoding="utf-8") == (tmp_path / "ask.txt").read_text(encoding="utf-8")


def test_a_program_that_fails_leaves_it_to_the_terminal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "xclip"
    program.write_text("#!/bin/sh\nexit 1\n", encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    _, _, shown = in_terminal(tmp_path, b"done\n.\n", messages=tmp_path / "ask.txt")
    assert "\x1b]52;c;" in shown
    assert "if your terminal allows that" in shown
