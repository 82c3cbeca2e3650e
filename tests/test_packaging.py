"""The wheel by itself: built, installed outside the checkout, and run from there, with and without the extras."""

import subprocess
import sys
import sysconfig
import venv
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pytest

from tests.conftest import DOMAIN, TREE, Git
from treegen.cli.main import COMMANDS
from treegen.extras import EXTRAS

pytestmark = pytest.mark.package

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


def _environment(folder: Path) -> Path:
    """Make an environment without pip in a folder; return its Python."""
    venv.create(folder / "env", with_pip=False)
    return folder / "env" / "bin" / "python"


def _install(python: Path, *what: object) -> None:
    """Install with this environment's pip, from the lock."""
    options = ("--python", python, "install", "--quiet", "--disable-pip-version-check", "--constraint")
    done = _run(sys.executable, "-m", "pip", *options, ROOT / "constraints.txt", *what, cwd=python.parent)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def treegen(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`treegen` of a new environment that holds the wheel; its dependencies are those of this environment."""
    folder = tmp_path_factory.mktemp("fresh")
    python = _environment(folder)
    _install(python, "--no-deps", wheel)
    where = _run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder)
    packages = Path(where.stdout.strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", encoding="utf-8")
    return folder / "env" / "bin" / "treegen"


def test_the_wheel_holds_the_data_and_no_litter(wheel: Path) -> None:
    """Prompts, schemas and the whole sketchbook are in it; caches, tests and the other examples are not."""
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
    assert not [n for n in names if n.startswith("treegen/examples/") and "/sketchbook/" not in n]
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
    assert "What the loop achieved" in done.stdout
    assert (tmp_path / "out" / "tree.json").is_file()


# --- the base alone

_MOST: Final = 42e6  # bytes of an environment with the base
_LLM: Final = ("--model", "openai/gpt-4o-mini")

#: The commands that work without any extra: a call that shows it, its exit code, and a word of its output.
BASE: Final = {
    "init": (("init", "new", "--classes", "classes.txt", "--images", "."), 0, "new/domain.toml"),
    "check": (("check", "tree.json"), 0, "tree.json: 0 errors"),
    "show": (("show", "tree.json"), 0, "class Abrosk"),
    "diff": (("diff", "HEAD:tree.json", "tree.json"), 0, '"tiny" became "small"'),
    "merge": (("merge", "base.json", "tree.json", "base.json"), 0, "small"),
    "resolve": (("resolve", "tree.json"), 0, "tree.json: 0 conflicts"),
    "git-setup": (("git-setup", "--pre-commit"), 0, ".gitattributes"),
    "approve": (("approve", "tree.json"), 0, "approved by Ada"),
    "log": (("log", "tree.json"), 0, "human"),
    "import": (("import", "article.py", "-o", "other/tree.json"), 0, ""),
    "export": (("export", "tree.json", "--to", "csv"), 0, "Abrosk"),
    "trust": (("trust", "."), 0, "asks for nothing"),
    "doctor": (("doctor", "."), 1, "pip install 'treegen-clip[clip]'"),
    "restore": (("restore", "tree.json@1"), 2, "no history"),
    "completion": (("completion", "bash"), 0, "_TREEGEN_COMPLETE"),
    "schema": (("schema", "tree"), 0, '"urn:treegen:tree:1"'),
}
#: What needs an extra, as it is called without one, and the extra that it names.
NEED_AN_EXTRA: Final = {
    "demo": (("demo", "out"), "clip"),
    "start": (("start", "--images", "."), "clip"),
    "draft": (("draft", ".", "--force", *_LLM), "llm"),
    "score": (("score", "tree.json", "--domain", "pictured"), "clip"),
    "review": (("review", "tree.json"), "review"),
    "revise": (("revise", "tree.json", "-m", "fewer groups", *_LLM), "llm"),
    "classify": (("classify", "tree.json", "a.png"), "clip"),
    "ask": (("ask", "tree.json"), "clip"),
    "optimize": (("optimize", "tree.json", "--domain", "pictured"), "clip"),
    "report": (("report", "tree.json", "-o", "report.html", "--domain", "pictured"), "clip"),
    "compare": (("compare", "tree.json", "base.json", "--domain", "pictured/domain.toml"), "clip"),
    "embed": (("embed", "."), "clip"),
    "embed -o": (("embed", ".", "-o", "out"), "embed"),
    "embed --engine ray": (("embed", ".", "--engine", "ray"), "ray"),
    "check --encoder": (("check", "tree.json", "--encoder", "bundled"), "clip"),
    "export --to safetensors": (("export", "tree.json", "--to", "safetensors", "-o", "tree.safetensors"), "clip"),
}


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`treegen` of an environment that holds the wheel and what the base needs, from the index."""
    python = _environment(tmp_path_factory.mktemp("base"))
    _install(python, wheel)
    return python.with_name("treegen")


@pytest.fixture
def pond(git: Git) -> Git:
    """A repository with a tree and its domain, one option of it changed since the commit."""
    git.write("domain.toml", DOMAIN)
    git.write("pictured/domain.toml", DOMAIN + '[images]\nfolder = "."\n')
    git.write("classes.txt", "Newt\nSwan\n")
    git.write("article.py", _ARTICLE)
    git.write("base.json", TREE)
    git.write("other/notes.txt", "a folder without a domain")
    git.write("tree.json", TREE)
    git.commit("a tree")
    git.write("tree.json", TREE.replace('"tiny"', '"small"'))
    git.environment.pop("PYTHONPATH")
    return git


_ARTICLE: Final = """pond_system = {
    "classification_groups": {"legs": {"prompt": "It has {} legs.", "options": ["no", "two", "four"]}},
    "pond_rules": {"Newt": {"legs": 2}, "Swan": {"legs": 1}},  # made by hand
}
"""


def test_every_command_is_here() -> None:
    assert set(BASE) | {name.partition(" ")[0] for name in NEED_AN_EXTRA} == set(COMMANDS)


def test_an_environment_with_the_base_is_small(base: Path, record_property: Callable[[str, object], None]) -> None:
    """Tens of megabytes, with the demo's model, and no package of any extra."""
    folder = base.parent.parent
    size = sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    script = "import sys; from importlib.util import find_spec; print([m for m in sys.argv[1:] if find_spec(m)])"
    modules = sorted({module for extra in EXTRAS.values() for module in extra.modules})
    assert _run(base.with_name("python"), "-I", "-c", script, *modules, cwd=folder).stdout == "[]\n"
    record_property("figure", f"the environment with the base alone: {size / 1e6:.1f} MB")
    assert size < _MOST


@pytest.mark.parametrize("name", BASE)
def test_a_command_of_the_base_works_without_any_extra(base: Path, pond: Git, name: str) -> None:
    arguments, code, word = BASE[name]
    if name == "log":
        assert pond.run("approve", "tree.json", program=str(base)).returncode == 0
    done = pond.run(*arguments, program=str(base))
    assert done.returncode == code, done.stderr
    assert word in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    if name == "import":
        assert pond.run("check", "other/tree.json", program=str(base)).returncode == 0


@pytest.mark.parametrize("name", NEED_AN_EXTRA)
def test_a_command_without_its_extra_says_what_installs_it(base: Path, pond: Git, name: str) -> None:
    """One sentence and the command, exit code 2, and nothing is left behind."""
    arguments, extra = NEED_AN_EXTRA[name]
    before = pond("status", "--porcelain")
    done = pond.run(*arguments, program=str(base))
    message, tip = done.stderr.splitlines()[-2:]
    assert (done.returncode, done.stdout) == (2, "")
    assert message.startswith(f"error: {EXTRAS[extra].purpose} needs ")
    assert message.endswith("not installed")
    assert tip.strip().startswith(EXTRAS[extra].command)
    assert pond("status", "--porcelain") == before
