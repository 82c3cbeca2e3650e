"""Imports the tree of another program's file: reads it, checks it, writes it and reports what it holds."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from treegen.config.domain import FILE_NAME, Domain, domain_path, has_domain, load_domain
from treegen.errors import InputError, ProblemsError
from treegen.exchange.article import article_comments, read_article, worded_note
from treegen.exchange.naming import match_classes
from treegen.exchange.report import Report
from treegen.exchange.sources import read_source
from treegen.files import read_text, state_of
from treegen.history.store import Revision, Store
from treegen.text import printable, quoted, show
from treegen.tree.document import digest_of, save
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_data, check_text, looks_in
from treegen.workflow.check import check_tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """The tree of a file, not written yet, and the report."""

    tree: Tree
    report: Report


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportResult:
    """A written tree: its file, its revision, and the report."""

    path: Path
    tree: Tree
    revision: Revision
    report: Report


def find_domain(domain: Path | None, out: Path) -> tuple[Domain | None, str]:
    """Load the given domain, or the one next to the output; return it and where it was found.

    Raises:
        InputError, ProblemsError: it cannot be read.
    """
    if domain is not None:
        return load_domain(domain), f"--domain {quoted(domain_path(domain))}"
    beside = out.parent / FILE_NAME
    return (load_domain(beside), f"{beside} next to the output") if has_domain(out.parent) else (None, "")


def make_tree(path: Path, *, domain: Domain | None = None, domain_from: str = "") -> Made:
    """Read the tree of a file and check it; nothing is written.

    Args:
        path: the file of another program.
        domain: its classes are compared and its name is used, if there is one.
        domain_from: where the domain was found, for the report.

    Raises:
        InputError: the file cannot be read as a tree.
        ProblemsError: it is meant as a tree, but its types are not those of one.
    """
    source = read_source(path)
    article = read_article(source)
    from_domain = (domain.name, domain_from) if domain else None
    name, origin = from_domain or article.domain or (printable(path.stem).strip() or "imported", "the file's name")
    rules = article.data.get("rules")
    looks = looks_in(article.data)
    named = [looks.get(str(name), str(name)) for name in rules] if isinstance(rules, dict) else []
    matched = match_classes(
        list(dict.fromkeys(named)), domain.classes if domain else None, domain.aliases if domain else ()
    )
    data = {"domain": name, **{k: v for k, v in article.data.items() if k not in ("domain", "$schema")}}
    comments = article_comments(_tree_of(path, data, None), source)
    if isinstance(rules, dict):
        data["rules"] = {c if c in looks else matched.names[c]: rule for c, rule in rules.items()}
        if looks:
            data["looks"] = {matched.names.get(c, c): some for c, some in data["looks"].items()}
    tree = _tree_of(path, data, domain)
    notes = [*source.notes, *worded_note(article.worded)]
    if "review" in source.data:
        notes.append("the file's review was left out: an approval is only valid where it was given")
    if from_domain and article.domain and article.domain[0] != name:
        notes.append(f"the file names the domain {show(article.domain[0])}, which was replaced by {show(name)}")
    report = Report(
        source=path.name,
        form=f"a tree in {source.syntax}",
        domain=name,
        domain_from=origin,
        classes=len(tree.classes),
        groups=len(tree.groups),
        comments=comments,
        missing=matched.missing,
        unknown=matched.unknown,
        renamed=matched.renamed,
        twins=_twins(tree),
        problems=check_tree(tree, domain),
        notes=tuple(notes),
    )
    return Made(tree=tree, report=report)


def _tree_of(path: Path, data: dict[str, Any], domain: Domain | None) -> Tree:
    """Make the tree of plain data, errors of meaning included.

    Raises:
        ProblemsError: its types are not those of a tree; all problems are listed.
    """
    checked = check_data(data, classes=domain.classes if domain else None, domain=domain.name if domain else None)
    if checked.document is not None:
        return checked.document.tree
    listed = "\n".join(f"  {p.code} {printable(p.pointer) or '/'}: {p.message}" for p in checked.problems[:20])
    more = f"\n  and {len(checked.problems) - 20} more" if len(checked.problems) > 20 else ""
    raise ProblemsError(
        f"{path}: looks like a tree, but is not a valid one\n{listed}{more}", "nothing was written; correct the file"
    )


def _twins(tree: Tree) -> tuple[tuple[str, ...], ...]:
    """List the classes with the same answers in all groups."""
    same: dict[tuple[Any, ...], list[str]] = {}
    for rule in tree.rules:
        if any(index is not None for _, index in rule.answers):
            same.setdefault(tuple(rule.get(g.name) for g in tree.groups), []).append(rule.name)
    return tuple(tuple(names) for names in same.values() if len(names) > 1)


def import_file(path: Path, out: Path, made: Made, *, force: bool = False) -> ImportResult:
    """Write the tree, whole or not at all, and store it as a revision with author `import`.

    Raises:
        InputError: the file exists and `force` is not given, or it cannot be written.
    """
    before = state_of(out)
    parent = keep_existing(out, force=force)
    note = f"imported from {printable(path.name)}: {made.report.form}"
    with Store(out) as store:
        latest = parent or store.latest()
        revision = store.add_revision(made.tree, author="import", note=note, parent=latest.id if latest else None)
        save(out, made.tree, before=before)  # after the history: on a full disk neither is written
    return ImportResult(path=out, tree=made.tree, revision=revision, report=made.report)


def refuse_output(source: Path, out: Path, *, force: bool) -> None:
    """Refuse an unusable output before any work is done.

    Raises:
        InputError: it is the source itself, a folder, in a missing folder, or it exists and `force` is not given.
    """
    if out.is_dir():
        raise InputError(f"{out} is a folder", f"name the tree file, such as {out / 'tree.json'}")
    if not out.parent.is_dir():
        raise InputError(f"{out.parent}: no such folder", "create it first, or name another file with -o")
    if out.exists() and source.exists() and out.samefile(source):
        raise InputError(f"{out} is the file that is imported", "name another output with -o")
    if out.exists() and not force:
        raise InputError(f"{out} exists", "--force replaces it (its content stays in the history), or -o FILE")


def keep_existing(out: Path, *, force: bool) -> Revision | None:
    """Return the revision of a tree file about to be replaced; `None` if there is no file.

    Raises:
        InputError: the file exists and `force` is not given, or it is not a tree.
    """
    if not out.exists():
        return None
    if not force:
        raise InputError(f"{out} exists", "--force replaces it (its content stays in the history), or -o FILE")
    document = check_text(read_text(out)).document
    if document is None:
        raise InputError(f"{out} exists and is not a tree", "move it away first")
    tree = document.tree
    with Store(out) as store:
        existing, latest = store.find_revision(digest_of(tree)), store.latest()
        note = "edited by hand" if latest else "found"
        return existing or store.add_revision(tree, author="human", note=note, parent=latest.id if latest else None)


def write_report(path: Path, report: Report, *, force: bool, other_files: Sequence[Path]) -> None:
    """Write the report as Markdown (.md), JSON (.json) or plain text.

    Raises:
        InputError: the file exists and `force` is not given, or it is one of the `other_files`.
    """
    import json

    from treegen.exchange.report import as_json, as_markdown, as_text
    from treegen.files import write_atomically

    check_report(path, force=force, other_files=other_files)
    if path.suffix.lower() == ".json":
        text = json.dumps(as_json(report), ensure_ascii=False, indent=2) + "\n"
    else:
        text = as_markdown(report) if path.suffix.lower() == ".md" else as_text(report, None)
    write_atomically(path, text)


def check_report(path: Path, *, force: bool, other_files: Sequence[Path]) -> None:
    """Refuse a report path that would replace something; see `write_report`."""
    if path.resolve() in {other.resolve() for other in other_files}:
        raise InputError(f"{path} is used for another file of this command", "name another file with --report")
    if path.exists() and not force:
        raise InputError(f"{path} exists", "--force replaces it, or name another file with --report")
    if path.is_dir() or not path.parent.is_dir():
        raise InputError(f"{path}: not a file in an existing folder", "name another file with --report")
