"""Run commands on fuzzed inputs, in this process or as the installed program, and say what they did wrong."""

import faulthandler
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fuzz.domains import domains
from tests.fuzz.folders import pictures
from tests.fuzz.inputs import Input, Maker
from tests.fuzz.tables import tables
from tests.fuzz.tars import tars
from tests.fuzz.trees import trees
from treegen.cli.main import main
from treegen.clip import encoders
from treegen.clip.encoders import Encoder
from treegen.config.settings import EncoderSettings

MAKERS: Final[dict[str, Maker]] = {
    "tables": tables,
    "tars": tars,
    "pictures": pictures,
    "domains": domains,
    "trees": trees,
}
_OPEN: Final = encoders.open_encoder
_HANGS: Final = 1800  # seconds
_STDERR: Final = os.dup(2)  # which stays where it is while a command's own is caught
_EXIT_CODES: Final = (0, 1, 2, 3)
_SENTENCE: Final = re.compile(
    r"(?:^|[ ;])(read|checked) (\d+) of (\d+) picture files?(?: below .*?)?(?:; left out: (.*))?$", re.M
)
_COUNTED: Final = re.compile(r"(?:^|, )(\d+) (?=[a-z.(])")
#: what a message has only if nobody wrote it
_RAW: Final = re.compile(
    r"Traceback|bug in treegen| at 0x[0-9a-f]{6}|\[Errno|NoneType|codec can't|object has no attribute|unpack requires"
    r"|not enough values|list index|Error\(|Error:|<class "
)
_CONTROL: Final = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u202e]")


@dataclass(frozen=True, slots=True)
class Done:
    """What a command printed and how it ended."""

    arguments: tuple[str, ...]
    code: int
    out: str
    err: str


Run = Callable[[Sequence[str]], Done]


@contextmanager
def _written_to(descriptor: int, file: Any) -> Iterator[None]:
    """Send what is written to a descriptor, also by C libraries, to a file."""
    before = os.dup(descriptor)
    os.dup2(file.fileno(), descriptor)
    try:
        yield
    finally:
        os.dup2(before, descriptor)
        os.close(before)


def in_process(arguments: Sequence[str]) -> Done:
    """Run `treegen ARGUMENTS` through the entry point and its error boundary."""
    streams, argv = (sys.stdout, sys.stderr), sys.argv
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        with _written_to(1, out), _written_to(2, err):
            sys.argv = ["treegen", *arguments]
            sys.stdout, sys.stderr = (io.TextIOWrapper(io.FileIO(n, "w", closefd=False), "utf-8") for n in (1, 2))
            try:
                main()
            except SystemExit as done:
                code = done.code if isinstance(done.code, int) else 1
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                (sys.stdout, sys.stderr), sys.argv = streams, argv
        texts = [_text(file) for file in (out, err)]
    return Done(tuple(arguments), code, *texts)


def _text(file: Any) -> str:
    file.seek(0)
    return bytes(file.read()).decode(errors="replace")


def installed(arguments: Sequence[str]) -> Done:
    """Run the installed program in a process of its own."""
    command = [sys.executable, "-m", "treegen", *arguments]
    done = subprocess.run(command, capture_output=True, check=False, stdin=subprocess.DEVNULL)
    return Done(tuple(arguments), done.returncode, done.stdout.decode(), done.stderr.decode(errors="replace"))


def faults_of(done: Done) -> Iterator[str]:
    """What no command may do on any input: an undocumented exit code, a traceback, several errors or none."""
    if done.code not in _EXIT_CODES:
        yield f"exit code {done.code}"
    for name, text in (("stdout", done.out), ("stderr", done.err)):
        if raw := _RAW.search(text):
            yield f"{name} has {raw[0]!r}"
        data = {"--json", "json", "csv"} & {*done.arguments}  # whose lines of a table end as RFC 4180 says
        document = name == "stdout" and done.arguments[0] == "merge"  # the merged tree, as it is written to a file
        if not data and not document and (sign := _CONTROL.search(text)):
            yield f"{name} has the control character {sign[0]!r}"
    errors = len(re.findall(r"^error: ", done.err, re.MULTILINE)) + done.err.count("\nError: ")
    if done.code in (2, 3) and (errors == 0 or (errors > 1 and done.arguments[0] != "classify")):
        yield f"{errors} error sentences"
    if done.code == 0 and errors:
        yield "an error and exit code 0"
    if any(len(line) > 3000 for line in done.err.splitlines()):
        yield f"a line of {max(map(len, done.err.splitlines()))} characters"
    notes = [line for line in done.err.splitlines() if line.startswith("note: ")]
    if len(notes) != len(set(notes)):
        yield "a note twice"
    for found in _SENTENCE.finditer(done.out + done.err):
        left_out = sum(map(int, _COUNTED.findall(found[4] or "")))
        if "\\" not in found[0] and '"' not in found[0] and int(found[2]) + left_out != int(found[3]):
            yield f"the parts do not add up: {found[0]}"


