"""`treegen import`."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH, EncoderChoice, encoder_options

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder
    from treegen.config.domain import Domain
    from treegen.progress import Progress


@click.command("import")
@click.argument("file", type=PATH)
@click.option("--domain", "domain_path", type=PATH, metavar="DOMAIN", help="The domain file or its folder.")
@click.option("-o", "--out", type=PATH, metavar="TREE", help="The tree file; tree.json beside the domain by default.")
@click.option("--groups", type=click.IntRange(1, 1000), metavar="N", help="Most groups made of a descriptor list.")
@click.option("--report", type=PATH, metavar="FILE", help="Write the whole report (.md, .json or text).")
@click.option("--json", "as_json", is_flag=True, help="Print the whole report as one object.")
@click.option("--force", is_flag=True, help="Replace an existing tree; its content stays in the history.")
@encoder_options
def command(
    file: Path,
    domain_path: Path | None,
    out: Path | None,
    groups: int | None,
    report: Path | None,
    as_json: bool,
    force: bool,
    encoder: EncoderChoice,
) -> None:
    """Make a tree of FILE: a tree of another program, or descriptor lists of another project.

    A tree may be JSON, Python with comments, or stand in code fences. The phrases of a descriptor list are grouped by
    the attribute types of the file, else by likeness: of words, or with --encoder of a CLIP's text embeddings. Nothing
    is guessed silently: the report says where every phrase went. Exit code 1 if the tree has errors to be repaired.
    """
    from treegen.cli.output import ProgressLine, tell
    from treegen.config.domain import domain_path as path_of
    from treegen.exchange.importing import (
        check_report,
        find_domain,
        import_file,
        make_tree,
        refuse_output,
        write_report,
    )
    from treegen.workflow.workspace import TREE_NAME

    tree = out or (path_of(domain_path).parent / TREE_NAME if domain_path else Path(TREE_NAME))
    refuse_output(file, tree, force=force)
    others = [file, tree, *([path_of(domain_path)] if domain_path else [])]
    if report:
        check_report(report, force=force, others=others)
    domain, domain_from = find_domain(domain_path, tree)
    progress = ProgressLine()
    model = _encoder(encoder, domain, progress)
    made = make_tree(file, domain=domain, domain_from=domain_from, encoder=model, groups=groups, progress=progress)
    for note in model.notes if model else ():
        tell(f"note: {note}")
    done = import_file(file, tree, made, force=force)
    if report:
        write_report(report, done.report, force=force, others=others)
    _show(done, as_json)
    sys.exit(1 if done.report.errors else 0)


def _encoder(choice: EncoderChoice, domain: "Domain | None", progress: "Progress") -> "Encoder | None":
    """The encoder that --encoder names; none without it, so that no model is loaded unasked."""
    from treegen.cli.output import tell
    from treegen.config.domain import BUNDLED_DOMAIN
    from treegen.config.settings import BUNDLED_ENCODER

    if choice.name is None:
        return None
    from treegen.clip.encoders import open_encoder

    if choice.name == BUNDLED_ENCODER and (domain is None or domain.name != BUNDLED_DOMAIN):
        tell("note: the bundled CLIP knows the sketchbook's drawings and words and nothing else")
    progress("loading the encoder", 0, 1)
    encoder = open_encoder(choice.settings(None), Path())
    progress("loading the encoder", 1, 1)
    return encoder


def _show(done: "object", as_json: bool) -> None:
    from treegen.cli.output import print_json, say, tell
    from treegen.exchange.importing import ImportResult
    from treegen.exchange.report import as_json as report_json
    from treegen.exchange.report import as_text

    assert isinstance(done, ImportResult)
    if as_json:
        print_json({"written": str(done.path), "revision": done.revision.id, **report_json(done.report)})
        return
    say(as_text(done.report).rstrip("\n"))
    say()
    errors = done.report.errors
    tree = done.tree
    say(f"wrote {done.path}: {len(tree.groups)} groups, {len(tree.rules)} classes, revision {done.revision.id}")
    if errors:
        tell(
            f"{errors} error{'s' if errors != 1 else ''} to repair: edit {done.path}, then `treegen check {done.path}`"
        )
