"""Named tree versions: a file, or a file at a git revision; and the approved content, wherever it can be found."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from treegen.errors import InputError, ProblemsError
from treegen.files import read_text
from treegen.history.store import FOLDER, Store
from treegen.tree.changes import Change
from treegen.tree.changes.difference import difference
from treegen.tree.document import digest_of
from treegen.tree.merge.three_way import EMPTY
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text, in_review
from treegen.vcs.git import NotThereError, content_at, path_in_repository, versions_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A tree and its origin."""

    name: str
    tree: Tree


def open_version(name: str, folder: Path) -> Version:
    """Open the tree `FILE` or `REVISION:FILE`. It may have problems, as long as it is a tree.

    Args:
        name: an existing file takes precedence over a revision. The path after a revision is relative to the top of the
            repository, as for git, or to `folder`; it is required.
        folder: where file names start.

    Raises:
        InputError: no such file or revision, or not UTF-8.
        ProblemsError: the text is not that of a tree.
    """
    path = folder / name
    revision, colon, inside = name.partition(":")
    if colon and revision and inside and not _is_there(path):
        return Version(name=name, tree=tree_of(_decoded(content_at(revision, inside, folder), name), name))
    return Version(name=name, tree=tree_of(read_text(path), name))


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # name too long
        return False


def open_base(name: str, folder: Path) -> Tree:
    """Open the common ancestor of a merge. git passes an empty file if there is none.

    Raises:
        InputError: see `open_version`.
        ProblemsError: see `open_version`.
    """
    path = folder / name
    if _is_there(path) and path.is_file() and not path.read_bytes().strip():
        return EMPTY
    return open_version(name, folder).tree


def tree_of(text: str, name: str) -> Tree:
    """Parse a tree. It may have problems, as long as no part of the text is lost.

    Raises:
        ProblemsError: it is not a tree, a key is duplicated, or its sign-off is invalid; the message has the first
            problem.
    """
    checked = check_text(text)
    lost = [p for p in checked.problems if p.code == "TG102" or (in_review(p) and p.severity == "error")]
    if checked.document is None or lost:
        first = (lost or checked.problems)[0]
        raise ProblemsError(
            f"{name}: not read as a tree: {first.code} {first.pointer or '/'}: {first.message}",
            "`treegen check` lists all problems of a file",
        )
    return checked.document.tree


def _decoded(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}") from None


def at_revision(path: Path, revision: str) -> Version:
    """Return the tree of a file at a git revision.

    Raises:
        InputError: no repository or no such revision.
        NotThereError: the file was not in it.
        ProblemsError: it was not a tree then.
    """
    inside = path_in_repository(path)
    name = f"{revision}:{inside}"
    return Version(name=name, tree=tree_of(_decoded(content_at(revision, inside, path.resolve().parent), name), name))


def changes_since(path: Path, tree: Tree, revision: str) -> tuple[Change, ...] | None:
    """Return the changes of a file's tree since a git revision; `None` if the file was not in it.

    Raises:
        InputError: no repository or no such revision.
        ProblemsError: the file was not a tree then.
    """
    try:
        return difference(at_revision(path, revision).tree, tree)
    except NotThereError:
        return None


def changes_since_approval(path: Path, tree: Tree) -> tuple[Change, ...] | None:
    """Return the changes since the content that the sign-off names; `None` if that content cannot be found."""
    if tree.review is None:
        return None
    for approved in _approved_trees(path, tree.review.digest):
        return difference(approved, tree)
    return None


def _approved_trees(path: Path, digest: str) -> Iterator[Tree]:
    """Yield the content with a digest: from the history next to the tree, then from git."""
    if (path.resolve().parent / FOLDER / "store.sqlite").is_file():
        with Store(path) as store:
            revision = store.find_revision(digest)
        if revision:
            yield tree_of(revision.tree, str(path))
    for _, content in versions_of(path):
        if digest.encode() in content:  # a tree contains its own digest and that of a sign-off
            document = check_text(content.decode(errors="replace")).document
            if document and digest_of(document.tree) == digest:
                yield document.tree
