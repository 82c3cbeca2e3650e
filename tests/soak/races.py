"""Twenty processes that write one tree and one history at once."""

from functools import partial
from pathlib import Path
from random import Random
from typing import Final

from tests.soak.kills import COMMANDS
from tests.soak.places import check_temporary, copied, faults_of_folder, kept_rows, lost_promises, manual, trees_of
from tests.soak.running import HANGS, Ended, Outcome, Pipe, command, ended, start, warm

PROCESSES: Final = 20
_COMMANDS: Final = ("revise", "approve", "import", "restore", "merge", "score", "embed, cache", "optimize", "draft")


def play(seed: int, parent: Path | None = None, processes: int = PROCESSES) -> Outcome:
    """Start the processes, and wait until all have ended."""
    random = Random(f"race {seed}")
    outcome = Outcome(kind=f"{processes} processes", hit=True)
    warm()
    with copied(parent) as folder:
        rows, trees = kept_rows(folder), trees_of(folder)
        running = []
        for number in range(processes):
            arguments = list(COMMANDS[random.choice(_COMMANDS)](folder))
            if "revise" in arguments:
                arguments[arguments.index("thinner")] = f"thinner {number}"
            out, err = Pipe(), Pipe()
            running.append((arguments, start(partial(command, arguments), out.write, err.write), out, err))
        for arguments, pid, out, err in running:
            code = ended(pid, HANGS, (out, err), hangs=True)
            done = Ended(tuple(arguments), code, out.text(), err.text(), seconds=0, moments=0)
            outcome.faults += done.faults
            outcome.faults += lost_promises(done, folder)
            if code == 2 and "changed by somebody else" not in done.err:
                outcome.faults.append(f"treegen {' '.join(arguments)}: {done.err}")
        outcome.faults += faults_of_folder(folder, rows, trees, revised=False)
        outcome.faults += check_temporary(folder)
        outcome.faults += _last_word(folder)
    return outcome


def _last_word(folder: Path) -> list[str]:
    """Afterwards one process goes on as if nothing had happened."""
    from tests.soak.running import forked

    done = forked(("revise", str(folder / "tree.json"), "-m", "the last", "--apply", *manual(folder)))
    return done.faults + ([] if done.code in (0, 1) else [f"afterwards: exit code {done.code}: {done.err}"])
