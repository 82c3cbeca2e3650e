"""Run the benchmarks one after another and write their output to RESULTS.md: ratios first, then every line.

A line `row: WHAT | RATIO | GOAL` of a script becomes a row of the table. Times on a shared machine are noisy; ratios
within one run are less so.
"""

import argparse
import importlib.metadata
import os
import platform
import signal
import subprocess
import sys
import time
from datetime import date
from pathlib import Path

HERE = Path(__file__).parent
RUNS: tuple[tuple[str, ...], ...] = (
    ("zeroshot.py", "--count", "300", "--repeats", "3"),
    ("zeroshot.py", "--count", "60", "--repeats", "2", "--photos"),
    ("rescore.py", "--count", "770", "--options", "200", "--edits", "5"),
    ("stream.py", "--images", "1000000"),
    ("preview.py",),
    ("proposals.py",),
    ("imports.py",),
    ("cached_score.py",),
    ("ask.py",),
    ("compute.py", "--count", "256", "--rounds", "5"),
    ("compute.py", "--peft", "--few", "4"),
    ("check.py",),
    ("diff.py",),
    ("review.py",),
    ("drawing.py",),
    ("drafting.py",),
    ("embed.py", "--count", "60"),
    ("embed.py", "--count", "10", "--batch", "4", "--heavy"),
    ("gpu.py",),
)
LIMIT = 400  # seconds for one script; one that takes longer is stopped and reported
PACKAGES = ("torch", "torchvision", "open_clip_torch", "clip_benchmark", "numpy", "pillow")


def machine() -> str:
    """Cores, memory and versions; no names."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in PACKAGES)
    load = os.getloadavg()[0]
    return (
        f"{date.today().isoformat()}; {os.cpu_count()} cores ({platform.machine()}), {memory:.0f} GiB, no GPU used; "
        f"Python {platform.python_version()}, {versions}; one thread for the model. "
        f"The load was {load:.1f} before the first run."
    )


def run(command: tuple[str, ...]) -> tuple[str, float]:
    """Return the output of a script, also when it fails, and the seconds it took."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1"}
    began = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, str(HERE / command[0]), *command[1:]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        start_new_session=True,
    ) as process:
        timed_out = False
        try:
            out, error = process.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)  # with the processes that it started
            timed_out = True
            out, error = process.communicate()
    if timed_out:
        message = f"{' '.join(command)}: not finished in {LIMIT} s"
        out += f"{message}\nrow: {message} | - | -\n"
    elif process.returncode and error.strip():
        out += f"\nfailed: {error.strip().splitlines()[-1]}\n"
    return out, time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description="All benchmarks, written to benchmarks/RESULTS.md.")
    parser.add_argument("--only", action="append", help="the name of a script; may be given several times")
    parser.add_argument("-o", "--output", type=Path, default=HERE / "RESULTS.md")
    args = parser.parse_args()
    head, rows, details = machine(), list[str](), list[str]()
    for command in RUNS:
        if args.only and command[0] not in args.only:
            continue
        print(" ".join(command), file=sys.stderr, flush=True)
        text, seconds = run(command)
        print(text, flush=True)
        lines = text.splitlines()
        rows += [f"| {line.removeprefix('row: ')} |" for line in lines if line.startswith("row: ")]
        shown = "\n".join(line for line in lines if not line.startswith("row: "))
        details.append(f"## {' '.join(command)}\n\n```text\n{shown}\n```\n\n{seconds:.0f} s in all.\n")
        table = "\n".join(["| what | ratio | goal |", "|---|---|---|", *rows])
        args.output.write_text(
            f"# Benchmarks\n\nWritten by `make bench`. {head}\n\n{table}\n\n" + "\n".join(details), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
