"""Write an earlier revision of a tree back to its file, without losing what the file holds."""

from dataclasses import dataclass, replace

from treegen.errors import InputError, ProblemsError
from treegen.files import read_text, state_of
from treegen.history.store import Revision, Store
from treegen.text import counted, quoted
from treegen.tree.document import digest_of, save
from treegen.tree.model import Tree
from treegen.vcs.tree_names import TreeName
from treegen.vcs.versions import tree_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreResult:
    """What became of the file.

    Attributes:
        revision: the new revision, which is what the file holds now; `None` if it held that content already.
        before: the revision of what the file held; `None` if there was no file.
    """

    revision: Revision | None
    before: Revision | None


def restore(name: TreeName) -> RestoreResult:
    """Write a revision to the tree file, as a new revision. What the file held is kept as a revision first.

    A sign-off stays in the file: it names the content that was approved.

    Raises:
        InputError: no revision is named, it does not exist, or the file cannot be written.
        ChangedFileError: somebody has written the file meanwhile; the result is in a file beside it.
        ProblemsError: the file is not a tree or has unresolved conflicts, so that it cannot be kept as a revision.
    """
    path = name.path
    if name.is_file:
        tip = f"such as {name.text}@3; `treegen log {quoted(name.text)}` lists the revisions"
        raise InputError(f"{name.text}: no revision is named", tip)
    earlier = tree_of(name.read(), name.text)
    content, current = state_of(path), _tree_in(name)
    with Store(path) as store:
        latest = store.latest()
        parent = latest.id if latest else None
        before = None
        if current:
            before = store.find_revision(digest_of(current))
            if before is None:
                before = store.add_revision(current, author="human", note="edited by hand", parent=parent)
            if before.digest == digest_of(earlier):
                return RestoreResult(revision=None, before=before)
        restored = replace(
            earlier, conflicts=(), review=current.review if current and current.review else earlier.review
        )
        note = f"restored {_origin(store, name, earlier)}"
        # the revision first: if the disk is full, the file is untouched
        revision = store.add_revision(restored, author="human", note=note, parent=before.id if before else parent)
    save(path, restored, before=content)
    return RestoreResult(revision=revision, before=before)


def _origin(store: Store, name: TreeName, tree: Tree) -> str:
    """Return the number of the revision that was named, however it was named."""
    same = store.find_revision(digest_of(tree))
    number = name.revision if name.revision.isdecimal() else same and same.id
    return f"revision {number}" if number else name.text


def _tree_in(name: TreeName) -> Tree | None:
    """Return the tree that the file holds; `None` if there is no file."""
    if not name.path.exists():
        return None
    try:
        tree = tree_of(read_text(name.path), str(name.path))
    except ProblemsError as error:
        message = f"{error.message}; it cannot be kept as a revision, so nothing was restored"
        raise ProblemsError(message, "move the file away first") from None
    if tree.conflicts:
        message = f"{name.path}: has {counted(len(tree.conflicts), 'conflict')}, which a revision does not keep"
        raise ProblemsError(message, f"`treegen resolve {quoted(name.path)}` first, or move the file away")
    return tree
