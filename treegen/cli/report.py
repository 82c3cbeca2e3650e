"""`treegen report`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH, TREE, EncoderChoice, domain_option, encoder_options, open_workspace

if TYPE_CHECKING:
    from treegen.vcs.tree_names import TreeName


@click.command("report")
@click.argument("tree", type=TREE)
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write here; Markdown goes to stdout without it.")
@click.option(
    "--format",
    "form",
    type=click.Choice(["html", "markdown"]),
    help="A page to open in a browser, or text for a pull request; by default as the file is named.",
)
@click.option("--against", metavar="TREE", help="Compare with another tree or revision, on the same images.")
@click.option(
    "--pictures", type=click.IntRange(0), default=200, show_default=True, metavar="N", help="The most pictures."
)
@click.option("--dev", "dev_only", is_flag=True, help="Use the dev split only: the test split is not evaluated.")
@click.option("--force", is_flag=True, help="Replace any existing file, not only an earlier report.")
@domain_option
@encoder_options
def command(
    tree: "TreeName",
    out: Path | None,
    form: str | None,
    against: str | None,
    pictures: int,
    dev_only: bool,
    force: bool,
    domain_path: Path | None,
    encoder: EncoderChoice,
) -> None:
    """Write a report on TREE: score, confusion, mistakes with pictures, revisions, what to do next.

    The page is one file that loads nothing. Pictures are small copies of those of the dev split: do not publish the
    report of a set that you may not publish.
    """
    from treegen.cli.output import tell
    from treegen.errors import InputError
    from treegen.report.document import build_report
    from treegen.report.rendering import report_html, report_markdown
    from treegen.report.writing import format_of, refuse_output, write_page
    from treegen.text import counted
    from treegen.vcs.versions import Version, open_version

    form = form or format_of(out)
    if out is None and form == "html":
        raise InputError("a page needs a file", "name it with -o, such as -o report.html; or --format markdown")
    if out is not None:
        refuse_output(out, force=force)
    workspace = open_workspace(tree, domain_path, encoder)
    report = build_report(
        workspace,
        Version(name=tree.path.name if tree.is_file else tree.text, tree=workspace.load()[0]),
        against=open_version(against, Path()) if against else None,
        sealed=True if dev_only else None,
        pictures=pictures if form == "html" else 0,
    )
    for note in report.notes:
        tell(f"note: {note}")
    if form == "markdown":
        text = report_markdown(report)
    else:
        text = report_html(report)
        for picture in report.album.missing:
            tell(f"note: {picture.name} cannot be shown: {picture.missing}")
    if out is None:
        click.echo(text, nl=False)
    else:
        write_page(out, text)
        tell(f"wrote {out}: {len(text.encode()) / 1000:,.0f} kB, {counted(report.album.shown, 'picture')}")
