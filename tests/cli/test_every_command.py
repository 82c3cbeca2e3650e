"""Every command on a domain's folder, on each wrong kind of file, without a terminal, and with NO_COLOR."""

import gzip
import io
import os
import pty
import re
import shutil
import subprocess
import sysconfig
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click
import pytest

from tests.conftest import DOMAIN, ROOT, TREE, Run
from treegen.cli.main import COMMANDS, main, treegen
from treegen.history.store import Store
from treegen.vcs.versions import tree_of

#: command -> arguments, in which X is the tree, or the domain
ON_A_TREE: Final = {
    "check": ("X",),
    "score": ("X",),
    "review": ("X",),
    "revise": ("X", "-m", "smaller", "--model", "manual", "--answer", "reply.txt"),
    "show": ("X",),
    "diff": ("X", "X"),
    "merge": ("X", "X", "X"),
    "resolve": ("X",),
    "approve": ("X", "--by", "Ada <ada@example.org>"),
    "log": ("X",),
    "restore": ("X",),
    "classify": ("X", "picture.png"),
    "ask": ("X",),
    "optimize": ("X",),
    "report": ("X", "-o", "report.html"),
    "compare": ("X", "X"),
    "export": ("X", "--to", "csv"),
    "embed": ("pictures", "--tree", "X", "-o", "answers"),
}
ON_A_DOMAIN: Final = {
    "draft": ("X", "--model", "manual", "--answer", "reply.txt"),
    "doctor": ("X",),
}
WITHOUT_A_TREE: Final = {
    "demo": ("picture.png",),
    "start": ("new", "--images", "picture.png"),
    "init": ("new", "--classes", "picture.png"),
    "import": ("picture.png", "-o", "new.json"),
    "git-setup": (),
    "schema": ("tre",),
    "completion": ("csh",),
    "trust": ("picture.png",),
}
NAMES: Final = {
    "image": "picture.png",
    "domain file": "pond/domain.toml",
    "other JSON": "score.json",
    "list": "list.json",
    "text": "notes.json",
    "empty": "empty.json",
    "binary": "data.bin",
    "folder": "pictures",
    "domain without tree": "lake",
    "missing": "pond/tre.json",
    "revision": "pond/tree.json@99",
    "word": "pond/tree.json@aproved",
    "git revision": "HEAD~1:tree.json",
    "long name": "x" * 300,
    "long name's revision": "x" * 300 + "@1",
    "pipe": "pipe.json",
    "CSV": "images.csv",
    "semicolons": "export.json",
    "JSON Lines": "images.jsonl",
    "class list": "classes.txt",
    "Python": "tree.py",
    "article": "system.txt",
    "tar": "images.tar",
    "Parquet": "images.parquet",
    "safetensors": "tree.safetensors",
    "archive": "tree.json.gz",
    "broken link": "gone.json",
    "folder of pictures": "photos",
    "damaged tree": "damaged.json",
}
#: what a command that needs a tree says of each, with its exit code
TOLD: Final = {
    "image": (2, "picture.png: a PNG image, not a tree"),
    "domain file": (2, "pond/domain.toml: a domain file, not a tree"),
    "other JSON": (2, "score.json: JSON, but not a tree: it has neither"),
    "list": (2, "list.json: JSON, but not a tree: it is a list"),
    "text": (2, "notes.json: text, not a tree"),
    "empty": (1, "empty.json: the file is empty"),
    "binary": (2, "data.bin: contains a zero byte at offset 1: not a tree"),
    "folder": (2, "pictures: a folder without tree.json"),
    "domain without tree": (2, "lake: the domain has no tree.json yet"),
    "missing": (2, 'pond/tre.json: no such file; did you mean "tree.json"?'),
    "revision": (2, "pond/tree.json@99: no revision 99"),
    "word": (2, 'pond/tree.json@aproved: no revision aproved; did you mean "approved"?'),
    "git revision": (2, "HEAD~1:tree.json: no such file, and no git revision either: this is not a repository"),
    "long name": (2, "xxx: no such file"),
    "long name's revision": (2, "xxx: no such file, and no history of one"),
    "pipe": (2, "pipe.json: not a regular file"),
    "CSV": (2, "images.csv: a CSV table, not a tree\n  tables of images go below [images] in domain.toml"),
    "semicolons": (2, "export.json: a table, not a tree"),
    "JSON Lines": (2, "images.jsonl: JSON Lines, not a tree"),
    "class list": (
        2,
        "classes.txt: a text file, not a tree\n  `treegen init DIR --classes FILE` reads a list of classes",
    ),
    "Python": (2, "tree.py: a Python file, not a tree\n  `treegen import FILE`"),
    "article": (1, "system.txt: not read as a tree: TG101 /: not JSON at line 1"),
    "tar": (2, "images.tar: a tar archive, not a tree\n  tars of images go below [images]"),
    "Parquet": (2, "images.parquet: a Parquet file, not a tree\n  tables of images go below [images]"),
    "safetensors": (2, "tree.safetensors: a safetensors file, not a tree"),
    "archive": (2, "tree.json.gz: a gzip archive, not a tree"),
    "broken link": (2, "gone.json: a broken link, to nowhere.json"),
    "folder of pictures": (2, "photos: a folder of pictures, not a tree\n  `treegen init DIR --images photos`"),
    "damaged tree": (1, "damaged.json: not read as a tree: TG101 /: not JSON at line"),
}
NO_TERMINAL: Final = (2, "treegen review needs a terminal")
NO_HISTORY: Final = (2, "has no history")
NO_FILE: Final = (2, "no such file, and no history of one")
ON_THE_FILE: Final = (2, "this command works on the file, not on a revision")
#: where a command has something else to say
OTHERWISE: Final = {
    **{("review", kind): NO_TERMINAL for kind in ("empty", "damaged tree", "article")},
    **{("log", kind): NO_HISTORY for kind in ("empty", "damaged tree", "article")},
    **{("log", kind): NO_FILE for kind in ("missing", "long name", "long name's revision")},
    **{
        (name, kind): ON_THE_FILE
        for name in ("review", "revise", "resolve", "approve", "optimize")
        for kind in ("revision", "word", "long name's revision")
    },
    ("check", "domain file"): (0, "0 errors"),
    **{("check", kind): (1, "error TG101 /") for kind in ("empty", "damaged tree", "article")},
    ("check", "domain without tree"): (0, "has no tree.json, so only its domain was checked"),
}
DOMAIN_TOLD: Final = {
    "image": (2, "picture.png: a PNG image, not a domain file"),
    "other JSON": (2, "score.json: a .json file, not a domain file"),
    "empty": (2, "empty.json: a .json file, not a domain file"),
    "binary": (2, "data.bin: contains a zero byte at offset 1: not a domain file"),
    "folder": (2, "pictures/domain.toml: no such domain file"),
    "missing": (2, "pond/tre.json: no such domain file"),
    "revision": (2, "pond/tree.json@99: no such domain file"),
    "long name": (2, "xxx: no such domain file"),
    "pipe": (2, "pipe.json: a .json file, not a domain file"),
    "CSV": (2, "images.csv: a .csv file, not a domain file"),
    "class list": (2, "classes.txt: a .txt file, not a domain file"),
    "tar": (2, "images.tar: a tar archive, not a domain file"),
    "Parquet": (2, "images.parquet: a Parquet file, not a domain file"),
    "safetensors": (2, "tree.safetensors: a safetensors file, not a domain file"),
    "broken link": (2, "gone.json: a broken link, to nowhere.json"),
    "folder of pictures": (2, "photos/domain.toml: no such domain file"),
}
#: commands without a title, a severity or an error in the test of colours
COLOURLESS: Final = {
    "show",
    "diff",
    "merge",
    "resolve",
    "export",
    "revise",
    "git-setup",
    "demo",
    "restore",
    "ask",
    "completion",
}
#: commands that need pictures, a terminal, a person or a revision
NEEDS_MORE: Final = {"score", "classify", "ask", "optimize", "report", "compare", "embed", "review", "restore"}
#: tried with the installed program too, which takes longer
INSTALLED: Final = ("image", "CSV", "class list", "tar", "Parquet", "broken link", "folder", "revision", "damaged tree")
STYLED: Final = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a domain with a tree and a history, one domain without, and files of other kinds."""
    folder = tmp_path_factory.mktemp("template")
    for name in ("pond", "lake", "pictures"):
        (folder / name).mkdir()
    for name in ("pond", "lake"):
        (folder / name / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (folder / "pond" / "tree.json").write_text(TREE, encoding="utf-8")
    with Store(folder / "pond" / "tree.json") as store:
        store.add_revision(tree_of(TREE, ""), author="llm", note="draft", parent=None)
    (folder / "picture.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(20))
    (folder / "data.bin").write_bytes(b"\x01\x00\x02")
    for name, text in (("score", '{"accuracy": 1}'), ("list", "[1]"), ("notes", "Wren: brown"), ("empty", "")):
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    (folder / "gone.json").symlink_to("nowhere.json")
    (folder / "photos" / "Wren").mkdir(parents=True)
    (folder / "photos" / "Wren" / "1.jpg").write_bytes(b"\xff\xd8\xff")
    for name, text in {
        "images.csv": "path,label\na.png,Wren\n",
        "export.json": "path;label\na.png;Wren\n",
        "images.jsonl": '{"path": "a.png"}\n{"path": "b.png"}\n',
        "classes.txt": "Wren\nRobin\n",
        "tree.py": f"tree = {TREE}",
        "system.txt": f"system = {TREE}",
        "damaged.json": TREE[: len(TREE) // 2],
    }.items():
        (folder / name).write_text(text, encoding="utf-8")
    with tarfile.open(folder / "images.tar", "w") as tar:
        tar.add(folder / "picture.png", "a.png")
    (folder / "images.parquet").write_bytes(b"PAR1" + bytes(20) + b"PAR1")
    (folder / "tree.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    (folder / "tree.json.gz").write_bytes(gzip.compress(TREE.encode()))
    (folder / "reply.txt").write_text(TREE, encoding="utf-8")
    return folder


@pytest.fixture
def place(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder: a copy of the template, with a pipe."""
    shutil.copytree(template, tmp_path, symlinks=True, dirs_exist_ok=True)
    os.mkfifo(tmp_path / "pipe.json")
    monkeypatch.chdir(tmp_path)
    for name in ("TREEGEN_DEBUG", "TREEGEN_MODEL", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def arguments_of(name: str, x: str) -> list[str]:
    given = {**ON_A_TREE, **ON_A_DOMAIN, **WITHOUT_A_TREE}[name]
    return [name, *(x if word == "X" else word for word in given)]


def test_no_command_is_forgotten() -> None:
    assert {*ON_A_TREE, *ON_A_DOMAIN, *WITHOUT_A_TREE} == set(COMMANDS)


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("name", ON_A_TREE)
def test_what_is_not_a_tree_is_one_sentence_and_an_exit_code(run: Run, place: Path, name: str, kind: str) -> None:
    """The same for all commands, but for those that have a reason."""
    code, told = OTHERWISE.get((name, kind), TOLD[kind])
    done = run(*arguments_of(name, NAMES[kind]))
    assert (done.code, told in done.out + done.err) == (code, True), done
    assert "Traceback" not in done.err
    assert str(place) not in done.err
    if code and name != "check":
        assert done.out == ""
        assert len([line for line in done.err.splitlines() if not line.startswith("  ")]) == 1


@pytest.mark.slow
@pytest.mark.parametrize("kind", INSTALLED)
def test_the_installed_command_says_the_same_without_colours(place: Path, kind: str) -> None:
    """On a pipe, and with NO_COLOR."""
    command = [f"{sysconfig.get_path('scripts')}/treegen", "show", NAMES[kind]]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    code, told = TOLD[kind]
    assert (done.returncode, done.stdout, told in done.stderr) == (code, "", True), done.stderr
    assert "\x1b" not in done.stderr


@pytest.mark.parametrize("setting", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "TERM=dumb"])
@pytest.mark.parametrize("kind", NAMES)
def test_what_is_not_a_tree_is_said_without_colours(
    kind: str, setting: dict[str, str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable, value in {"TERM": "xterm-256color", "COLUMNS": "80", **setting}.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.argv", ["treegen", "show", NAMES[kind]])
    with terminal(monkeypatch) as arrived, pytest.raises(SystemExit) as done:
        main()
    monkeypatch.chdir(place)
    assert done.value.code == TOLD[kind][0]
    text = b"".join(arrived).decode()
    assert "".join(TOLD[kind][1].partition("\n")[0].split()) in "".join(text.split())  # wherever lines are wrapped
    assert "\x1b" not in text


@pytest.mark.parametrize("kind", DOMAIN_TOLD)
@pytest.mark.parametrize("name", ON_A_DOMAIN)
def test_what_is_not_a_domain_is_one_sentence_and_exit_code_2(run: Run, place: Path, name: str, kind: str) -> None:
    code, told = DOMAIN_TOLD[kind]
    done = run(*arguments_of(name, NAMES[kind]))
    assert (done.code, done.out) == (code, "")
    assert told in done.err
    assert len(done.err.splitlines()) == 2


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("demo", "picture.png: "),
        ("start", "picture.png: a PNG image, not a table"),
        ("init", "picture.png: a PNG image, not UTF-8 text"),
        ("import", "picture.png: a PNG image, not UTF-8 text"),
        ("git-setup", "not in a git repository"),
        ("schema", "no schema named 'tre'; did you mean \"tree\"?"),
        ("completion", "'csh' is not one of 'bash', 'zsh', 'fish'"),
        ("trust", "picture.png: a PNG image, not a domain file"),
    ],
)
def test_other_arguments_that_are_wrong_are_exit_code_2(run: Run, place: Path, name: str, told: str) -> None:
    done = run(*arguments_of(name, ""))
    assert (done.code, told in done.err) == (2, True), done


