"""`treegen import`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH
from treegen.text import counted, quoted

if TYPE_CHECKING:
    from treegen.exchange.importing import ImportResult


@click.command("import")
@click.argument("file", type=PATH)
@click.option("--domain", "domain_path", type=PATH, metavar="DOMAIN", help="The domain file or its folder.")
@click.option("-o", "--out", type=PATH, metavar="TREE", help="The tree file; tree.json beside the domain by default.")
@click.option("--report", type=PATH, metavar="FILE", help="Write the whole report (.md, .json or text).")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one object.")
@click.option("--force", is_flag=True, help="Replace an existing tree; its content stays in the history.")
def command(
    file: Path, domain_path: Path | None, out: Path | None, report: Path | None, as_json: bool, force: bool
) -> None:
    """Read FILE, a tree from another program, check it and write it as a treegen tree.

    The tree may be JSON, a Python dict with comments, or inside a code fence. Exit code 1 if it has errors that need
    repair. Phrases and texts about classes are not a tree: they are notes for `treegen draft DOMAIN --notes FILE`.
    """
    from treegen.config.domain import domain_path as path_of
    from treegen.exchange.importing import (
        check_report,
        find_domain,
        import_file,
        make_tree,
        refuse_output,
        write_report,
    )
    from treegen.vcs.tree_names import TREE_NAME

    tree = out or (path_of(domain_path).parent / TREE_NAME if domain_path else Path(TREE_NAME))
    refuse_output(file, tree, force=force)
    inputs = [file, tree, *([path_of(domain_path)] if domain_path else [])]
    if report:
        check_report(report, force=force, other_files=inputs)
    domain, domain_from = find_domain(domain_path, tree)
    result = import_file(file, tree, make_tree(file, domain=domain, domain_from=domain_from), force=force)
    if report:
        write_report(report, result.report, force=force, other_files=inputs)
    _show(result, as_json)
    sys.exit(1 if result.report.errors else 0)


def _show(result: "ImportResult", as_json: bool) -> None:
    from treegen.cli.output import print_json, say, tell
    from treegen.exchange.report import as_json as report_json
    from treegen.exchange.report import as_text
    from treegen.tree.rendering import size_of

    if as_json:
        print_json({"written": str(result.path), "revision": result.revision.id, **report_json(result.report)})
        return
    say(as_text(result.report).rstrip("\n"))
    say()
    errors = result.report.errors
    tree = result.tree
    say(f"wrote {result.path}: {size_of(tree)}, revision {result.revision.id}")
    if errors:
        tell(f"{counted(errors, 'error')} to repair: edit {result.path}, then `treegen check {quoted(result.path)}`")
