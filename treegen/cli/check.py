"""`treegen check`."""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from treegen.cli.options import BROKEN_TREE_FILE, PATH, EncoderChoice, domain_option, encoder_options

if TYPE_CHECKING:
    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.clip.encoders.interface import Encoder
    from treegen.config.domain import Domain
    from treegen.config.settings import EncoderSettings
    from treegen.workflow.check import Findings

    Encoders = Callable[[Domain | None, Path], Encoder | None]

FORMATS = ("text", "json", "github", "sarif")


@click.command("check")
@click.argument("files", type=PATH, nargs=-1, required=True, metavar="TREE...")
@domain_option
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
@click.option("--fix", is_flag=True, help="Apply the fixes that are certain.")
@click.option("--against", metavar="REV", help="Also list what changed since this git revision.")
@click.option("--require-approved", is_flag=True, help="An error if nobody approved the tree as it stands.")
@click.option(
    "--min-accuracy",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="An error if the recorded accuracy of the tree as it stands is lower, or if there is none.",
)
@encoder_options
def command(
    files: tuple[Path, ...],
    domain_path: Path | None,
    form: str,
    as_json: bool,
    fix: bool,
    against: str | None,
    require_approved: bool,
    min_accuracy: float | None,
    encoder: EncoderChoice,
) -> None:
    """List everything wrong with trees (and domain.toml files).

    A tree is checked against the domain.toml next to it, if there is one, whose [check] table sets severities. With
    --encoder, that model also counts its tokens and compares its texts. Exit code 1 if there are errors, 2 if a file
    cannot be read; warnings alone exit 0.
    """
    from treegen.cli.output import complain, tell
    from treegen.errors import InputError

    if encoder.arguments and not encoder.name:
        raise InputError(f"{encoder.arguments[0]} applies to an encoder only", "name one with --encoder")
    loaded: dict[object, Encoder] = {}
    encoders = _encoders(encoder, loaded)
    gated = against is not None or require_approved or min_accuracy is not None
    judge = _gate(against, require_approved, min_accuracy)
    found: list[Findings] = []
    unreadable = False
    for path in files:
        try:
            found += map(judge, _check(path, domain_path, fix, encoders, gated))
        except InputError as error:
            unreadable = True
            complain(error.message, error.tip)
    for note in dict.fromkeys(note for each in loaded.values() for note in each.notes):
        tell(f"note: {note}")
    _print(found, "json" if as_json else form, complete=not unreadable)
    if unreadable:
        sys.exit(2)
    sys.exit(1 if any(findings.errors for findings in found) else 0)


def _gate(against: str | None, approved: bool, least: float | None) -> "Callable[[Findings], Findings]":
    """Return the gate that every tree must pass, if any."""
    if against is None and not approved and least is None:
        return lambda findings: findings
    from treegen.workflow.gates import Gate

    return Gate(against=against, approved=approved, least=least).judge


def _encoders(choice: EncoderChoice, loaded: "dict[object, Encoder]") -> "Encoders":
    """Return what gives the encoder for a domain: `None` if none is named, else each one once, kept among `loaded`."""

    def load(domain: "Domain | None", folder: Path) -> "Encoder | None":
        if choice.name is None:
            return None
        from treegen.clip.encoders.cached import open_cached_encoder

        settings = choice.settings(domain)
        if (settings, folder) not in loaded:
            loaded[settings, folder] = open_cached_encoder(
                settings, folder, _cache_in(folder), lambda: load_model(settings, folder)
            )
        return loaded[settings, folder]

    def load_model(settings: "EncoderSettings", folder: Path) -> "Encoder":
        from treegen.cli.output import ProgressLine
        from treegen.clip.encoders import open_encoder

        own = settings.name.startswith(("local-dir:", "hf:"))  # may be relative to the folder
        if (settings, folder if own else None) not in models:
            progress = ProgressLine()
            progress("loading the encoder", 0, 1)
            models[settings, folder if own else None] = open_encoder(settings, folder)
            progress("loading the encoder", 1, 1)
        return models[settings, folder if own else None]

    models: dict[tuple[EncoderSettings, Path | None], Encoder] = {}
    return load


