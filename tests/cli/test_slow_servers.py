"""Servers that never end their reply, and never fall silent: there is a bound, and ctrl+c ends the command at once."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Event, Thread

import pytest

from tests.conftest import ROOT
from tests.waiting import PATIENCE
from treegen.clip.encoders.api import ServiceEncoder
from treegen.config.settings import EncoderSettings, LlmSettings
from treegen.errors import ModelError
from treegen.llm.chat.interface import Message
from treegen.llm.chat.litellm_chat import LitellmChat
from treegen.remote.retrying import Retry

pytestmark = [pytest.mark.slow, pytest.mark.litellm]
#: the program; a shell starts what runs in its background with ctrl+c ignored
_START = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from treegen.__main__ import main
main()
"""


class Dripping:
    """A server that answers with one byte after the other until it is stopped.

    Attributes:
        address: of its API.
        asked: a request has come.
        left: the other side has closed its connection.
    """

    def __init__(self) -> None:
        self.asked, self.left, self.stopped = Event(), Event(), Event()
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: object) -> None:
                pass

            def do_POST(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.end_headers()
                owner.asked.set()
                try:
                    while not owner.stopped.wait(0.05):
                        self.wfile.write(b" ")
                except OSError:
                    owner.left.set()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"http://127.0.0.1:{self.server.server_port}/v1"


@pytest.fixture
def dripping(monkeypatch: pytest.MonkeyPatch) -> Iterator[Dripping]:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody-0123456789")
    service = Dripping()
    thread = Thread(target=service.server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield service
    service.stopped.set()
    service.server.shutdown()
    service.server.server_close()
    thread.join()


def test_a_service_that_sends_byte_by_byte_is_given_up(dripping: Dripping) -> None:
    settings = EncoderSettings(name="openai/clip", api_base=dripping.address)
    with pytest.raises(ModelError, match=r"did not answer within 0\.5 s"):
        ServiceEncoder(settings, retry=Retry(tries=1, per_call=0.5))
    assert dripping.left.wait(PATIENCE)  # nor is it read any further


def test_a_model_that_sends_byte_by_byte_is_given_up_and_read_no_further(dripping: Dripping) -> None:
    chat = LitellmChat(LlmSettings(model="openai/m", api_base=dripping.address, total_timeout=1, retries=0))
    with pytest.raises(ModelError, match="openai/m"):
        chat.complete([Message(role="user", content="?")])
    assert dripping.left.wait(PATIENCE)


@pytest.mark.parametrize("command", ["score", "draft"])
def test_ctrl_c_ends_a_command_that_waits_for_such_a_server(dripping: Dripping, tree_file: Path, command: str) -> None:
    folder = tree_file.parent
    if command == "score":
        domain = folder / "domain.toml"
        settings = f'name = "openai/clip"\napi_base = "{dripping.address}"'
        domain.write_text(domain.read_text(encoding="utf-8").replace('name = "bundled"', settings), encoding="utf-8")
        words = ["score", str(tree_file), "--dev"]
    else:
        words = ["draft", str(folder), "--force", "--model", "openai/m", "--api-base", dripping.address]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TREEGEN_TRUST": str(folder.parent)}
    started = subprocess.Popen(
        [sys.executable, "-c", _START, *words], env=environment, stderr=subprocess.PIPE, text=True
    )
    assert dripping.asked.wait(PATIENCE), started.communicate()
    started.send_signal(signal.SIGINT)
    _, err = started.communicate(timeout=PATIENCE)
    assert (started.returncode, err.splitlines()[-1]) == (130, "error: interrupted")
