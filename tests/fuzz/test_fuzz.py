"""A slice of the long run (`make fuzz`): the same inputs each time."""

from pathlib import Path

import pytest

from tests.fuzz.running import MAKERS, Done, examine_seed, faults_of, in_process, installed

pytest.importorskip("pyarrow")


@pytest.mark.slow
@pytest.mark.parametrize("kind", MAKERS)
def test_no_command_does_anything_with_an_awkward_input_that_is_not_documented(kind: str, tmp_path: Path) -> None:
    for seed in range(5):
        folder = tmp_path / str(seed)
        folder.mkdir()
        assert examine_seed(kind, seed, in_process, folder) == []


@pytest.mark.slow
def test_nor_does_the_installed_program(tmp_path: Path) -> None:
    assert examine_seed("tables", 1, installed, tmp_path) == []


@pytest.mark.parametrize(
    ("code", "out", "err", "fault"),
    [
        (70, "", "error: unexpected KeyError: 'x'\n", "exit code 70"),
        (2, "", "Traceback (most recent call last):\n", "stderr has 'Traceback'"),
        (2, "", "error: a\nerror: b\n", "2 error sentences"),
        (2, "", "", "0 error sentences"),
        (0, "", "note: a\nnote: a\n", "a note twice"),
        (0, "name \x1b[31m\n", "", "stdout has the control character '\\x1b'"),
        (0, "read 2 of 4 picture files below x; left out: 1 .svg\n", "", "the parts do not add up"),
        (0, "checked 2 of 3 picture files below x; left out: 1 .svg\n", "", ""),
        (2, "", "error: x: no such file\n  check the name\n", ""),
    ],
)
def test_the_harness_sees_what_is_wrong(code: int, out: str, err: str, fault: str) -> None:
    found = [*faults_of(Done(("check", "x"), code, out, err))]
    assert any(each.startswith(fault) for each in found) if fault else not found
