"""The view of what arrives: several threads have something to say, and one at a time says it."""

import io
import threading
import time

import pytest

from treegen.cli.partial_reply import ArrivingView


class Watched(io.StringIO):
    """A terminal on which writing takes a moment, so that two who write at once are seen."""

    def __init__(self) -> None:
        super().__init__()
        self.writing = 0
        self.most = 0

    def isatty(self) -> bool:
        return True

    def write(self, text: str) -> int:
        self.writing += 1
        self.most = max(self.most, self.writing)
        time.sleep(0.002)
        self.writing -= 1
        return super().write(text)


def test_lines_of_several_threads_and_the_view_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Watched()
    monkeypatch.setattr("sys.stderr", terminal)
    view = ArrivingView("m", shown=True)
    hear = view.on_text
    assert hear is not None

    def write(line: str) -> None:
        terminal.write(line + "\n")

    def speak(number: int) -> None:
        for _ in range(5):
            view.say(f"line of {number}", write)

    speakers = [threading.Thread(target=speak, args=(n,)) for n in range(4)]
    for speaker in speakers:
        speaker.start()
    text = '{"classification_groups": {"size": {"prompt": "It is {}.", '
    for speaker in speakers:
        while speaker.is_alive():
            hear(text)
            speaker.join(0.01)
    view.pause()
    assert terminal.most == 1
    assert sum(terminal.getvalue().count(f"line of {n}") for n in range(4)) == 20
