"""No key leaves for another host, and none reaches the disk or the screen: through real commands and servers."""

import json
from base64 import b64encode
from pathlib import Path

import pytest

from tests.cli.recording_server import recording
from tests.conftest import DOMAIN, Run

pytestmark = pytest.mark.litellm

KEYS = {
    "OPENAI_API_KEY": "planted-env-0123456789",
    "ANTHROPIC_API_KEY": "planted-anthropic-0123",
    "GEMINI_API_KEY": "planted-gemini-0123456",
}
IN_FILE = "planted-file-0123456789"
PASSWORD = "planted@word/0123456"
USER = "planteduser"


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)


@pytest.mark.parametrize(
    "model", ["openai/gpt-4o-mini", "anthropic/claude-3-5-haiku-20241022", "gemini/gemini-2.0-flash"]
)
@pytest.mark.parametrize("status", [302, 307, 308])
def test_no_key_follows_a_redirect_to_another_host(run: Run, tmp_path: Path, model: str, status: int) -> None:
    """Nor the request: the other host sees nothing at all. The message says what happened."""
    (tmp_path / "domain.toml").write_text(f"{DOMAIN}\n[llm]\nretries = 0\n", encoding="utf-8")
    with recording() as other, recording(location=f"{other.address}/chat", status=status) as first:
        done = run("draft", tmp_path, "--no-score", "--model", model, "--api-base", first.address)
        assert done.code == 3
        assert first.requests
        assert other.requests == []
        assert "redirects to another host" in done.err


def test_planted_keys_are_in_no_file_of_a_run_and_not_on_the_screen(run: Run, tmp_path: Path) -> None:
    """In the environment, an .env file, the address and the error bodies; the server repeats all it was sent."""
    folder = tmp_path / "domain"
    folder.mkdir()
    (folder / "domain.toml").write_text(f"{DOMAIN}\n[llm]\nretries = 0\n", encoding="utf-8")
    (tmp_path / "keys.env").write_text(f"OTHER_API_KEY={IN_FILE}\n", encoding="utf-8")
    basic = b64encode(f"{USER}:{PASSWORD}".encode()).decode().rstrip("=")
    forms = [*KEYS.values(), IN_FILE, PASSWORD, "word/0123456", basic, "query-planted-01234"]
    spoken = " ".join(forms)
    reply = {"choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": spoken}}]}
    screens = []
    for status, body in ((200, json.dumps(reply)), (400, spoken), (401, json.dumps({"error": {"message": spoken}}))):
        with recording(status=status) as server:
            server.body = body
            host = server.address.removeprefix("http://")
            for password in (PASSWORD, "planted%40word%2F0123456"):
                address = f"http://{USER}:{password}@{host}?key=query-planted-01234"
                options = ("--model", "openai/gpt-4o-mini", "--api-base", address, "--tries", "1", "--fresh")
                recorded = folder / f"recording-{status}-{len(password)}.jsonl"
                done = run(
                    "--verbose",
                    "draft",
                    folder,
                    "--no-score",
                    *options,
                    "--record",
                    recorded,
                    "--env-file",
                    tmp_path / "keys.env",
                )
                assert done.code in (1, 3), done.err
                screens.append(done.out + done.err)
    screens.append(run("log", folder / "tree.json", "--calls").out)
    texts = [path.read_bytes() for path in folder.rglob("*") if path.is_file()]
    assert len(texts) > 3
    for form in forms:
        assert not any(form.encode() in text for text in texts), form
        assert not any(form in screen for screen in screens), form
