"""The program in a process of its own: whose warnings a user meets, and whose end a run."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, ROOT, TREE
from tests.llm.chat.server import serving

ASKING = ("-W", "error"), ("-W", "default"), ("-W", "error::UserWarning", "-W", "error::ResourceWarning")


def python(*arguments: str, folder: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """Run Python with the package of this checkout."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OPENAI_API_KEY": "sk-none", **more}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.litellm
@pytest.mark.parametrize("flags", ASKING, ids=" ".join)
def test_a_warning_of_a_library_neither_ends_a_request_nor_is_shown(flags: tuple[str, ...], tmp_path: Path) -> None:
    """A real request through litellm, whose types make pydantic warn."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    with serving() as server:
        server.will_answer(TREE)
        arguments = ("-m", "treegen", "draft", ".", "--model", "openai/some-model", "--api-base", server.url)
        done = python(*flags, *arguments, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "tree.json").is_file()
    assert "Warning" not in done.stderr
    assert ".py:" not in done.stderr


@pytest.mark.parametrize("asked", ["", "error", "default"])
def test_the_program_hears_warnings_of_its_own_code_alone(asked: str, tmp_path: Path) -> None:
    """Of a user who asks for nothing they are hidden too."""
    script = """
import sys, warnings
import treegen.cli.main as cli
def run():
    warnings.warn_explicit("of a library", UserWarning, "library.py", 1, module="litellm.types")
    warnings.warn_explicit("of treegen", UserWarning, "ours.py", 1, module="treegen.tree.model")
    print("done")
cli.main = run
import treegen.__main__
treegen.__main__.main()
"""
    done = python("-c", script, folder=tmp_path, PYTHONWARNINGS=asked)
    assert "of a library" not in done.stderr
    assert ("of treegen" in done.stderr) == (asked != "")
    assert (done.stdout, done.returncode) == (("", 1) if asked == "error" else ("done\n", 0))
