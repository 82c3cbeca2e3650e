"""Export a tree to other projects' formats: to a file, a folder, or as text."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from treegen.config.domain import FILE_NAME, Domain, has_domain, load_domain
from treegen.errors import InputError
from treegen.exchange.writers import TEXTS, clip_benchmark_files, refuse_unknown_format
from treegen.files import write_atomically
from treegen.images import labels_of
from treegen.text import printable
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.vcs.tree_names import TreeName, locate_tree
from treegen.vcs.versions import refuse_other_documents

if TYPE_CHECKING:
    from treegen.clip.decisions import FittedRule
    from treegen.clip.encoders.interface import Encoder

FORMATS: Final = ("article", "descriptors", "clip-benchmark", "csv", "python", "safetensors")
_DECIDING: Final = ("python", "safetensors")


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportResult:
    """The files of an export: (name, content). The name is empty if the user names the single file.

    `notes` are what users of the files must know.
    """

    files: tuple[tuple[str, str | bytes], ...]
    notes: tuple[str, ...] = ()


def load_tree(tree: TreeName | Path, domain: Path | None = None) -> tuple[Tree, Domain | None]:
    """Load a tree without errors and its domain: the given one, or the one next to the tree, if there is one.

    Raises:
        InputError: the tree or the domain cannot be read.
        ProblemsError: the tree or the domain has errors.
    """
    name = locate_tree(str(tree)) if isinstance(tree, Path) else tree
    beside = name.path.parent / FILE_NAME
    loaded = load_domain(domain) if domain else load_domain(beside) if has_domain(beside.parent) else None
    text = name.read()
    checked = check_text(text, classes=loaded.classes if loaded else None, domain=loaded.name if loaded else None)
    refuse_other_documents(text, checked.data, name.text)
    return checked.sound_tree(Path(name.text)), loaded


def export_tree(
    tree: Tree, form: str, *, domain: Domain | None = None, encoder: "Encoder | None" = None
) -> ExportResult:
    """Return the content of an export; nothing is written.

    Args:
        tree: without errors.
        form: one of `FORMATS`.
        domain: for the crop of its images, and for its decision rule: safetensors contains a frozen `bayes`, and a note
            says that other rules are not exported.
        encoder: needed for safetensors.

    Raises:
        InputError: no such format, or the tree cannot be written in it.
        ProblemsError, ModelError: see `tensors_bytes`.
    """
    notes = (*_rule_notes(tree, form, domain), *_look_notes(tree, form))
    if form in TEXTS:
        return ExportResult(files=(("", TEXTS[form](tree)),), notes=(*notes, *_compute_notes(form, domain)))
    if form == "clip-benchmark":
        order, counted = _counted_order(domain)
        notes = (*counted, *_look_notes(tree, form))
        return ExportResult(files=tuple(clip_benchmark_files(tree, order).items()), notes=notes)
    if form != "safetensors":
        raise refuse_unknown_format(form)
    if encoder is None:
        raise InputError("safetensors contains embedded prompts", "name the encoder with --encoder, or in domain.toml")
    from treegen.exchange.tensors import tensors_bytes

    crop = domain.images.crop if domain and domain.images else (0.0, 0.0, 1.0, 1.0)
    posterior = _posterior(domain, encoder)
    if posterior:
        notes = ()
    content = tensors_bytes(tree, encoder, crop, posterior)
    return ExportResult(files=(("", content),), notes=(*notes, *_compute_notes(form, domain), *encoder.notes))


def _posterior(domain: Domain | None, encoder: "Encoder") -> "FittedRule | None":
    """Return the domain's decision rule if it is `bayes`, frozen with this encoder."""
    if domain is None or domain.decision.rule != "bayes" or not domain.decision.parameters:
        return None
    if domain.decision.encoder not in ("", encoder.fingerprint):
        return None
    from treegen.clip.decisions import FittedRule, decision_of

    return decision_of(domain.decision, encoder.fingerprint, lambda rule: FittedRule(rule=rule))  # learns nothing


def _counted_order(domain: Domain | None) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the classes in the order of the image set's label numbers, and a note on names that are not classes."""
    if domain is None:
        return (), ()
    labels = labels_of(domain)
    places = [labels.find(name) for name in labels.numbered]
    unknown = [name for name, place in zip(labels.numbered, places, strict=True) if place is None]
    order = tuple(domain.classes[place] for place in places if place is not None) or domain.classes
    if not unknown:
        return order, ()
    listed = ", ".join(map(printable, unknown[:5]))
    return order, (
        f"{len(unknown)} of the {len(places)} names behind the image set's numeric labels are not classes ({listed}): "
        "classnames.json lacks them, so its numbers differ from those of the set",
    )


def _rule_notes(tree: Tree, form: str, domain: Domain | None) -> tuple[str, ...]:
    """Note that formats with class scores always use the mean rule, where another gives other labels."""
    complete = all(index is not None for rule in tree.rules for _, index in rule.answers)
    same = ("mean", "sum") if complete else ("mean",)
    if form not in _DECIDING or domain is None or domain.decision.rule in same:
        return ()
    return (
        f"{domain.name} uses the decision rule {domain.decision.rule}, but {form} always uses the mean: "
        "its labels differ from those of `treegen classify`, and so does its accuracy",
    )


def _look_notes(tree: Tree, form: str) -> tuple[str, ...]:
    """Note what becomes of the looks of classes in a format that has no word for them."""
    if not tree.looks:
        return ()
    if form in ("descriptors", "clip-benchmark"):
        return (f"{form} has one list of prompts for each class: those of its looks are joined",)
    return ("other readers of the article's dict take each look for a class",) if form == "article" else ()


def _compute_notes(form: str, domain: Domain | None) -> tuple[str, ...]:
    """Note that what is exported looks at each image once, where the domain asks for more."""
    if form not in _DECIDING or domain is None or domain.compute.plain:
        return ()
    return (
        f"{domain.name} looks at {domain.compute.views} views of each image ([compute]), but {form} at one: "
        "its labels differ from those of `treegen classify`, and so does its accuracy",
    )


def refuse_targets(form: str, out: Path, *, source: Path, force: bool) -> None:
    """Refuse an unusable output before any work is done.

    Raises:
        InputError: it is the tree itself, exists without `force`, or is a folder where a file is needed or the reverse.
    """
    several = form == "clip-benchmark"
    targets = [out / name for name in ("templates.json", "classnames.json")] if several else [out]
    if several and out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file", "clip-benchmark needs two files: name a folder with -o")
    for target in targets:
        if target.is_dir():
            raise InputError(f"{target} is a folder", "name a file with -o")
        if target.exists() and source.exists() and target.samefile(source):
            raise InputError(f"{target} is the tree itself", "name another file with -o")
        if target.exists() and not force:
            raise InputError(f"{target} exists", "--force replaces it, or name another with -o")


def write_export(exported: ExportResult, out: Path) -> tuple[Path, ...]:
    """Write each file whole or not at all; return their paths.

    Raises:
        InputError: a file cannot be written.
    """
    written = []
    for name, content in exported.files:
        if name:
            try:
                out.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise InputError(
                    f"{out}: cannot be created: {error.strerror or error}", "name another folder"
                ) from None
        write_atomically(out / name if name else out, content)
        written.append(out / name if name else out)
    return tuple(written)
