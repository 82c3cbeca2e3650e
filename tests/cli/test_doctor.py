"""`treegen doctor`: what is there, what is missing, and what to do; against a real server and a real terminal."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT, Git, Run
from tests.llm.chat.server import serving
from tests.waiting import PATIENCE

pytestmark = pytest.mark.litellm

KEY = "sk-a-planted-secret-key"


@pytest.fixture(autouse=True)
def surroundings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No key, no server, no repository, and no domain where one stands."""
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.delenv("TREEGEN_MODEL", raising=False)
    monkeypatch.setenv("OLLAMA_API_BASE", f"http://127.0.0.1:{unused_port()}")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)


def unused_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


def write_domain(llm: str = "", encoder: str = "") -> None:
    text = f'name = "pond"\nclasses = ["Newt", "Swan"]\n[llm]\n{llm}\n[encoder]\n{encoder}\n'
    Path("domain.toml").write_text(text, encoding="utf-8")


def examined(run: Run, *arguments: object) -> tuple[int, dict[str, dict[str, Any]]]:
    """The exit code, and the findings by their names."""
    done = run("doctor", "--json", *arguments)
    told = json.loads(done.out)
    assert told["usable"] == (done.code == 0)
    return done.code, {finding["name"]: finding for finding in told["findings"]}


def test_without_a_domain_everything_is_listed_and_nothing_is_wrong(run: Run) -> None:
    """What is not there comes with what to do about it."""
    code, found = examined(run)
    assert code == 0
    assert found["keys"]["state"] == found["Ollama"]["state"] == found["git"]["state"] == "off"
    assert "OPENAI_API_KEY" in found["keys"]["tip"]
    assert "ollama serve" in found["Ollama"]["tip"]
    assert found["bundled"]["state"] == "ok"
    assert all(finding["tip"] for finding in found.values() if finding["state"] != "ok")


def test_neither_torch_nor_litellm_is_imported_where_nothing_needs_them(tmp_path: Path) -> None:
    """The command answers at once; a GPU is looked for before torch is asked."""
    script = (
        "import sys; from pathlib import Path; from treegen.doctor import examine; from treegen.doctor import vision; "
        "vision.shutil.which = lambda name: None; found = examine(None, None, Path('.')); "
        "print(len(found.findings) > 5, sorted({'torch', 'litellm', 'open_clip', 'transformers'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() in ("True []", "True ['torch']")
    assert done.stdout.strip() == "True []" or Path("/dev/nvidia0").exists()


def test_keys_are_told_by_their_names_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one that is blank, and one of the file that is named."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANTHROPIC_API_KEY", " ")
    monkeypatch.setenv("OTHER_API_KEY", "to be removed")
    monkeypatch.delenv("OTHER_API_KEY")
    Path("keys.env").write_text(f"OTHER_API_KEY={KEY}-2\n", encoding="utf-8")
    done = run("doctor", "--env-file", "keys.env", "--model", "manual")
    assert done.code == 0
    assert "OPENAI_API_KEY, OTHER_API_KEY" in done.out
    assert "set but blank: ANTHROPIC_API_KEY" in done.out
    assert KEY not in done.out + done.err


