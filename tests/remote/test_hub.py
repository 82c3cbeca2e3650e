"""Whether the hub can be reached is known within a bound, and asked in a thread."""

import socket
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from treegen.remote.hub import HubProbe, hub_host

pytestmark = pytest.mark.slow


class Refusing(BaseHTTPRequestHandler):
    """A server that answers, if only that nothing is there."""

    def do_HEAD(self) -> None:
        self.send_error(404)

    def log_message(self, *_: object) -> None:
        """Print nothing."""


@pytest.fixture
def at(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    return monkeypatch


def test_any_answer_is_one(at: pytest.MonkeyPatch) -> None:
    server = HTTPServer(("127.0.0.1", 0), Refusing)
    Thread(target=server.serve_forever, daemon=True).start()
    at.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}")
    try:
        assert HubProbe().unreachable() == ""
        assert hub_host() == "127.0.0.1"
    finally:
        server.shutdown()
        server.server_close()


def test_a_closed_port_is_a_reason(at: pytest.MonkeyPatch) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        at.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{free.getsockname()[1]}")
        assert "refused" in HubProbe().unreachable()


def test_a_hub_that_never_answers_is_not_waited_for_longer_than_the_bound(at: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        at.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{mute.getsockname()[1]}")
        lines: list[str] = []
        assert HubProbe().unreachable(0.6, lines.append) == "no answer in 0.6 seconds"
        assert lines == ["waiting for 127.0.0.1 to answer, 0.6 seconds at most"]


def test_offline_by_choice_is_a_reason(at: pytest.MonkeyPatch) -> None:
    at.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    assert HubProbe().unreachable() == "HF_HUB_OFFLINE is set"
