"""The long run: `python -m tests.fuzz --inputs 10000`; `--kind KIND --seed N --keep DIR` makes one input again."""

import argparse
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from pathlib import Path

from tests.fuzz.running import MAKERS, Done, Run, examine_seed, in_process, installed
from treegen.clip import encoders


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow")
    parser.add_argument("--kind", choices=[*MAKERS], help="only of this kind")
    parser.add_argument("--installed", type=int, default=100, help="one of so many runs as the installed program")
    parser.add_argument("--keep", type=Path, help="where the files of inputs with faults stay")
    chosen = parser.parse_args()
    stopped: list[int] = []  # by Ctrl-C or kill: the table so far is printed after the input that is being tried
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, lambda number, _: stopped.append(number))
    once = cache(partial(encoders.open_encoder, folder=Path()))
    encoders.open_encoder = lambda settings, folder: once(settings)
    kinds = [chosen.kind] if chosen.kind else [*MAKERS]
    counts, failed, commands, slowest = Counter[str](), Counter[str](), Counter[str](), dict.fromkeys(kinds, (0.0, 0))
    for number in range(chosen.inputs):
        if stopped:
            print(f"stopped after {number} of {chosen.inputs} inputs")
            break
        kind, seed = kinds[number % len(kinds)], chosen.seed + number // len(kinds)
        program = installed if number % chosen.installed == chosen.installed - 1 else in_process
        folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
        started = time.monotonic()
        try:
            told = examine_seed(kind, seed, partial(_counted, commands, program), folder)
            if told and chosen.keep:
                kept = chosen.keep / f"{kind}-{seed}"
                shutil.copytree(folder, kept, symlinks=True, dirs_exist_ok=True, copy_function=_copy)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        slowest[kind] = max(slowest[kind], (time.monotonic() - started, seed))
        counts[kind] += 1
        failed[kind] += bool(told)
        if (number + 1) % 500 == 0:
            print(f"{number + 1} inputs, {failed.total()} with faults", flush=True)
        for each in told:
            print(f"FAULT {each}", flush=True)
    print(f"{'kind':10}{'inputs':>8}{'failures':>10}{'slowest':>10}  seed")
    for kind in kinds:
        print(f"{kind:10}{counts[kind]:>8}{failed[kind]:>10}{slowest[kind][0]:>9.2f}s  {slowest[kind][1]}")
    print(f"{'together':10}{counts.total():>8}{failed.total():>10}")
    print("commands:", ", ".join(f"{name} {count}" for name, count in commands.most_common()))
    return 1 if failed.total() else 0


def _counted(commands: Counter[str], program: Run, arguments: Sequence[str]) -> Done:
    done = program(arguments)
    commands[f"{arguments[0]}, exit code {done.code}"] += 1
    return done


def _copy(source: str, target: str) -> None:
    if Path(source).is_file():  # no pipes
        shutil.copyfile(source, target)


if __name__ == "__main__":
    sys.exit(main())