def _cache_in(folder: Path) -> "EmbeddingCache | None":
    """Open the embedding cache of a folder, closed when the command ends; `None` if there is none that can be used."""
    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.errors import InputError
    from treegen.history.store import FOLDER
    from treegen.workflow.workspace import CACHE_NAME

    if not (folder / FOLDER).is_dir():  # a check leaves nothing behind where there was nothing
        return None
    try:
        cache = EmbeddingCache(folder / FOLDER / CACHE_NAME)
    except InputError:
        return None
    click.get_current_context().call_on_close(cache.close)
    return cache


def _check(path: Path, domain_path: Path | None, fix: bool, encoders: "Encoders", gated: bool) -> "Iterator[Findings]":
    """Yield the findings of one file, after the fixes if requested; preceded by those of its domain, if any.

    Raises:
        InputError: a file cannot be read, or there is a gate but no tree to check: passing would approve nothing.
    """
    from dataclasses import replace

    from treegen.cli.output import tell
    from treegen.config.domain import FILE_NAME, has_domain
    from treegen.config.trust import require_own
    from treegen.errors import InputError
    from treegen.vcs.tree_names import TREE_NAME, locate_tree
    from treegen.workflow.check import (
        check_domain_file,
        check_image_source,
        check_images,
        check_tree_file,
        check_tree_text,
    )

    is_domain = has_domain(path)
    if is_domain or (path.suffix == ".toml" and path.is_file()):
        domain, found = check_domain_file(path)
        yield check_images(domain, found) if domain else found
        tree = path / TREE_NAME
        if is_domain and (tree.exists() or tree.is_symlink()):
            require_own(tree)
            yield from list(_check(tree, path, fix, encoders, gated))[-1:]
        elif gated:
            raise InputError(f"{path}: no {TREE_NAME if is_domain else 'tree'} to check", "name the tree file")
        elif is_domain:
            tell(f"{path}: has no {TREE_NAME}, so only its domain was checked")
        return
    version = locate_tree(str(path))
    if version.is_file or fix:
        path = BROKEN_TREE_FILE.convert(str(path), None, None)
    else:
        text, path = version.read(), version.path
    domain, beside = None, domain_path or path.parent / FILE_NAME
    if domain_path or has_domain(path.parent):
        domain, findings = check_domain_file(beside)
        findings = check_image_source(domain, findings) if domain else findings
        if findings.problems:
            yield findings
    else:
        tell(f"{path}: no domain.toml beside it, so its classes were not compared with the domain's")
    encoder = encoders(domain, path.parent)

    def examine() -> "Findings":
        if version.is_file:
            return check_tree_file(path, domain, encoder=encoder, fix=fix)
        return replace(check_tree_text(text, path, domain, encoder=encoder), version=version)

    if encoder is None:
        yield examine()
        return
    from treegen.clip.encoders.interface import again_if_changed

    yield again_if_changed(examine)


def _print(found: "list[Findings]", form: str, *, complete: bool) -> None:
    from treegen.cli import formats
    from treegen.cli.output import print_json, print_line, tell

    if form == "json":
        print_json(formats.json_document(found))
    elif form == "sarif":
        print_json(formats.sarif_document(found, Path.cwd(), complete=complete))
    else:
        for findings in found:
            for line in formats.text_lines(findings) if form == "text" else ():
                print_line(line)
            for line in formats.github_lines(findings, Path.cwd()) if form == "github" else ():
                click.echo(line)
    for findings in found:
        for problem in findings.fixed:
            assert problem.fix is not None
            where = f"{problem.code} {problem.pointer or '/'}"
            tell(f"{findings.name}: fixed {where}: {problem.message}: {problem.fix.summary}")
        for note in findings.images.notes if findings.images else ():
            tell(f"note: {note}")
        if findings.images and form in ("github", "sarif"):
            tell(f"{findings.path}: {formats.image_line(findings)}")
        if findings.switched_off and form != "text":
            tell(f"{findings.name}: {formats.switched_off(findings).strip(' ()')}")