@pytest.mark.parametrize("name", [n for n in ON_A_TREE if n not in NEEDS_MORE])
def test_a_domain_folder_is_taken_for_its_tree(run: Run, place: Path, name: str) -> None:
    """Exit codes and results are those of the file; the two differ in nothing but the history that they write."""
    told = []
    for x in ("pond", "pond/tree.json"):
        done = run(*arguments_of(name, x))
        assert done.code == 0, done
        told.append(re.sub(r"\d+-\d+-\d+T[\d:]+Z|pond\S*|, reused.*? again", "", done.out))
    if name not in ("revise", "check"):  # the first run's history; the domain's own findings
        assert told[0] == told[1]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["score", "classify", "optimize", "report", "compare", "embed"])
def test_a_domain_folder_is_taken_for_its_tree_by_what_needs_images(run: Run, tree_file: Path, name: str) -> None:
    folder = tree_file.parent
    image = next((folder / "images").rglob("*.png"))
    more = {
        "score": ("--dev",),
        "classify": (image,),
        "optimize": ("--steps", "1"),
        "report": ("-o", folder / "report.html", "--dev"),
        "compare": (tree_file, "--dev"),
        "embed": (),
    }[name]
    arguments = (image.parent, "--tree", folder, "-o", folder / "out") if name == "embed" else (folder, *more)
    done = run(name, *arguments)
    assert done.code == 0, done.err


