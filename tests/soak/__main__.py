"""The long run, `make soak`: plays events by their seeds, and writes a table of counts, also when it is interrupted.

`python -m tests.soak --only kills --seed 17 --count 1` plays one event again.
"""

import argparse
import os
import signal
import sys
import time
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from tests.pooling import in_processes
from tests.soak.harnesses import HARNESSES, play
from tests.soak.running import Outcome
from treegen.files import write_atomically


@dataclass(slots=True)
class Count:
    """What became of the events of one kind."""

    runs: int = 0
    hits: int = 0
    failures: int = 0


@dataclass(slots=True)
class Table:
    """The counts so far, by harness and kind, in a Markdown file that is written again and again."""

    path: Path
    began: float = field(default_factory=time.monotonic)
    counts: dict[tuple[str, str], Count] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def add(self, harness: str, seed: int, outcome: Outcome) -> None:
        count = self.counts.setdefault((harness, outcome.kind), Count())
        count.runs += 1
        count.hits += outcome.hit
        if outcome.faults:
            count.failures += 1
            self.failed.append(f"{harness} {seed}")

    def write(self) -> str:
        """Write the table and return it."""
        totals: dict[str, Count] = {}
        for (harness, _), count in self.counts.items():
            total = totals.setdefault(harness, Count())
            total.runs, total.hits = total.runs + count.runs, total.hits + count.hits
            total.failures += count.failures
        rows = [(name, str(c.runs), f"{c.hits} {HARNESSES[name][2]}", str(c.failures)) for name, c in totals.items()]
        details = [
            (f"{name}: {kind}", str(c.runs), str(c.hits), str(c.failures))
            for (name, kind), c in sorted(self.counts.items())
        ]
        head = ("harness", "runs", "effect", "failures")
        text = f"{_markdown([head, *rows])}\n\n{_markdown([('kind', 'runs', 'effect', 'failures'), *details])}\n"
        text += f"\n{time.monotonic() - self.began:.0f} seconds"
        text += f"; to play again: {', '.join(self.failed)}\n" if self.failed else "\n"
        write_atomically(self.path, text)
        return text


def _markdown(rows: list[tuple[str, ...]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    for name, (_, count, _) in HARNESSES.items():
        parser.add_argument(f"--{name}", type=int, default=count, metavar="N", help=f"{count} by default")
    parser.add_argument("--only", choices=[*HARNESSES], help="this one alone")
    parser.add_argument("--count", type=int, help="with --only: how many")
    parser.add_argument("--seed", type=int, default=0, help="the first; the others follow")
    parser.add_argument("--table", type=Path, default=Path("soak.md"), help="where the counts are written")
    parser.add_argument("--processes", type=int, default=os.cpu_count(), help="how many events at once")
    parser.add_argument("--folder", type=Path, help="where the folders are made")
    chosen = parser.parse_args()
    table = Table(chosen.table)
    wanted = [chosen.only] if chosen.only else [*HARNESSES]
    counts = {name: chosen.count if chosen.only and chosen.count else getattr(chosen, name) for name in wanted}
    # a share of each in turn, so that an interrupted run has some of all
    order = sorted((number / counts[name], name, number) for name in wanted for number in range(counts[name]))
    print(
        f"{len(order)} events, seeds from {chosen.seed}; the table is {chosen.table}",
        flush=True,
    )
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    events = [(name, chosen.seed + number) for _, name, number in order]
    try:
        played = in_processes(partial(play, parent=chosen.folder), events, chosen.processes)
        for done, ((name, seed), outcome) in enumerate(played, 1):
            table.add(name, seed, outcome)
            for fault in outcome.faults:
                print(f"FAULT {name} {seed} ({outcome.kind}): {fault}", flush=True)
            if done % 20 == 0:
                table.write()
    except KeyboardInterrupt:
        print("interrupted", flush=True)
    print(table.write(), end="")
    return 1 if table.failed else 0


if __name__ == "__main__":
    sys.exit(main())
