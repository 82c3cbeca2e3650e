"""The git commands that treegen needs: files at a revision, the author's identity, the repository, merging texts."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from treegen.errors import InputError
from treegen.files import real_path

#: A cloned folder may hold a bare repository among its files, whose configuration names commands. None of them is run:
#: such a repository is none, nothing watches the files, and missing contents are not fetched.
_SAFE: Final = ("-c", "safe.bareRepository=explicit", "-c", "core.fsmonitor=false", "-c", "protocol.allow=never")


class NotThereError(InputError):
    """The revision exists, but the file is not in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The result of a git command."""

    code: int
    out: bytes
    err: str


def run_git(arguments: Sequence[str], folder: Path) -> Done:
    """Run git in a folder.

    Raises:
        InputError: there is no git, or no such folder.
    """
    try:
        environment = {**os.environ, "GIT_NO_LAZY_FETCH": "1"}
        done = subprocess.run(
            ["git", *_SAFE, *arguments], cwd=folder, capture_output=True, check=False, env=environment
        )
    except (FileNotFoundError, NotADirectoryError):
        missing = "git is not installed, or not on the PATH" if folder.is_dir() else f"{folder}: no such folder"
        raise InputError(missing, "install git" if folder.is_dir() else "check the name") from None
    return Done(code=done.returncode, out=done.stdout, err=done.stderr.decode(errors="replace").strip())


def ask_git(arguments: Sequence[str], folder: Path) -> str | None:
    """Return git's output, without the line feed; `None` if it fails."""
    done = run_git(arguments, folder)
    return done.out.decode(errors="replace").rstrip("\n") if done.code == 0 else None


def repository_of(folder: Path) -> Path:
    """Return the top of the working tree.

    Raises:
        InputError: the folder is not in a repository, or in one whose configuration names another working tree.
    """
    top = ask_git(["rev-parse", "--show-toplevel"], folder)
    if not top:
        raise InputError(f"{folder}: not in a git repository", "`git init` creates one")
    if not real_path(folder).is_relative_to(real_path(Path(top))):
        raise InputError(f"{folder}: the working tree of its git repository is {top}", "see `git config core.worktree`")
    return Path(top)


def identity(folder: Path) -> str | None:
    """Return `Name <mail>` as git would commit here; `None` if neither configuration nor environment defines it.

    The author takes precedence over the committer. Without `useConfigOnly` git would make up a name from user and host.
    """
    for variable in ("GIT_AUTHOR_IDENT", "GIT_COMMITTER_IDENT"):
        value = ask_git(["-c", "user.useConfigOnly=true", "var", variable], folder)
        if value:
            return value[: value.rindex(">") + 1]  # followed by seconds and time zone
    return None


def content_at(revision: str, path: str, folder: Path) -> bytes:
    """Return a file at a revision. The path is relative to the top of the repository, as for git, or to the folder.

    Raises:
        InputError: no repository or no such revision.
        NotThereError: no such file in it.
    """
    top = repository_of(folder)
    # --end-of-options: a revision that starts with a hyphen must not become an option of git
    commit = ask_git(["rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{tree}}"], folder)
    if commit is None:
        raise InputError(f"{revision}: no such revision", "`git log` lists the revisions")
    for place in (path, f"./{path}"):
        done = run_git(["cat-file", "blob", f"{commit}:{place}"], folder)
        if done.code == 0:
            return done.out
    raise NotThereError(f"{path}: not in the revision {revision}", f"`git ls-tree -r --name-only {revision}` in {top}")


def path_in_repository(path: Path) -> str:
    """Return a file's path from the top of its repository, with forward slashes.

    Raises:
        InputError: the file is not in a repository.
    """
    resolved = real_path(path)
    return resolved.relative_to(repository_of(resolved.parent).resolve()).as_posix()


def versions_of(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield commit and content of every version of a file, newest first, across renames; none outside a repository."""
    folder = real_path(path).parent
    form = ("--format=%x00%H", "--name-only", "-z", "--no-relative", "--no-show-signature")
    log = ["--literal-pathspecs", "log", "--follow", "-m", *form]  # -m: a merge's own changes are a version too
    output = ask_git([*log, "--", real_path(path).name], folder)
    if not output:
        return
    words = [word.strip("\n") for word in output.split("\0")]
    commit, yielded = "", set()
    for word in words:
        if len(word) in (40, 64) and all(c in "0123456789abcdef" for c in word):
            commit = word
        elif word and commit and (commit, word) not in yielded:
            yielded.add((commit, word))  # a merge is listed once per parent
            done = run_git(["cat-file", "blob", f"{commit}:{word}"], folder)
            if done.code == 0:
                yield commit, done.out


def merge_texts(base: Path, ours: Path, theirs: Path, labels: Sequence[str] = ("ours", "base", "theirs")) -> Done:
    """Run git's own line merge, with conflict markers; code 0 if there are none."""
    options = [part for label in labels for part in ("-L", label)]
    return run_git(["merge-file", "-p", *options, str(ours), str(base), str(theirs)], Path.cwd())
