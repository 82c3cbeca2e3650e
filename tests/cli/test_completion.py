"""`treegen completion`: scripts that a shell accepts, and what they complete."""

import shutil
import subprocess
import sys

import pytest

from tests.conftest import Run


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_a_script_for_each_shell(run: Run, shell: str) -> None:
    """It calls treegen, and the shell itself can parse it."""
    done = run("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert "_TREEGEN_COMPLETE" in done.out
    if shutil.which(shell):
        flag = "-n" if shell != "fish" else "--no-execute"
        assert subprocess.run([shell, flag], input=done.out, text=True, check=False).returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("typed", "offered"), [("treegen sc", "score schema"), ("treegen score --fu", "--full"), ("treegen scor x", "")]
)
def test_commands_and_options_are_completed(typed: str, offered: str) -> None:
    """By the program itself, as the script of bash calls it."""
    words = typed.split()
    program = "import sys; sys.argv[0] = 'treegen'; from treegen.cli.main import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={"COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1), "PATH": "", "_TREEGEN_COMPLETE": "bash_complete"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert [line.partition(",")[2] for line in done.stdout.split()] == offered.split()
