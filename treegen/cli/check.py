"""`treegen check`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from treegen.cli.options import PATH, domain_option

if TYPE_CHECKING:
    from treegen.tree.problems import Problem


@click.command("check")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="TREE...")
@domain_option
@click.option("--format", "form", type=click.Choice(["text", "json", "github"]), default="text", show_default=True)
@click.option("--fix", is_flag=True, help="Apply the fixes that are certain.")
def command(files: tuple[Path, ...], domain_path: Path | None, form: str, fix: bool) -> None:
    """List everything wrong with trees (and domain.toml files).

    A tree is checked against the domain.toml beside it, if there is one. Exit code 1 if there are errors, 2 if a file
    cannot be read; warnings alone exit 0.
    """
    from treegen.cli.output import complain
    from treegen.errors import InputError

    found: list[tuple[Path, tuple[Problem, ...]]] = []
    unreadable = False
    for path in files:
        try:
            found += _check(path, domain_path, fix)
        except InputError as error:
            unreadable = True
            complain(error.message, error.tip)
    _print(found, form)
    if unreadable:
        sys.exit(2)
    sys.exit(1 if any(p.severity == "error" for _, problems in found for p in problems) else 0)


def _check(path: Path, domain_path: Path | None, fix: bool) -> "list[tuple[Path, tuple[Problem, ...]]]":
    """The problems of one file, after the fixes if they are asked for; before them those of its domain, if any."""
    from treegen.cli.output import tell
    from treegen.domain import FILE_NAME, read_domain
    from treegen.domain import domain_path as path_of
    from treegen.tree.validation import check_file
    from treegen.workspace import TREE_NAME

    if path.is_dir() or path.suffix == ".toml":
        found = [(path_of(path), read_domain(path)[1])]
        tree = path / TREE_NAME
        return found + (_check(tree, path, fix)[-1:] if path.is_dir() and tree.exists() else [])
    beside = path_of(domain_path) if domain_path else path.parent / FILE_NAME
    domain, problems = read_domain(beside) if domain_path or beside.is_file() else (None, ())
    options: dict[str, Any] = {"classes": domain.classes, "domain": domain.name} if domain else {}
    if domain is None and not problems:
        tell(f"{path}: no domain.toml beside it, so its classes were not compared with the domain's")
    checked = check_file(path, **options)
    if fix and any(p.fix for p in checked.problems):
        from treegen.tree.validation import fix_file

        checked = fix_file(path, checked, **options)
    return [*([(beside, problems)] if problems else []), (path, checked.problems)]


def _print(found: "list[tuple[Path, tuple[Problem, ...]]]", form: str) -> None:
    from treegen.cli.output import plain, print_json, say
    from treegen.cli.shown import show_problems

    if form == "json":
        print_json([{"file": str(path), "problems": [p.as_json() for p in problems]} for path, problems in found])
        return
    for path, problems in found:
        if form == "github":
            for p in problems:
                told = plain(f"{p.pointer or '/'}: {p.message}").replace("%", "%25").replace("\n", "%0A")
                click.echo(f"::{p.severity} file={path},title={p.code}::{told}")
            continue
        show_problems(problems, str(path))
        errors = sum(p.severity == "error" for p in problems)
        say(f"{path}: {errors} error{'s' if errors != 1 else ''}, {len(problems) - errors} warning"
            f"{'s' if len(problems) - errors != 1 else ''}")  # fmt: skip