@pytest.mark.parametrize(
    ("model", "key", "code", "told"),
    [
        ("openai/gpt-4o-mini", None, 1, "no key in OPENAI_API_KEY"),
        ("openai/gpt-4o-mini", KEY, 0, "its key is set"),
        ("openai/gpt-4o-mini", " ", 1, "set but blank"),
        ("nobodys-model", KEY, 1, "no such provider"),
        ("manual", None, 0, "chat window"),
        ("replay/none.jsonl", None, 1, "none.jsonl"),
    ],
)
def test_the_model_of_the_domain_has_what_it_needs_or_the_exit_code_is_1(
    model: str, key: str | None, code: int, told: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is sent."""
    if key is not None:
        monkeypatch.setenv("OPENAI_API_KEY", key)
    write_domain(f'model = "{model}"')
    ended, found = examined(run)
    assert ended == code
    assert told in found[model]["message"]
    assert bool(found[model]["tip"]) == bool(code)


def test_a_domain_that_names_no_model_is_told(run: Run) -> None:
    """Exit code 1: nothing can be drafted with it."""
    write_domain()
    code, found = examined(run)
    assert (code, found["model"]["state"]) == (1, "missing")


def test_a_server_is_asked_for_its_models(run: Run) -> None:
    """One that answers, one that has another model, and one that is not there."""
    with serving() as server:
        code, found = examined(run, "--model", "openai/some-model", "--api-base", server.url)
        assert code == 0
        assert found[server.url]["message"] == "it answers; models: some-model"
        code, found = examined(run, "--model", "openai/other", "--api-base", server.url.replace("//", "//me:secret@"))
        assert code == 1
        assert "lists no model other" in found[server.url]["message"]
    gone = f"http://127.0.0.1:{unused_port()}/v1"
    code, found = examined(run, "--model", "openai/some-model", "--api-base", gone)
    assert code == 1
    assert "refused" in found[gone]["message"]
    assert "--api-base" in found[gone]["tip"]


def test_ollama_is_needed_only_where_its_model_is_named(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that is no Ollama does not pass for one."""
    assert examined(run, "--model", "manual")[0] == 0
    code, found = examined(run, "--model", "ollama_chat/llama3")
    assert (code, found["Ollama"]["state"]) == (1, "missing")
    with serving() as server:
        monkeypatch.setenv("OLLAMA_API_BASE", server.url.removesuffix("/v1"))
        assert examined(run)[1]["Ollama"]["state"] == "off"


@pytest.mark.parametrize(
    ("encoder", "code", "told"),
    [
        ("bundled", 0, "tiny CLIP"),
        ("ViT-B-32:laion2b_s34b_b79k", 0, "downloaded at first use"),
        ("ViT-B-33:laion2b", 1, "open_clip has no model ViT-B-33"),
        ("local-dir:nowhere", 1, "open_clip_config.json"),
        ("hf-hub:org/name", 0, "downloaded"),
        ("jina_ai/jina-clip-v2", 0, "JINA_AI_API_KEY is not set"),
    ],
)
def test_the_encoder_of_the_domain_can_load_or_the_exit_code_is_1(encoder: str, code: int, told: str, run: Run) -> None:
    """Nothing is loaded or downloaded."""
    write_domain('model = "manual"', f'name = "{encoder}"')
    ended, found = examined(run)
    assert ended == code
    assert told in found[encoder]["message"]


def test_git_is_set_up_or_the_command_that_does_it_is_named(
    run: Run, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before and after `treegen git-setup`."""
    monkeypatch.chdir(git.folder)
    found = examined(run)[1]["git"]
    assert (found["state"], "git-setup" in found["tip"]) == ("off", True)
    assert run("git-setup").code == 0
    assert examined(run)[1]["git"]["state"] == "ok"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo terminals")
@pytest.mark.parametrize(("term", "told"), [("xterm-256color", "coarse blocks"), ("dumb", "not checked")])
def test_a_terminal_tells_its_size_colours_and_pictures(term: str, told: str) -> None:
    """In a real pseudo terminal, which answers no question about pictures."""
    import fcntl
    import pty
    import struct
    import termios

    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 70, 0, 0))
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": term, "PYTHONUTF8": "1"}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "COLORTERM"):
        environment.pop(name, None)
    process = subprocess.Popen(
        [sys.executable, "-m", "treegen", "doctor"], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    shown = b""
    try:
        while chunk := os.read(ours, 65536):
            shown += chunk
    except OSError:  # the terminal is closed when the process ends
        pass
    os.close(ours)
    assert process.wait(PATIENCE) == 0
    text = shown.decode()
    assert "70 x 20" in text
    assert "make it 80 x 24" in text
    assert "256" in text or term == "dumb"
    assert ("\x1b" in text) == (term != "dumb")
    assert told in text


def test_the_list_of_a_server_is_shown_as_text(run: Run) -> None:
    """A name with control characters does not reach the terminal as such."""
    with serving() as server:
        server.models = ["a\x1b[31mred"]
        shown = run("doctor", "--api-base", server.url, "--model", "manual").out
    assert "\x1b[31mred" not in shown
    assert "red" in shown
