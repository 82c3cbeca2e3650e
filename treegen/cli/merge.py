"""`treegen merge`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH
from treegen.text import counted, quoted

if TYPE_CHECKING:
    from treegen.tree.merge.three_way import MergeResult


@click.command("merge")
@click.argument("base")
@click.argument("ours")
@click.argument("theirs")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the merged tree here; to stdout by default.")
@click.option("--force", is_flag=True, help="Replace an existing file; OURS may always be replaced.")
@click.option("--follow-renames", is_flag=True, help="Apply one side's option renames to the other side's new uses.")
@click.option("--driver", is_flag=True, help="For git: write to OURS; a file that is not a tree is merged as text.")
@click.option("--path", "name", metavar="NAME", help="With --driver: the file name to show in messages.")
def command(
    base: str,
    ours: str,
    theirs: str,
    out: Path | None,
    force: bool,
    follow_renames: bool,
    driver: bool,
    name: str | None,
) -> None:
    """Merge the changes of OURS and THEIRS to BASE by name, and reassign indices.

    Each is a file, a domain's folder, a revision of the history such as tree.json@3, or of git: HEAD~1:tree.json.
    Conflicts are listed and kept in the merged tree under "conflicts", and the exit code is 1; resolve them with
    `treegen resolve`.
    """
    from treegen.cli.output import print_document
    from treegen.files import state_of
    from treegen.tree.document import dump, save
    from treegen.tree.merge.three_way import merge
    from treegen.vcs.versions import open_base, open_version

    here = Path()
    if out:
        _check_out(out, Path(ours), force)
    target = Path(ours) if driver else out
    before = state_of(target) if target else None
    try:
        merged = merge(
            open_base(base, here),
            open_version(ours, here).tree,
            open_version(theirs, here).tree,
            follow_renames=follow_renames,
        )
    except Exception as error:  # git would leave ours in place, without markers: the driver must not
        if not driver:
            raise
        _merge_texts({"base": base, "ours": ours, "theirs": theirs}, name or ours, error)
    if target:
        save(target, merged.tree, before=before)
    else:
        print_document(dump(merged.tree))
    _report(merged, name or str(target or "the merged tree"))
    sys.exit(0 if merged.clean else 1)


def _report(merged: "MergeResult", name: str) -> None:
    from treegen.cli.display import show_problems
    from treegen.cli.output import tell

    for note in merged.notes:
        tell(f"note: {note}")
    for conflict in merged.tree.conflicts:
        tell(f"conflict: {conflict.what}")
    show_problems(merged.problems, name, err=True)
    if merged.tree.conflicts:
        count = counted(len(merged.tree.conflicts), "conflict")
        tell(f"{name}: {count}; `treegen resolve {quoted(name)}` lists and resolves them")
    elif merged.problems:
        tell(f"{name}: merged, but has errors that neither side had; fix them before you commit")


def _check_out(out: Path, ours: Path, force: bool) -> None:
    from treegen.errors import InputError

    if out.is_dir():
        raise InputError(f"{out} is a folder", "name a file with -o")
    if out.exists() and not force and not (ours.is_file() and out.samefile(ours)):
        raise InputError(f"{out} exists", "--force replaces it, or choose another file with -o")


def _merge_texts(sides: dict[str, str], name: str, error: Exception) -> None:
    """Write git's own conflict markers, and never report the merge as clean."""
    from treegen.cli.output import tell
    from treegen.vcs.git import merge_texts

    ours = Path(sides["ours"])
    merged = merge_texts(Path(sides["base"]), ours, Path(sides["theirs"]))
    tell(_with_side_names(str(error), sides, name))
    if 0 <= merged.code < 128:
        ours.write_bytes(merged.out)
        tell(f"{name}: merged line by line instead; answers may be wrong: read it, then `treegen check {quoted(name)}`")
    else:
        tell(
            f"{name}: git cannot merge it line by line either, so ours is unchanged; "
            f"choose a side with `git checkout --ours` or `--theirs`"
        )
    sys.exit(1)


def _with_side_names(message: str, sides: dict[str, str], name: str) -> str:
    """Replace git's temporary file name in a message by the side's name."""
    for side, file in sides.items():
        for path in (file, str(Path.cwd() / file)):
            if message.startswith(f"{path}: "):
                return f"{side} of {name}{message.removeprefix(path)}"
    return f"{name}: {message}"