READS: Final = {
    "show": ("X",),
    "diff": ("X", "X"),
    "merge": ("X", "X", "X"),
    "check": ("X",),
    "log": ("X",),
    "export": ("X", "--to", "csv"),
    "score": ("X", "--dev"),
    "classify": ("X", "IMAGE"),
    "ask": ("X", "IMAGE"),
    "report": ("X", "--dev", "--format", "markdown"),
    "compare": ("X", "X", "--dev"),
    "embed": ("images/Wendle", "--tree", "X", "-o", "answers"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", READS)
def test_a_command_that_only_reads_a_tree_takes_its_revisions(
    run: Run, tree_file: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By file and by folder, while the file is no tree: it is the revision that is read."""
    monkeypatch.chdir(tree_file.parent)
    monkeypatch.setattr("sys.stdin", io.StringIO("q\n"))
    with Store(tree_file) as store:
        store.add_revision(tree_of(TREE, ""), author="llm", note="draft", parent=None)
    tree_file.write_text("{", encoding="utf-8")
    image = next(Path("images", "Wendle").iterdir())
    for x in ("tree.json@1", ".@latest"):
        tree_file.write_text("{", encoding="utf-8")
        done = run(name, *({"X": x, "IMAGE": image}.get(word, word) for word in READS[name]))
        assert (done.code, "error" in done.err) == (0, False), done.err


def test_every_command_that_takes_a_tree_takes_revisions_unless_it_writes_the_tree() -> None:
    assert {*ON_A_TREE} - {*READS} == {"review", "revise", "resolve", "approve", "optimize", "restore"}


@contextmanager
def terminal(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """Make stdout and stderr a terminal of 80 columns; yield what arrives there."""
    ours, theirs = pty.openpty()
    arrived: list[bytes] = []

    def read() -> None:
        while True:
            try:
                data = os.read(ours, 65536)
            except OSError:  # Linux says so when the other end is closed
                return
            if not data:
                return
            arrived.append(data)

    reader = threading.Thread(target=read)
    reader.start()
    stream = os.fdopen(theirs, "w", encoding="utf-8", buffering=1)
    try:
        for name in ("stdout", "stderr"):
            monkeypatch.setattr(f"sys.{name}", stream)
        yield arrived
    finally:
        monkeypatch.undo()
        stream.close()
        reader.join()
        os.close(ours)


@pytest.mark.parametrize("setting", [{}, {"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["plain", "NO_COLOR", "TERM=dumb"])
@pytest.mark.parametrize("name", COMMANDS)
def test_colours_are_for_terminals_that_want_them(
    name: str, setting: dict[str, str], place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """None with NO_COLOR, no escape sequence at all on a dumb one, in results as in errors; and lines are wrapped."""
    words = arguments_of(name, "pond")
    if name in ("git-setup", "demo", "restore", "ask"):
        words = [name, "--nonsense"]
    for variable, value in {"TERM": "xterm-256color", "COLUMNS": "80", **setting}.items():
        monkeypatch.setenv(variable, value)
    if not setting:
        monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.argv", ["treegen", *words])
    monkeypatch.chdir(place)
    with terminal(monkeypatch) as arrived, pytest.raises(SystemExit):
        main()
    text = b"".join(arrived).decode()
    assert text
    assert bool(STYLED.search(text)) == (name not in COLOURLESS and not setting)
    assert "TERM" not in setting or "\x1b" not in text
    if name in ("check", "log", "approve", "revise", "doctor"):
        long = [line for line in click.unstyle(text).splitlines() if len(line) > 80 and " " in line.strip()]
        assert not long


def test_one_option_has_one_spelling_and_one_meaning() -> None:
    """What two commands share is called alike, and takes the same kind of value; old names still work, unlisted."""
    # a file or a folder; pictures to read, or how many to show; a revision of git, or any tree
    apart = {"--out", "--images", "--report", "--against"}
    meanings: dict[str, set[tuple[str | None, bool]]] = {}
    for name in COMMANDS:
        command = treegen.get_command(click.Context(treegen), name)
        assert command is not None
        for option in command.params:
            if isinstance(option, click.Option) and not option.hidden:
                for spelling in option.opts:
                    meanings.setdefault(spelling, set()).add((option.metavar, option.is_flag))
    assert {spelling for spelling, kinds in meanings.items() if len(kinds) > 1} <= {*apart, "-o"}
    assert "--output" not in click.Context(treegen).command.get_help(click.Context(treegen))
