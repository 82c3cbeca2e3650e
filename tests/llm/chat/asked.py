"""What tests of whole commands against the server share: the surroundings, and a domain that asks the server."""

import os
import re
import shutil
from pathlib import Path

import pytest

from tests.conftest import trust_all
from tests.llm.chat.cases import KEY, PRICE_IN, PRICE_OUT
from tests.llm.chat.server import OpenAIServer
from treegen.resources import sketchbook_dir
from treegen.workflow.demo import FILES

__all__ = ["KEY", "sketchbook", "waits", "write_domain"]


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """What would have been waited; a key for OpenAI and no other."""
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    waited: list[float] = []
    monkeypatch.setattr("treegen.llm.chat.litellm_chat.sleep", waited.append)
    return waited


@pytest.fixture
def sketchbook(tmp_path: Path) -> Path:
    """The bundled domain without its drawings."""
    folder = tmp_path / "sketchbook"
    folder.mkdir()
    for name in FILES:
        shutil.copy(sketchbook_dir() / name, folder / name)
    return folder


def write_domain(sketchbook: Path, server: OpenAIServer, more: str = "") -> Path:
    """The sketchbook without its images, asked of the server, at a price."""
    path = sketchbook / "domain.toml"
    text = re.sub(r"\[(llm|images)\]\n([^\[\n].*\n|\n)*", "", path.read_text(encoding="utf-8"))
    price = f"price_in = {PRICE_IN}\nprice_out = {PRICE_OUT}\n"
    llm = f'\n[llm]\nmodel = "openai/some-model"\napi_base = "{server.url}"\n{price}{more}'
    path.write_text(text + llm, encoding="utf-8")
    trust_all(sketchbook)
    return sketchbook
