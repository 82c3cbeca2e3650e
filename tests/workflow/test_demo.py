"""The bundled domain is laid out once, brought up to date, and never at the cost of what a person edited."""

import os
import pty
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Run
from tests.waiting import PATIENCE
from treegen.config.domain import load_domain
from treegen.errors import InputError, TreegenError
from treegen.resources import sketchbook_dir
from treegen.workflow import demo
from treegen.workflow.demo import FILES, lay_out

pytestmark = pytest.mark.slow


@pytest.fixture
def source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the bundled domain, without its CLIP, that a test may change; layouts are made from it."""
    copied = Path(shutil.copytree(sketchbook_dir(), tmp_path / "bundled", ignore=shutil.ignore_patterns("clip")))
    monkeypatch.setattr(demo, "sketchbook_dir", lambda: copied)
    return copied


def pictures(folder: Path) -> dict[str, bytes]:
    """Every picture of a layout by its place."""
    images = folder / "images"
    return {str(p.relative_to(images)): p.read_bytes() for p in sorted(images.rglob("*.png"))}


def test_a_layout_is_a_domain_with_so_many_images_of_each_class(tmp_path: Path) -> None:
    """All files are there, byte for byte, and the domain can be read; the number of images is told."""
    assert lay_out(tmp_path / "demo", count=2) == 26
    domain = load_domain(tmp_path / "demo")
    assert sorted(p.split("/")[0] for p in pictures(tmp_path / "demo")) == sorted([*domain.classes] * 2)
    for name in FILES:
        assert (tmp_path / "demo" / name).read_bytes() == (sketchbook_dir() / name).read_bytes()


def test_the_same_seed_gives_the_same_images_and_another_seed_others(tmp_path: Path) -> None:
    """In another folder too."""
    for folder, seed in (("a", 0), ("b", 0), ("c", 1)):
        lay_out(tmp_path / folder, count=1, seed=seed)
    assert pictures(tmp_path / "a") == pictures(tmp_path / "b")
    assert set(pictures(tmp_path / "a").values()).isdisjoint(pictures(tmp_path / "c").values())


def test_a_second_layout_draws_nothing_and_another_seed_draws_anew(tmp_path: Path) -> None:
    """What is there already is not made again."""
    assert [lay_out(tmp_path, count=1), lay_out(tmp_path, count=1), lay_out(tmp_path, count=1, seed=1)] == [13, 0, 13]


def test_deleted_images_are_drawn_again(tmp_path: Path) -> None:
    """A single picture, or all of a class."""
    lay_out(tmp_path, count=2)
    before = pictures(tmp_path)
    (tmp_path / "images" / "Wendle" / "001.png").unlink()
    assert lay_out(tmp_path, count=2) == 26
    shutil.rmtree(tmp_path / "images" / "Grelm")
    assert lay_out(tmp_path, count=2) == 26
    assert pictures(tmp_path) == before


def test_a_file_that_nobody_edited_is_brought_up_to_date(tmp_path: Path, source: Path) -> None:
    """A newer treegen has another conversation: the layout follows, as often as it changes."""
    lay_out(tmp_path / "demo", count=1)
    for text in ("newer", "newest"):
        (source / "feedback.txt").write_text(text, encoding="utf-8")
        assert lay_out(tmp_path / "demo", count=1) == 0
        assert (tmp_path / "demo" / "feedback.txt").read_text(encoding="utf-8") == text


def test_a_file_that_was_edited_is_kept(tmp_path: Path, source: Path) -> None:
    """Also when the bundled one changes later, and the other files still follow."""
    lay_out(tmp_path / "demo", count=1)
    edited, followed = tmp_path / "demo" / "feedback.txt", tmp_path / "demo" / "conversation.jsonl"
    edited.write_text("mine", encoding="utf-8")
    for text in ("newer", "newest"):
        (source / "feedback.txt").write_text(text, encoding="utf-8")
        (source / "conversation.jsonl").write_text(text, encoding="utf-8")
        lay_out(tmp_path / "demo", count=1)
        assert edited.read_text(encoding="utf-8") == "mine"
        assert followed.read_text(encoding="utf-8") == text


def test_a_file_of_the_users_that_was_there_before_the_first_layout_is_kept(tmp_path: Path) -> None:
    """A folder may hold a domain of its own."""
    (tmp_path / "domain.toml").write_text("mine", encoding="utf-8")
    lay_out(tmp_path, count=1)
    assert (tmp_path / "domain.toml").read_text(encoding="utf-8") == "mine"


@pytest.mark.parametrize("raw", [b"# mine\nAbrosk\nUnicorn\n", b"Caf\xe9\n"])
def test_an_edited_class_list_makes_no_image_be_drawn_again(tmp_path: Path, raw: bytes) -> None:
    """The generator draws its own classes: a class more, a comment or another encoding is none of its business."""
    lay_out(tmp_path, count=1)
    (tmp_path / "classes.txt").write_bytes(raw)
    assert lay_out(tmp_path, count=1) == 0
    assert (tmp_path / "classes.txt").read_bytes() == raw


def test_a_generator_that_changed_draws_anew(tmp_path: Path, source: Path) -> None:
    """Pictures of an older generator are not those that the figures are about."""
    lay_out(tmp_path / "demo", count=1)
    with (source / "draw.py").open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    assert [lay_out(tmp_path / "demo", count=1), lay_out(tmp_path / "demo", count=1)] == [13, 0]


@pytest.mark.parametrize("text", ["", "[]", "{", "null"])
def test_a_damaged_record_of_the_layout_is_made_anew(tmp_path: Path, text: str) -> None:
    """The images are drawn again, and no file is lost or refused."""
    lay_out(tmp_path, count=1)
    (tmp_path / ".laid-out.json").write_text(text, encoding="utf-8")
    assert [lay_out(tmp_path, count=1), lay_out(tmp_path, count=1)] == [13, 0]


def test_a_file_named_images_is_told_by_its_name(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """The generator says what is in the way, the error how to see it again; the file stays."""
    (tmp_path / "images").write_text("mine", encoding="utf-8")
    with pytest.raises(TreegenError, match="the images could not be drawn") as caught:
        lay_out(tmp_path, count=1)
    told = capfd.readouterr().err
    assert str(tmp_path / "images") in told
    assert "Traceback" not in told
    assert str(tmp_path / "images") in caught.value.tip
    assert (tmp_path / "images").read_text(encoding="utf-8") == "mine"


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    """A file is in the way."""
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    for folder in (tmp_path / "file", tmp_path / "file" / "demo"):
        with pytest.raises(InputError, match=str(folder)) as caught:
            lay_out(folder, count=1)
        assert caught.value.tip == "name another folder"


def test_the_demo_in_a_folder_that_holds_a_file_named_images_is_exit_2(run: Run, tmp_path: Path) -> None:
    """No traceback of the generator's and none of treegen's."""
    (tmp_path / "images").write_text("mine", encoding="utf-8")
    done = run("demo", tmp_path)
    assert done.code == 2
    assert "the images could not be drawn" in done.err
    assert "Traceback" not in done.err


def test_ctrl_c_while_it_draws_is_exit_130_without_a_traceback(tmp_path: Path) -> None:
    """In a terminal of its own the signal reaches treegen and the generator, as from a keyboard."""
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "treegen", "demo", str(tmp_path / "demo")]
    heard = signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # a job in the background inherits that it is ignored
    process = subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, cwd=Path(__file__).parents[2]
    )
    signal.signal(signal.SIGINT, heard)
    os.close(theirs)
    shown, sent = b"", False
    try:
        while chunk := _read(ours):
            shown += chunk
            if b"drawing " in shown and not sent:
                os.killpg(process.pid, signal.SIGINT)
                sent = True
        assert process.wait(PATIENCE) == 130, shown.decode(errors="replace")
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    assert sent
    assert b"interrupted" in shown
    assert b"Traceback" not in shown
    assert not (tmp_path / "demo" / ".laid-out.json").exists()


def _read(terminal: int) -> bytes:
    """What the terminal shows next; nothing once the program has ended."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_an_interrupted_generator_is_an_interrupt_here_too(
    tmp_path: Path, source: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """By its exit code, or killed by the signal before it could catch it."""
    for end in ("raise SystemExit(130)", "os.kill(os.getpid(), signal.SIGINT)"):
        (source / "draw.py").write_text(
            f"import os, signal\nsignal.signal(signal.SIGINT, signal.SIG_DFL)\n{end}\n", encoding="utf-8"
        )
        with pytest.raises(KeyboardInterrupt):
            lay_out(tmp_path / "demo", count=1)
    assert capfd.readouterr().err == ""
