"""`.treegen` that is removed or replaced while a command runs: what it held is written again, and a note says so."""

import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE, Run, calls_of, revisions_of
from treegen.clip.embedding.cache import EmbeddingCache
from treegen.history.store import Store
from treegen.llm.chat.manual import ManualChat
from treegen.tree.document import digest_of
from treegen.vcs.versions import tree_of
from treegen.workflow.demo import lay_out

pytestmark = pytest.mark.slow

REMOVED = "removed or replaced while it was in use: written again"


@pytest.fixture(scope="module")
def scored() -> Iterator[Path]:
    """Where the first test leaves what it has scored for those that follow."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder, "domain")


@pytest.fixture
def tree(scored: Path, tmp_path: Path, run: Run) -> Path:
    """A tree with a score and two revisions."""
    path = tmp_path / "tree.json"
    if scored.exists():
        shutil.copytree(scored, tmp_path, dirs_exist_ok=True)
        return path
    lay_out(tmp_path, count=4)
    path.write_text(TREE.replace('"a snake"', '"a worm"'), encoding="utf-8")
    assert run("score", path).code == 0
    path.write_text(TREE, encoding="utf-8")
    assert run("score", path).code == 0
    (tmp_path / "answer.txt").write_text(TREE.replace('"a snake"', '"a long snake"'), encoding="utf-8")
    shutil.copytree(tmp_path, scored)
    return path


@pytest.fixture
def lose(tree: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[type, str, bool], None]:
    """Has the folder removed, or replaced by another history, just before a method is first called."""

    def arrange(owner: type, name: str, replaced: bool) -> None:
        call, folder = getattr(owner, name), tree.parent / ".treegen"

        def losing(*arguments: Any, **named: Any) -> Any:
            monkeypatch.setattr(owner, name, call)
            shutil.rmtree(folder)
            if replaced:
                with Store(tree) as store:
                    for word in ("minute", "little", "small", "slight"):
                        other = tree_of(TREE.replace("tiny", word), "")
                        store.add_revision(other, author="human", note=word, parent=None)
            return call(*arguments, **named)

        monkeypatch.setattr(owner, name, losing)

    return arrange


@pytest.mark.parametrize("replaced", [False, True])
@pytest.mark.parametrize(
    ("command", "owner", "name"),
    [
        ("score", Store, "add_score"),
        ("score", Store, "record_evaluations"),
        ("revise", ManualChat, "complete"),
        ("revise", Store, "complete_call"),
        ("revise", Store, "attach_calls"),
        ("draft", Store, "add_revision"),
        ("optimize", Store, "add_revision"),
        ("import", Store, "add_revision"),
        ("approve", Store, "find_revision"),
    ],
)
def test_nothing_that_was_stored_is_lost(
    run: Run,
    tree: Path,
    lose: Callable[[type, str, bool], None],
    caplog: pytest.LogCaptureFixture,
    command: str,
    owner: type,
    name: str,
    replaced: bool,
) -> None:
    """Revisions keep their parents, scores and calls their revisions, also where the numbers are another's."""
    answer = tree.parent / "answer.txt"
    manual = ("--model", "manual", "--answer", answer)
    arguments: dict[str, tuple[object, ...]] = {
        "score": ("score", tree),
        "revise": ("revise", tree, "-m", "longer", "--apply", *manual),
        "draft": ("draft", tree.parent, "--force", "--no-score", *manual),
        "optimize": ("optimize", tree, "--apply", "--steps", "1"),
        "import": ("import", answer, "-o", tree, "--domain", tree.parent, "--force"),
        "approve": ("approve", tree, "--by", "Ada <ada@example.org>"),
    }
    before = revisions_of(tree)
    lose(owner, name, replaced)
    done = run(*arguments[command])
    assert done.code == 0, done.err
    after = {revision.digest: revision for revision in revisions_of(tree)}
    assert {revision.digest for revision in before} <= after.keys() or command == "approve"
    assert REMOVED in caplog.text or command == "approve"  # which only reads
    held = after.get(digest_of(tree_of(tree.read_text(encoding="utf-8"), "")))
    assert held is not None or command == "approve"
    numbers = {revision.id: revision.digest for revision in after.values()}
    for revision in after.values():
        assert revision.parent is None or revision.parent < revision.id
    if command in ("revise", "draft", "import"):
        assert held is not None
        assert held.parent is not None
        assert numbers[held.parent] == before[-1].digest
    if command == "revise":
        (call,) = calls_of(tree)
        assert held is not None
        assert (call.revision, call.reply is not None) == (held.id, True)
    if command == "score":
        with Store(tree) as store:
            assert len(store.scores_of(before[-1].digest)) == 2
            assert len(store.scores_of(before[0].digest)) == 1


@pytest.mark.parametrize("replaced", [False, True])
def test_embeddings_are_written_again(
    run: Run, tree: Path, lose: Callable[[type, str, bool], None], caplog: pytest.LogCaptureFixture, replaced: bool
) -> None:
    for number, path in enumerate(sorted((tree.parent / "images" / "Grelm").glob("*.png"))):
        path.with_name(f"more{number}.png").write_bytes(path.read_bytes() + b"more")
    cache = tree.parent / ".treegen" / "embeddings.sqlite"

    def count() -> int:
        with closing(sqlite3.connect(cache)) as db:
            return int(db.execute("SELECT count(*) FROM embedding WHERE sum IS NOT NULL").fetchone()[0])

    before = count()
    lose(EmbeddingCache, "put", replaced)
    done = run("embed", tree.parent, "--json")
    assert done.code == 0, done.err
    assert REMOVED in caplog.text
    assert count() == before + 4
    again = run("embed", tree.parent, "--json")
    assert '"embedded": 0' in again.out


def test_a_history_that_cannot_be_made_again_is_an_error(
    run: Run, tree: Path, lose: Callable[[type, str, bool], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file stands in its place: nothing was written into the tree."""
    text = tree.read_text(encoding="utf-8")
    lose(ManualChat, "complete", False)
    complete = ManualChat.complete

    def block(*arguments: Any, **named: Any) -> Any:
        reply = complete(*arguments, **named)
        (tree.parent / ".treegen").write_text("in the way", encoding="utf-8")
        return reply

    monkeypatch.setattr(ManualChat, "complete", block)
    done = run("revise", tree, "-m", "longer", "--apply", "--model", "manual", "--answer", tree.parent / "answer.txt")
    assert (done.code, tree.read_text(encoding="utf-8")) == (2, text)
    assert ".treegen: cannot be created" in done.err
