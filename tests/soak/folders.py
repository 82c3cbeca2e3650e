"""Folders of unknown_labels: nothing of theirs runs, no secret leaves, nothing outside is read, and nothing hangs."""

import json
import os
import pickle
import resource
import select
import socket
import sqlite3
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any, Final

from tests.conftest import TREE
from tests.soak.damage import READING, open_review
from tests.soak.kills import COMMANDS
from tests.soak.places import copied
from tests.soak.running import Outcome, forked

_KEY: Final = "sk-planted-0123456789abcdef"
_SECRET: Final = "nobody-may-read-this"
_MEMORY: Final = 6 * 2**30  # bytes of addresses beyond those that the process begins with
_READ_AT_MOST: Final = 2**24
_MORE: Final[dict[str, Callable[[Path], Sequence[str]]]] = {
    "doctor": lambda f: ("doctor", str(f)),
    "draft": lambda f: ("draft", str(f), "--force", "--no-score", "--max-calls", "3"),
    "revise": lambda f: ("revise", str(f / "tree.json"), "-m", "thinner", "--max-calls", "3"),
    "trust": lambda f: ("trust", str(f), "--list"),
    "export": lambda f: ("export", str(f / "tree.json"), "--to", "csv", "-o", str(f / "out.csv")),
    "fix": lambda f: ("check", str(f / "tree.json"), "--fix"),
    "approve": COMMANDS["approve"],
    "restore": COMMANDS["restore"],
}
_ESCAPES: Final = (
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ cycler.__init__.__globals__.os.system('touch CANARY') }}",
    "{{ self._TemplateReference__context.eval_ctx.environment }}",
    "{% for a in range(10**9) %}{% for b in range(10**9) %}x{% endfor %}{% endfor %}",
    "{{ 'x' * 10**9 }}",
    "{% include '../../etc/passwd' %}{% include 'OUTSIDE' %}",
    "{{ lipsum.__globals__['os'].popen('touch CANARY').read() }}",
    "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "{{ domain.__init__.__globals__ }}",
)


@dataclass(frozen=True, slots=True)
class Stranger:
    """What a stranger has to work with.

    Attributes:
        folder: the one that is shared.
        outside: a folder beside it, with a secret.
        address: where somebody listens.
        canary: a file that is made if their code runs.
    """

    folder: Path
    outside: Path
    address: str
    canary: Path


class _Pickled:
    """Makes the canary when it is unpickled."""

    def __init__(self, canary: Path) -> None:
        self._canary = canary

    def __reduce__(self) -> Any:
        return os.system, (f"touch {self._canary}",)


def _replaced(path: Path) -> Path:
    if path.is_symlink() or (path.exists() and not path.is_dir()):  # to write to a pipe would wait for a reader
        path.unlink()
    return path


def _strange_file(random: Random, stranger: Stranger, path: Path) -> None:
    """Put something that is no regular file, or no reasonable one, where a file is read."""
    secret = stranger.outside / "secret.txt"
    path.parent.mkdir(exist_ok=True, parents=True)
    _replaced(path)
    match random.randrange(11):
        case 0:
            path.symlink_to("/dev/zero")
        case 1:
            os.mkfifo(path)
        case 2:
            path.symlink_to(path.name)
        case 3:
            path.symlink_to(secret)
        case 4:
            path.mkdir(exist_ok=True)
        case 5:
            with path.open("wb") as file:
                file.truncate(2**36)
        case 6:
            path.write_text("[" * 100_000 if random.random() < 0.5 else '{"a":' * 50_000, encoding="utf-8")
        case 7:
            path.write_bytes(pickle.dumps(_Pickled(stranger.canary)))
        case 8:
            path.write_text("a" + ".a" * 40_000 + " = 1\n", encoding="utf-8")
        case 9:
            path.symlink_to("/proc/self/environ")
        case _:
            path.write_bytes(random.randbytes(random.choice((1, 100, 10_000))))


def _tree_file(random: Random, stranger: Stranger) -> None:
    _strange_file(random, stranger, stranger.folder / "tree.json")


