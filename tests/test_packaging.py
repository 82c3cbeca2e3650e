"""The wheel by itself: built, installed outside the checkout, and run from there."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def _run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(c) for c in command], cwd=cwd, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of this checkout."""
    out = tmp_path_factory.mktemp("wheel")
    script = "import sys; from hatchling.build import build_wheel; print(build_wheel(sys.argv[1]))"
    done = _run(sys.executable, "-c", script, out, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return out / done.stdout.split()[-1]


@pytest.fixture(scope="module")
def treegen(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`treegen` of a new environment that holds the wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder / "env", with_pip=False)
    python = folder / "env" / "bin" / "python"
    done = _run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--quiet", wheel, cwd=folder)
    assert done.returncode == 0, done.stderr
    where = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    packages = Path(where.stdout.strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "env" / "bin" / "treegen"


def test_the_wheel_holds_the_data_and_no_litter(wheel: Path) -> None:
    """Prompts, schemas and the whole sketchbook are in it; caches and tests are not."""
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "treegen/prompts/draft.jinja",
        "treegen/schemas/tree.schema.json",
        "treegen/examples/sketchbook/draw.py",
        "treegen/examples/sketchbook/clip/open_clip_model.safetensors",
        "treegen/examples/sketchbook/conversation.jsonl",
        "treegen/py.typed",
    ):
        assert needed in names
    assert not [n for n in names if "__pycache__" in n or n.startswith("tests/") or ".treegen" in n]


def test_the_installed_command_runs_from_its_own_files(treegen: Path, tmp_path: Path) -> None:
    """`--help` and `schema tree` work outside the checkout, and nothing of the checkout is used."""
    assert "Classification trees" in _run(treegen, "--help", cwd=tmp_path).stdout
    assert '"urn:treegen:tree:1"' in _run(treegen, "schema", "tree", cwd=tmp_path).stdout
    script = "import treegen.resources as r; print(r.__file__, r.sketchbook_dir())"
    shown = _run(treegen.with_name("python"), "-c", script, cwd=tmp_path).stdout
    assert str(ROOT) not in shown.replace(str(treegen.parent), "")


def test_the_installed_demo_shows_what_the_loop_is_worth(treegen: Path, tmp_path: Path) -> None:
    """The whole demo runs from the wheel and ends with the table."""
    done = _run(treegen, "demo", "out", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "What the loop was worth" in done.stdout
    assert (tmp_path / "out" / "tree.json").is_file()