def faults_of_files(files: "dict[str, Any]", given: Input, named: Sequence[str] | None) -> Iterator[str]:
    """What is wrong with the counts of picture files in a JSON document; `named` are those that were read, if known."""
    listed = [name for each in files["left_out"] for name in each["paths"]]
    if files["found"] != files["read"] + sum(each["count"] for each in files["left_out"]):
        yield f"read {files['read']} and left out {listed} are not {files['found']}"
    if len(listed) != len(set(listed)):
        yield f"left out twice: {sorted(n for n in set(listed) if listed.count(n) > 1)}"
    if given.count is not None and files["found"] != given.count:
        yield f"{files['found']} found, {given.count} exist"
    if given.found is not None:
        names = {ascii(name): name for name in given.found}
        if strange := {name for name in listed if ascii(name) not in names}:
            yield f"no picture files: {strange}"
    broken = {n for each in files["left_out"] if each["reason"] == "that cannot be read" for n in each["paths"]}
    if wrong := broken & given.readable:
        yield f"called damaged: {wrong}"
    if named is not None:
        if given.found is not None and {*named, *listed} != given.found:
            yield f"neither read nor left out, or no picture: {given.found ^ {*named, *listed}}"
        if both := {*named} & {*listed}:
            yield f"read and left out: {both}"
        if wrong := {*named} & given.unreadable:
            yield f"read although it is no picture: {wrong}"


def _embedded(folder: Path) -> list[str]:
    from pyarrow import parquet

    return [str(path) for file in folder.glob("*.parquet") for path in parquet.read_table(file)["path"].to_pylist()]


def examine(given: Input, random: Random, run: Run) -> Iterator[str]:
    """Run commands on an input and yield what is wrong, each with the command."""
    folder, program = str(given.folder), run
    found: list[tuple[str, int]] = []

    def fault(done: Done, told: str) -> str:
        return f"treegen {' '.join(map(ascii, done.arguments))}: {told}\n{done.err[-600:]}"

    def checked(*arguments: str) -> tuple[Done, list[str], Any]:
        done = program([each.replace("DIR", folder) for each in arguments])
        told = list(faults_of(done))
        document = None
        if done.out and ("--json" in arguments or "json" in arguments):
            with suppress(ValueError):
                document = json.loads(done.out)
            if document is None:
                told.append("stdout is not JSON")
        return done, told, document

    for arguments in _commands(given, random):
        done, told, document = checked(*arguments)
        if arguments[0] == "init" and done.code == 0:
            again, _, _ = checked("check", arguments[1])
            if again.code not in (0, 1):
                told.append(f"init wrote what check cannot read: {again.err}")
        if arguments == ("check", "DIR", "--format", "json") and document:
            told += _told_by_check(done, document[0], given)
            if files := document[0].get("images"):
                told += faults_of_files(files, given, None)
                found.append(("check", files["found"]))
        elif document and arguments[0] == "score":
            told += faults_of_files(document["images"]["files"], given, None)
            found.append(("score", document["images"]["files"]["found"]))
        elif document and arguments[0] == "embed":
            own = arguments[1] == "DIR" or (given.kind == "pictures" and arguments[1] == str(given.source))
            names = _embedded(given.folder / "out") if "-o" in arguments and given.kind != "tars" else None
            if "-o" in arguments:
                second = checked(*arguments)[2] or {}
                if (second.get("embedded"), second.get("files")) != (0, document["files"]):
                    told.append(f"a second run embeds {second.get('embedded')} and finds {second.get('files')}")
            unlike = Input(kind=given.kind, folder=given.folder)
            told += faults_of_files(document["files"], given if own else unlike, names)
            if own:
                found.append(("embed", document["files"]["found"]))
        yield from (fault(done, each) for each in told)
    if len({count for _, count in found}) > 1:
        yield f"the commands differ in what they found: {found}"


