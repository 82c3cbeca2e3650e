"""`treegen export`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import PATH, TREE, EncoderChoice, domain_option, encoder_options, open_workspace

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder
    from treegen.config.domain import Domain
    from treegen.vcs.tree_names import TreeName

_FORMATS = ("article", "descriptors", "clip-benchmark", "csv", "python", "safetensors", "predictions", "fiftyone")


@click.command("export")
@click.argument("tree", type=TREE)
@click.option("--to", "form", type=click.Choice(_FORMATS), required=True, help="The format.")
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write here; a folder for clip-benchmark.")
@click.option("--force", is_flag=True, help="Replace existing files.")
@click.option("--test", "with_test", is_flag=True, help="Predictions of the test split too: recorded as an evaluation.")
@domain_option
@encoder_options
def command(
    tree: "TreeName",
    form: str,
    out: Path | None,
    force: bool,
    with_test: bool,
    domain_path: Path | None,
    encoder: EncoderChoice,
) -> None:
    """Write TREE in another format, to stdout or with -o to a file.

    
    article         the article's Python dict with index comments; imports back to the same tree
    descriptors     class -> its filled prompts, as DCLIP and CuPL keep them
    clip-benchmark  templates.json and classnames.json for clip_benchmark's custom files (-o FOLDER)
    csv             one line per class, one column per group; safe to open in a spreadsheet
    python          a self-contained module, with a function from probabilities to scores
    safetensors     embedded prompts and rules, to classify without treegen (-o FILE)
    predictions     one line per image: classes, scores, every group's answer (.csv or .parquet)
    fiftyone        the same as a dataset of FiftyOne (-o FOLDER/samples.json)
    """
    from treegen.cli.output import print_document, tell
    from treegen.errors import InputError
    from treegen.exchange.exporting import export_tree, load_tree, refuse_targets, write_export

    if form in ("predictions", "fiftyone"):
        _export_predictions(tree, form, out, force, with_test, domain_path, encoder)
        return
    if with_test:
        raise InputError(f"--test: {form} has no predictions", "use it with --to predictions or --to fiftyone")
    if out is None and form in ("clip-benchmark", "safetensors"):
        what = "writes two files" if form == "clip-benchmark" else "is a binary format"
        raise InputError(f"{form} {what}", f"name {'a folder' if form == 'clip-benchmark' else 'the file'} with -o")
    loaded, domain = load_tree(tree, domain_path)
    if out is not None:
        refuse_targets(form, out, source=tree.path, force=force)
    model = _encoder(domain, encoder) if form == "safetensors" else None
    exported = export_tree(loaded, form, domain=domain, encoder=model)
    for note in exported.notes:
        tell(f"note: {note}")
    if out is None:
        ((_, text),) = exported.files
        print_document(text)
        return
    for path in write_export(exported, out):
        tell(f"wrote {path}")


def _export_predictions(
    tree: "TreeName",
    form: str,
    out: Path | None,
    force: bool,
    with_test: bool,
    domain_path: Path | None,
    encoder: EncoderChoice,
) -> None:
    """Write what the tree says of each image; by default of the dev split, which is for learning from mistakes."""
    from treegen.cli.output import print_document, tell
    from treegen.exchange.exporting import refuse_targets
    from treegen.files import write_atomically
    from treegen.report.predictions import export_predictions, predict_images, refuse_name
    from treegen.vcs.versions import Version

    refuse_name(form, out)
    if out is not None:
        refuse_targets(form, out, source=tree.path, force=force)
    workspace = open_workspace(tree, domain_path, encoder)
    named = Version(name=tree.text, tree=workspace.load()[0])
    content = export_predictions(form, predict_images(workspace, named, test=with_test), out)
    if out is None:
        print_document(content)
    else:
        write_atomically(out, content)
        tell(f"wrote {out}")


def _encoder(domain: "Domain | None", choice: EncoderChoice) -> "Encoder":
    """Open the command line's encoder, else the domain's."""
    from treegen.clip.encoders import open_encoder
    from treegen.errors import InputError

    if domain is None and choice.name is None:
        raise InputError("no domain.toml beside the tree names an encoder", "name it with --encoder")
    return open_encoder(choice.settings(domain), domain.folder if domain else Path())
