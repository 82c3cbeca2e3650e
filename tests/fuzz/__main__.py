"""The long run: `python -m tests.fuzz --inputs 10000`; `--kind KIND --seed N --keep DIR` makes one input again."""

import argparse
import os
import signal
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from tests.fuzz.running import MAKERS, Event, play
from tests.pooling import in_processes


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=1000, help="how many in all")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow")
    parser.add_argument("--kind", choices=[*MAKERS], help="only of this kind")
    parser.add_argument("--installed", type=int, default=100, help="one of so many runs as the installed program")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many inputs at once")
    parser.add_argument("--keep", type=Path, help="where the files of inputs with faults stay")
    chosen = parser.parse_args()
    kinds = [chosen.kind] if chosen.kind else [*MAKERS]
    counts, failed, commands, slowest = Counter[str](), Counter[str](), Counter[str](), dict.fromkeys(kinds, (0.0, 0))
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    events = [
        Event(kinds[n % len(kinds)], chosen.seed + n // len(kinds), n % chosen.installed == chosen.installed - 1)
        for n in range(chosen.inputs)
    ]
    try:
        for event, played in in_processes(partial(play, keep=chosen.keep), events, chosen.processes, chunk=10):
            slowest[event.kind] = max(slowest[event.kind], (played.seconds, event.seed))
            counts[event.kind] += 1
            failed[event.kind] += bool(played.faults)
            commands += played.commands
            if counts.total() % 500 == 0:
                print(f"{counts.total()} inputs, {failed.total()} with faults", flush=True)
            for each in played.faults:
                print(f"FAULT {each}", flush=True)
    except KeyboardInterrupt:
        print(f"stopped after {counts.total()} of {chosen.inputs} inputs")
    print(f"{'kind':10}{'inputs':>8}{'failures':>10}{'slowest':>10}  seed")
    for kind in kinds:
        print(f"{kind:10}{counts[kind]:>8}{failed[kind]:>10}{slowest[kind][0]:>9.2f}s  {slowest[kind][1]}")
    print(f"{'together':10}{counts.total():>8}{failed.total():>10}")
    print("commands:", ", ".join(f"{name} {count}" for name, count in commands.most_common()))
    return 1 if failed.total() else 0


if __name__ == "__main__":
    sys.exit(main())