def _told_by_check(done: Done, document: "dict[str, Any]", given: Input) -> Iterator[str]:
    """Where no image can be used, the message counts the files too."""
    if done.code == 1 and not document["errors"] and len(json.loads(done.out)) == 1:
        yield "exit code 1 without an error"
    if given.sound and done.code == 1 and any(p["code"] not in ("TG402", "TG410") for p in document["problems"]):
        yield f"a sound domain has problems: {document['problems']}"
    for problem in document["problems"]:
        told = _SENTENCE.search(problem["message"])
        if problem["code"] == "TG410" and given.count is not None and "no image of any" in problem["message"]:
            count = int(told[3]) if told else 0
            if count != given.count:
                yield f"{count} of {given.count} are counted in {problem['message']}"


def _commands(given: Input, random: Random) -> list[tuple[str, ...]]:
    """The commands for an input: always the quick check, and some of those that decode and embed."""
    if given.kind == "domains":
        return [("check", "DIR", "--format", "json"), *given.commands] if not given.sound and given.commands else []
    if given.kind == "trees":
        return [("check", "DIR/tree.json", "--format", "json"), *given.commands]
    source = str(given.source)
    more: list[tuple[str, ...]] = [
        ("check", "DIR"),
        ("doctor", "DIR"),
        ("init", "DIR/new", "--images", source),
        ("embed", source, "-o", "DIR/out", "--json"),
        ("embed", source, "--domain", "DIR", "-o", "DIR/out", "--json"),
        ("embed", "DIR", "-o", "DIR/out", "--json"),
        ("embed", "DIR"),
        ("score", "DIR/tree.json", "--json"),
        ("score", "DIR/tree.json"),
        *given.commands,
    ]
    chosen = random.sample(more, 2)
    if sum("DIR/out" in each for each in chosen) > 1:  # one folder of results is of one encoder, crop and tree
        chosen = chosen[:1]
    return [("check", "DIR", "--format", "json"), *chosen]


def examine_seed(kind: str, seed: int, run: Run, folder: Path) -> list[str]:
    """Make the input of a seed in a folder and return what is wrong."""
    random = Random(f"{kind}/{seed}")
    faulthandler.dump_traceback_later(_HANGS, exit=True, file=_STDERR)  # a hang says where, and ends the run
    try:
        return [f"{kind} {seed}: {told}" for told in examine(MAKERS[kind](random, folder), random, run)]
    finally:
        faulthandler.cancel_dump_traceback_later()


@dataclass(frozen=True, slots=True)
class Event:
    """One input: its kind and seed, and whether the installed program runs on it."""

    kind: str
    seed: int
    by_program: bool


@dataclass(frozen=True, slots=True)
class Played:
    """What became of an input.

    Attributes:
        faults: what is wrong.
        seconds: how long it took.
        commands: how often each command ended with each exit code.
    """

    faults: list[str]
    seconds: float
    commands: Counter[str]


def play(event: Event, keep: Path | None) -> Played:
    """Make an input and run commands on it; `keep` is where the files of one with faults stay."""
    encoders.open_encoder = _open_encoder
    commands = Counter[str]()

    def run(arguments: Sequence[str]) -> Done:
        done = (installed if event.by_program else in_process)(arguments)
        commands[f"{arguments[0]}, exit code {done.code}"] += 1
        return done

    folder, started = Path(tempfile.mkdtemp(prefix="fuzz-")), time.monotonic()
    try:
        faults = examine_seed(event.kind, event.seed, run, folder)
        if faults and keep:
            kept = keep / f"{event.kind}-{event.seed}"
            shutil.copytree(folder, kept, symlinks=True, dirs_exist_ok=True, copy_function=_copy)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Played(faults, time.monotonic() - started, commands)


@cache
def _opened(settings: EncoderSettings) -> Encoder:
    return _OPEN(settings, folder=Path())


def _open_encoder(settings: EncoderSettings, folder: Path) -> Encoder:
    """Open an encoder once, whatever the folder is: it is the bundled one."""
    return _opened(settings)


def _copy(source: str, target: str) -> None:
    if Path(source).is_file():  # no pipes
        shutil.copyfile(source, target)
