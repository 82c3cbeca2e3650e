"""What users type for a tree: a file, a domain's folder, a revision of its history, or a file at a git revision."""

import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from treegen.config.domain import FILE_NAME, has_domain
from treegen.config.trust import require_own
from treegen.errors import InputError
from treegen.files import is_folder, is_there, read_text, real_path
from treegen.history.store import FOLDER, Revision, Store
from treegen.text import did_you_mean, quoted, show
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.vcs.file_kinds import refuse_bytes, refuse_other_files, refuse_pictures, refuse_text
from treegen.vcs.git import content_at, repository_of, versions_of

TREE_NAME: Final = "tree.json"
WORDS: Final = ("latest", "approved")
_REVISION: Final = re.compile(r"(?P<file>.+)@(?P<revision>-?\d+|[A-Za-z]+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class TreeName:
    """The place of a tree; whether one is there shows when it is read.

    Attributes:
        text: what the user typed; for a folder the file in it.
        path: the tree file; its domain and its history are beside it.
        revision: of the history: a number, `-N` for the Nth before the latest, `latest` or `approved`; empty for none.
        commit: a git revision; empty for none.
        inside: the file's path in that revision.
        folder: where file names start.
    """

    text: str
    path: Path
    revision: str = ""
    commit: str = ""
    inside: str = ""
    folder: Path = Path()

    @property
    def is_file(self) -> bool:
        """Whether it is the file as it is now."""
        return not (self.revision or self.commit)

    def read(self) -> str:
        """Return the text.

        Raises:
            InputError: no such file or revision, or not the text of a tree: a folder, an image, a domain file.
        """
        if self.commit:
            content = content_at(self.commit, self.inside, self.folder)
            refuse_bytes(content[:4096], self.text)
            text = decoded(content, self.text)
            refuse_text(text, self.text)
            return text
        if self.revision:
            return _text_at(self)
        refuse_other_kinds(self.path)
        return read_text(self.path)


def locate_tree(text: str, folder: Path = Path()) -> TreeName:
    """Find the tree that `FILE`, `FOLDER`, `FILE@REVISION` or `GIT_REVISION:FILE` names.

    Args:
        text: an existing file or folder takes precedence over a revision. The path after a git revision is relative to
            the top of the repository, as for git, or to `folder`; it is required.
        folder: where file names start.

    Raises:
        InputError: a folder without a tree, or a git revision outside of a repository.
    """
    path = folder / text
    if is_there(path):
        path = _in_folder(path)
        return TreeName(text=str(path) if (folder / text).is_dir() else text, path=path, folder=folder)
    if named := _REVISION.fullmatch(text):
        path = folder / named["file"]
        path = path / TREE_NAME if is_folder(path) else path
        return TreeName(text=text, path=path, revision=named["revision"], folder=folder)
    commit, colon, inside = text.partition(":")
    if not (colon and commit and inside):
        return TreeName(text=text, path=path, folder=folder)
    try:
        from_top = repository_of(folder.resolve()) / inside
    except InputError:
        message = f"{text}: no such file, and no git revision either: this is not a repository"
        raise InputError(message, "check the name, and the folder") from None
    path = from_top if is_there(from_top) else folder / inside
    return TreeName(text=text, path=path, commit=commit, inside=inside, folder=folder)


def _in_folder(path: Path) -> Path:
    """Return the tree of a folder; a file as it is."""
    if not path.is_dir():
        return path
    if (path / TREE_NAME).is_file():
        require_own(path / TREE_NAME)
        return path / TREE_NAME
    refuse_broken_link(path / TREE_NAME)
    if is_there(path / TREE_NAME):
        raise InputError(f"{path / TREE_NAME}: not a regular file", "remove it, or name a tree file")
    if has_domain(path):
        tip = f"`treegen draft {quoted(path)} --model NAME` drafts it"
        raise InputError(f"{path}: the domain has no {TREE_NAME} yet", tip)
    refuse_pictures(path)
    raise InputError(f"{path}: a folder without {TREE_NAME}", "name a tree file, or the folder of a domain")


def refuse_other_kinds(path: Path) -> None:
    """Refuse what is not the text of a tree, whole or damaged, saying what it is.

    Raises:
        InputError: it is missing, a folder, a device, a domain file, or a file of another kind.
    """
    if not is_there(path):
        refuse_broken_link(path)
        siblings = [p.name for p in path.parent.iterdir() if is_there(p)] if is_folder(path.parent) else []
        tip = f"a revision is named after its tree: {TREE_NAME}@{path}" if path.name.isdigit() else "check the name"
        raise InputError(f"{path}: no such file{did_you_mean(path.name, siblings, cutoff=0.8)}", tip)
    if path.is_dir():
        _in_folder(path)
        raise InputError(f"{path}: a folder, not a tree", f"name the file {path / TREE_NAME}")
    if not path.is_file():
        raise InputError(f"{path}: not a regular file", "name a tree file, or the folder of a domain")
    if path.name == FILE_NAME:
        raise InputError(f"{path}: a domain file, not a tree", f"name the tree, such as {path.parent / TREE_NAME}")
    refuse_other_files(path)


def refuse_broken_link(path: Path) -> None:
    """Refuse a link to what does not exist, or that cannot be followed.

    Raises:
        InputError: it is one.
    """
    with suppress(OSError):  # a name that is too long
        if path.is_symlink() and not path.exists():
            message = f"{path}: a broken link, to {path.readlink()}"
            raise InputError(message, "restore what it points to, or name a tree file")


def _text_at(name: TreeName) -> str:
    """Return the text of a revision of the history.

    Raises:
        InputError: there is no such revision.
    """
    if not is_there(real_path(name.path).parent / FOLDER / "store.sqlite"):
        if is_there(name.path):
            refuse_other_kinds(name.path)
        missing = "has no history" if is_there(name.path) else "no such file, and no history of one"
        raise InputError(f"{name.path}: {missing}", "draft, score and revise create one; is this the right file?")
    with Store(name.path) as store:
        revisions = store.revisions()
    if not revisions:
        missing = "has no history" if is_there(name.path) else "no such file, and no history of one"
        raise InputError(f"{name.path}: {missing}", "the history in this folder belongs to other trees")
    if name.revision == "approved":
        return _approved_text(name.path, revisions)
    if found := _numbered(revisions, name.revision):
        return found.tree
    tip = f"{_listed(revisions)}; also latest, approved, and -1 for the one before the latest"
    raise InputError(f"{name.text}: no revision {show(name.revision)[1:-1]}{did_you_mean(name.revision, WORDS)}", tip)


def _numbered(revisions: list[Revision], word: str) -> Revision | None:
    if word == "latest":
        return revisions[-1]
    if not word.lstrip("-").isdecimal():
        return None
    number = int(word)
    if word.startswith("-"):
        return revisions[number - 1] if -number < len(revisions) else None
    return next((revision for revision in revisions if revision.id == number), None)


def _listed(revisions: list[Revision]) -> str:
    numbers = [str(revision.id) for revision in revisions]
    between = ", ".join(numbers) if len(numbers) < 10 else f"{', '.join(numbers[:3])} ... {numbers[-1]}"
    return f"the history has {between}"


def _approved_text(path: Path, revisions: list[Revision]) -> str:
    """Return the approved content: of the file's sign-off, else of the last one in the history.

    Raises:
        InputError: nobody has approved the tree, or the content cannot be found.
    """
    texts = [read_text(path)] if path.is_file() else []
    signed = (check_text(text).document for text in (*texts, *(r.tree for r in reversed(revisions))))
    review = next((document.tree.review for document in signed if document and document.tree.review), None)
    if review is None:
        raise InputError(f"{path}: nobody has approved this tree", "`treegen approve` records a sign-off")
    for text in approved_texts(path, review.digest):
        return text
    raise InputError(f"{path}: the approved content is neither in the history nor in git", f"it is {review.digest}")


def approved_texts(path: Path, digest: str) -> Iterator[str]:
    """Yield the content with a digest: from the history beside the tree, then from git."""
    if (real_path(path).parent / FOLDER / "store.sqlite").is_file():
        with Store(path) as store:
            revision = store.find_revision(digest)
        if revision:
            yield revision.tree
    for _, content in versions_of(path):
        if digest.encode() in content:  # a tree contains its own digest and that of a sign-off
            text = content.decode(errors="replace")
            if (tree := _tree_in(text)) and digest_of(tree) == digest:
                yield text


def _tree_in(text: str) -> Tree | None:
    document = check_text(text).document
    return document.tree if document else None


def decoded(content: bytes, name: str) -> str:
    """Decode a file of git.

    Raises:
        InputError: it is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 at byte {error.start}") from None