def _tree(random: Random, stranger: Stranger) -> None:
    """A tree with names, counts and values that nobody would write."""
    document = json.loads(TREE)
    strange = random.choice(("\x1b]0;x\x07", "\u202e", "x" * 10**6, "{}" * 1000, "\ud800", "../..", "\x00", "{{7*7}}"))
    match random.randrange(5):
        case 0:
            document["rules"][strange] = document["rules"].pop("Grelm")
        case 1:
            document["classification_groups"][strange] = document["classification_groups"].pop("size")
        case 2:
            document["classification_groups"]["size"]["options"] = [strange + str(n) for n in range(30)]
        case 3:
            document["rules"]["Grelm"]["size"] = random.choice((10**400, -1, 1e308, True, "1", [], {}))
        case _:
            document["classification_groups"]["size"]["prompt"] = strange + " {}"
    _replaced(stranger.folder / "tree.json").write_text(json.dumps(document), encoding="utf-8")


def _domain_file(random: Random, stranger: Stranger) -> None:
    _strange_file(random, stranger, stranger.folder / "domain.toml")


def _domain(random: Random, stranger: Stranger) -> None:
    """A domain that asks for what it may not have."""
    path = stranger.folder / "domain.toml"
    if not path.is_file() or path.stat().st_size > 10**6:  # another trick stands in the way
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    changes = {
        'model = "replay/conversation.jsonl"': (
            f'model = "openai/gpt-4o-mini"\napi_base = "{stranger.address}"\nretries = 0',
            f'model = "anthropic/claude"\napi_base = "http://ada:{_KEY}@{stranger.address[7:]}"\nretries = 0',
            f'model = "openai/m@{stranger.address}"\nretries = 0',
        ),
        'name = "bundled"': (
            'name = "hf:model"\ntrust_remote_code = true',
            'name = "local-dir:model"',
            f'name = "openai/clip"\napi_base = "{stranger.address}"',
        ),
        'classes_file = "classes.txt"': (
            f'classes_file = "{stranger.outside}/secret.txt"',
            'classes_file = "../outside/secret.txt"',
            'classes_file = "/dev/zero"',
        ),
        'folder = "images"': (
            f'folder = "{stranger.outside}"',
            'manifest = "list.csv"',
            'shards = "{000000..999999999}.tar"',
            'folder = "/proc"',
        ),
    }
    before = random.choice([*changes])
    path.write_text(text.replace(before, random.choice(changes[before])), encoding="utf-8")
    (stranger.folder / "list.csv").write_text(f"path,label\n{stranger.outside}/secret.txt,Grelm\n", encoding="utf-8")
    model = stranger.folder / "model"
    model.mkdir(exist_ok=True)
    code = f"import os\nos.system('touch {stranger.canary}')\n"
    for name in ("modeling.py", "configuration.py", "conftest.py", "sitecustomize.py"):
        (model / name).write_text(code, encoding="utf-8")
    mapped = {"AutoModel": "modeling.M", "AutoConfig": "configuration.C"}
    settings = {"model_type": "strange", "auto_map": mapped, "architectures": ["M"]}
    (model / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    for name in ("pytorch_model.bin", "open_clip_pytorch_model.bin", "open_clip_model.safetensors"):
        (model / name).write_bytes(pickle.dumps(_Pickled(stranger.canary)))


def _prompts(random: Random, stranger: Stranger) -> None:
    prompts = stranger.folder / "prompts"
    prompts.mkdir(exist_ok=True)
    for name in ("draft.jinja", "revise.jinja", "system.jinja", "repair.jinja"):
        if random.random() < 0.2:
            _strange_file(random, stranger, prompts / name)
            continue
        text = random.choice(_ESCAPES).replace("CANARY", str(stranger.canary))
        (prompts / name).write_text(text.replace("OUTSIDE", f"{stranger.outside}/secret.txt"), encoding="utf-8")


def _history(random: Random, stranger: Stranger) -> None:
    """A history, or the cache, in another place or with tables of one's own."""
    folder = stranger.folder / ".treegen"
    match random.randrange(5):
        case 0:
            folder.rename(stranger.outside / "history")
            folder.symlink_to(stranger.outside / "history")
        case 1:
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()
            folder.write_text("a file", encoding="utf-8")
        case 2:
            _strange_file(
                random, stranger, folder / random.choice(("store.sqlite", "embeddings.sqlite", "treegen.log"))
            )
        case 3:
            _strange_file(random, stranger, folder / random.choice(("near-duplicates.json", ".gitignore")))
        case _:
            with closing(sqlite3.connect(folder / "store.sqlite")) as db, db:
                for statement in random.sample(_STATEMENTS, 2):
                    with suppress(sqlite3.OperationalError):
                        db.execute(statement.replace("CANARY", str(stranger.canary)))


_STATEMENTS: Final = (
    "CREATE TRIGGER evil AFTER INSERT ON revision BEGIN DELETE FROM score; END",
    "CREATE TRIGGER file AFTER INSERT ON call BEGIN SELECT writefile('CANARY', 'x'); END",
    "ALTER TABLE revision RENAME TO other",
    "DROP TABLE score",
    "CREATE VIEW evil AS SELECT load_extension('CANARY')",
    "UPDATE revision SET tree = zeroblob(100000000)",
    "UPDATE revision SET note = '\x1b]0;title\x07' || char(0), sum = NULL",
    "PRAGMA user_version=-5",
    "UPDATE score SET score = '[1]', sum = NULL",
    "UPDATE score SET score = '{\"dev\": 3}', sum = NULL",
    "UPDATE revision SET parent = id, sum = NULL",
    "UPDATE step SET changes = '[{}]', sum = NULL",
    "UPDATE session SET base = '{}', sum = NULL",
    "UPDATE session SET locks = '7', position = -3, sum = NULL",
    "UPDATE call SET messages = '7', sum = NULL",
)


def _images(random: Random, stranger: Stranger) -> None:
    images = stranger.folder / "images" / "Grelm"
    for number in range(random.randint(1, 3)):
        _strange_file(random, stranger, images / f"strange{number}.png")


_TRICKS: Final[dict[str, Callable[[Random, Stranger], None]]] = {
    "tree file": _tree_file,
    "tree": _tree,
    "domain file": _domain_file,
    "domain": _domain,
    "prompts": _prompts,
    "history": _history,
    "images": _images,
}


def play(seed: int, parent: Path | None = None) -> Outcome:
    """Make a folder hostile in one or two ways, and run commands on it."""
    random = Random(f"folder {seed}")
    names = random.sample([*_TRICKS], random.choice((1, 1, 2)))
    outcome = Outcome(kind=names[0])
    with copied(parent) as folder, _listening() as (server, address), TemporaryDirectory() as other:
        outside = folder.with_name(f"{folder.name}-outside") if parent else Path(other, "outside")
        outside.mkdir()
        (outside / "secret.txt").write_text(f"{_SECRET}\n", encoding="utf-8")
        stranger = Stranger(folder, outside, address, Path(other, "canary"))
        for name in names:
            with suppress(OSError):  # another trick stands in the way
                _TRICKS[name](random, stranger)
        for name in random.sample([*READING, *_MORE], 3):
            review = partial(open_review, folder / "tree.json") if name == "review" else None
            arguments = {**READING, **_MORE}[name](folder)
            done = forked(arguments, before=partial(_surround, Path(other, "state")), run=review)
            outcome.hit |= done.code != 0
            outcome.faults += done.faults
            told = done.out + done.err
            outcome.faults += [f"{name} shows {word}" for word in (_KEY, _SECRET) if word in told]
        if stranger.canary.exists():
            outcome.faults.append("the stranger's code ran")
        if select.select([server], [], [], 0)[0]:
            outcome.faults.append("a request was sent to the stranger's address")
        outcome.faults += [f"{path} holds a secret" for path in _with_secrets(folder)]
    return outcome


def _surround(state: Path) -> None:
    """Set the environment of a command: a key, nothing that is trusted, and an end to its memory."""
    os.environ.update(OPENAI_API_KEY=_KEY, ANTHROPIC_API_KEY=_KEY, XDG_STATE_HOME=str(state), LITELLM_LOG="ERROR")
    limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + _MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


@contextmanager
def _listening() -> Iterator[tuple[socket.socket, str]]:
    """Listen without answering: whoever connects is noticed."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server, f"http://127.0.0.1:{server.getsockname()[1]}/v1"


def _with_secrets(folder: Path) -> Iterator[Path]:
    """Files that hold a key or the secret, and did not get it from the stranger."""
    for path in folder.rglob("*"):
        with suppress(OSError):
            status = path.lstat()
            if path.name != "domain.toml" and stat.S_ISREG(status.st_mode) and status.st_size < _READ_AT_MOST:
                content = path.read_bytes()
                if _KEY.encode() in content or _SECRET.encode() in content:
                    yield path
