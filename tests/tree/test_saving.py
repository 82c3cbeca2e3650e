"""Writing a tree file: all of it or nothing of it."""

import errno
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from stat import S_ISDIR
from typing import Any, NoReturn

import pytest

from treegen.errors import InputError
from treegen.files import write_atomically
from treegen.tree.document import dump, save
from treegen.tree.model import Tree

ROOT = Path(__file__).parents[2]
WRITER = """
import sys
from pathlib import Path
from treegen.files import write_atomically
path, letter = Path(sys.argv[1]), sys.argv[2]
for number in range(60):
    write_atomically(path, letter * 50_000 + str(number % 10))
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "tree.json"
    path.write_text("old\n", encoding="utf-8")
    return path


def failing(error: BaseException) -> Any:
    def fail(*_: object, **__: object) -> NoReturn:
        raise error

    return fail


def test_saving_writes_the_canonical_text_and_leaves_nothing_else(path: Path, tree: Tree) -> None:
    text = save(path, tree)
    assert text == dump(tree)
    assert path.read_bytes() == text.encode()
    assert list(path.parent.iterdir()) == [path]


def test_saving_an_unchanged_tree_changes_no_byte_and_no_time(path: Path, tree: Tree) -> None:
    save(path, tree)
    os.utime(path, ns=(10**18, 10**18))
    before = path.stat()
    save(path, tree)
    after = path.stat()
    assert (after.st_mtime_ns, after.st_ino) == (10**18, before.st_ino)
    save(path, replace(tree, domain="lake"))
    assert path.stat().st_mtime_ns != 10**18


@pytest.mark.parametrize("step", ["os.fsync", "pathlib.Path.replace", "os.fdopen", "os.open"])
def test_a_write_that_fails_leaves_the_old_file_and_no_temporary_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    monkeypatch.setattr(step, failing(OSError(errno.ENOSPC, "No space left on device")))
    with pytest.raises(InputError, match=r"tree.json: cannot be written: No space left on device") as caught:
        write_atomically(path, "new\n")
    assert caught.value.tip.startswith("nothing was changed")
    assert path.read_text() == "old\n"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), MemoryError()])
def test_an_interrupted_write_leaves_the_old_file_and_no_temporary_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    monkeypatch.setattr("os.fsync", failing(error))
    with pytest.raises(type(error)):
        write_atomically(path, "new\n")
    assert path.read_text() == "old\n"
    assert list(path.parent.iterdir()) == [path]


def test_text_that_utf_8_cannot_write_leaves_the_old_file_and_no_temporary_one(path: Path) -> None:
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "new \ud83e")
    assert path.read_text() == "old\n"
    assert list(path.parent.iterdir()) == [path]


def test_a_file_system_that_cannot_sync_folders_is_no_failure(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    refused = []

    def fsync(fd: int) -> None:
        if S_ISDIR(os.fstat(fd).st_mode):
            refused.append(fd)
            raise OSError(errno.EINVAL, "Invalid argument")

    monkeypatch.setattr("os.fsync", fsync)
    write_atomically(path, "new\n")
    assert len(refused) == 1
    assert path.read_text() == "new\n"


def test_a_link_stays_a_link_and_its_target_gets_the_text(tmp_path: Path, path: Path) -> None:
    (tmp_path / "inner").mkdir()
    link = tmp_path / "inner" / "link.json"
    link.symlink_to(Path("..") / path.name)
    write_atomically(link, "new\n")
    assert link.is_symlink()
    assert path.read_text() == "new\n"
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["inner", "link.json", "tree.json"]


def test_a_link_to_nothing_yet_gets_its_target(tmp_path: Path) -> None:
    link = tmp_path / "link.json"
    link.symlink_to("target.json")
    write_atomically(link, "new\n")
    assert link.is_symlink()
    assert (tmp_path / "target.json").read_text() == "new\n"


@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755, 0o444])
def test_the_mode_of_the_file_is_kept(path: Path, mode: int) -> None:
    path.chmod(mode)
    write_atomically(path, "new\n")
    assert path.stat().st_mode & 0o777 == mode


def test_a_new_file_can_be_read_by_others(tmp_path: Path) -> None:
    write_atomically(tmp_path / "new.json", "new\n")
    assert (tmp_path / "new.json").stat().st_mode & 0o777 == 0o644


def test_what_cannot_be_a_file_is_refused_by_name(tmp_path: Path, tree: Tree) -> None:
    (tmp_path / "folder").mkdir()
    loop = tmp_path / "loop.json"
    loop.symlink_to(loop.name)
    for target in (tmp_path / "none" / "t.json", tmp_path / "folder", tmp_path / ("x" * 300), loop):
        with pytest.raises(InputError, match="cannot be written"):
            save(target, tree)
    assert sorted(p.name for p in tmp_path.rglob("*")) == ["folder", "loop.json"]


@pytest.mark.slow
def test_two_writers_at_once_never_leave_half_a_file(path: Path) -> None:
    write_atomically(path, "a" * 50_000 + "0")
    writers = [subprocess.Popen([sys.executable, "-c", WRITER, str(path), letter], cwd=ROOT) for letter in "ab"]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        text = path.read_text()
        seen.add((len(text), len(set(text[:-1]))))
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen == {(50_001, 1)}
    assert list(path.parent.iterdir()) == [path]


def test_bytes_are_written_as_they_are(path: Path) -> None:
    write_atomically(path, b"\x00\xff\r\n")
    assert path.read_bytes() == b"\x00\xff\r\n"
