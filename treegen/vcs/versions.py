"""Trees by name and at git revisions, and what changed since."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from treegen.errors import InputError, ProblemsError
from treegen.files import is_there, real_path
from treegen.tree.changes import Change
from treegen.tree.changes.difference import difference
from treegen.tree.document import parse_json
from treegen.tree.merge.three_way import EMPTY
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text, in_review
from treegen.vcs.file_kinds import refuse_other_json
from treegen.vcs.git import NotThereError, content_at, path_in_repository
from treegen.vcs.tree_names import TreeName, approved_texts, decoded, locate_tree

_MOST_BLANK: Final = 1000  # bytes of a file that is looked at for being blank


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A tree and its origin."""

    name: str
    tree: Tree


def open_version(name: str, folder: Path) -> Version:
    """Open the tree that a name means; see `locate_tree`. It may have problems, as long as it is a tree.

    Raises:
        InputError: no such file or revision, or not the text of a tree.
        ProblemsError: the text is not that of a tree.
    """
    located = locate_tree(name, folder)
    return Version(name=located.text, tree=tree_of(located.read(), located.text))


def open_base(name: str, folder: Path) -> Tree:
    """Open the common ancestor of a merge. git passes an empty file if there is none.

    Raises:
        InputError: see `open_version`.
        ProblemsError: see `open_version`.
    """
    path = folder / name
    small = is_there(path) and path.is_file() and path.stat().st_size < _MOST_BLANK
    if small and not path.read_bytes().strip():
        return EMPTY
    return open_version(name, folder).tree


def tree_of(text: str, name: str) -> Tree:
    """Parse a tree. It may have problems, as long as no part of the text is lost.

    Raises:
        ProblemsError: it is not a tree, a key is duplicated, or its sign-off is invalid; the message has the first
            problem.
    """
    checked = check_text(text)
    refuse_other_documents(text, checked.data, name)
    lost = [p for p in checked.problems if p.code == "TG102" or (in_review(p) and p.severity == "error")]
    if checked.document is None or lost:
        first = (lost or checked.problems)[0]
        raise ProblemsError(
            f"{name}: not read as a tree: {first.code} {first.pointer or '/'}: {first.message}",
            "`treegen check` lists all problems of a file",
        )
    return checked.document.tree


def refuse_other_documents(text: str, data: object, name: str) -> None:
    """Refuse an empty text, and JSON of another kind, in one sentence instead of a list of what they lack.

    Raises:
        ProblemsError: it is one of these.
    """
    if not text.strip():
        raise ProblemsError(f"{name}: the file is empty", "`treegen draft DOMAIN` writes a tree")
    if isinstance(data, dict):
        try:
            refuse_other_json(data, name)
        except InputError as error:  # files of another kind were refused when they were read: this is an edited text
            raise ProblemsError(error.message, error.tip) from None


def refuse_unreadable(name: TreeName) -> None:
    """Refuse what is not the text of any tree; one with errors passes.

    Raises:
        InputError: it is missing, or of another kind, such as an image or a table.
        ProblemsError: it is empty or damaged.
    """
    text = name.read()
    data, _ = parse_json(text)
    if not isinstance(data, dict):
        tree_of(text, name.text)  # raises, and says why
    refuse_other_documents(text, data, name.text)


def at_revision(path: Path, revision: str) -> Version:
    """Return the tree of a file at a git revision.

    Raises:
        InputError: no repository or no such revision.
        NotThereError: the file was not in it.
        ProblemsError: it was not a tree then.
    """
    inside = path_in_repository(path)
    name = f"{revision}:{inside}"
    return Version(name=name, tree=tree_of(decoded(content_at(revision, inside, real_path(path).parent), name), name))


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
    for text in approved_texts(path, tree.review.digest):
        return difference(tree_of(text, str(path)), tree)
    return None
