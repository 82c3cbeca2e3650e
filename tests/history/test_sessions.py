"""The journal: what it keeps, and whose session it is."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from treegen.errors import InputError
from treegen.history.sessions import Journal, Step
from treegen.history.store import Store
from treegen.tree.changes import OptionAdded, OptionRemoved, RuleChanged

Open = Callable[[Store], Journal]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "tree.json")
    yield store
    store.close()


@pytest.fixture
def journal_of() -> Iterator[Callable[[Store], Journal]]:
    """Journals that let go of their sessions after the test."""
    journals: list[Journal] = []

    def make(store: Store) -> Journal:
        journals.append(Journal(store))
        return journals[-1]

    yield make
    for journal in journals:
        journal.release()


def step(label: str) -> Step:
    there = OptionAdded(group="g", option=label, after=None)
    return Step(label=label, changes=(there,), back=(OptionRemoved(group="g", option=label, after=None),))


def test_what_is_kept_comes_back_as_it_was(store: Store, journal_of: Open) -> None:
    journal = journal_of(store)
    number = journal.begin("text", "hash")
    odd = Step(label="\x1b[31m", changes=(RuleChanged(class_name="é", group="g", old=None, new=3),), back=())
    journal.add(number, 0, step("a"), frozenset())
    journal.add(number, 1, odd, frozenset())
    journal.lock(number, frozenset())
    journal.move(number, 1, frozenset({"group g"}))
    journal.saw_file(number, "other", "h2")
    journal.release()
    left = journal_of(store).latest()
    assert left
    assert left.steps == (step("a"), odd)
    assert (left.base, left.saved, left.file_hash, left.position) == ("text", "other", "h2", 1)
    assert left.locks == {"group g"}


def test_steps_that_were_undone_and_replaced_stay_in_the_store(store: Store, journal_of: Open) -> None:
    journal = journal_of(store)
    number = journal.begin("text", "hash")
    for place, label in ((0, "a"), (1, "b"), (1, "c")):
        journal.add(number, place, step(label), frozenset())
    journal.release()
    left = journal_of(store).latest()
    assert left
    assert [s.label for s in left.steps] == ["a", "c"]
    kept = store.rows("SELECT label FROM step WHERE session=? ORDER BY id", (number,))
    assert kept == [("a",), ("b",), ("c",)]


def test_a_session_belongs_to_one_at_a_time(store: Store, journal_of: Open) -> None:
    first, second = journal_of(store), journal_of(store)
    number = first.begin("text", "hash")
    assert second.latest() is None
    first.release()
    left = second.latest()
    assert left
    assert left.id == number
    assert first.latest() is None
    second.release()


def test_a_session_that_is_ended_or_of_another_file_is_not_found(
    store: Store, tmp_path: Path, journal_of: Open
) -> None:
    journal = journal_of(store)
    journal.end(journal.begin("text", "hash"))
    assert journal.latest() is None
    journal.begin("text", "hash")
    journal.release()
    other = Store(tmp_path / "other.json")
    assert journal_of(other).latest() is None
    other.close()


def test_decisions_come_back_oldest_first_and_only_the_last_ones(store: Store, journal_of: Open) -> None:
    journal = journal_of(store)
    journal.decide("shorter", [*step("a").changes, *step("b").changes], taken=True, why="")
    journal.decide("longer", step("c").changes, taken=False, why="too long")
    told = journal.decisions(2)
    assert [(taken, why) for _, taken, why in told] == [(True, ""), (False, "too long")]
    assert '"b"' in told[0][0]


def test_a_full_disk_is_an_error_of_its_own_and_nothing_is_half_kept(store: Store, journal_of: Open) -> None:
    journal = journal_of(store)
    number = journal.begin("text", "hash")
    journal.add(number, 0, step("a"), frozenset())
    store.rows("PRAGMA max_page_count=1", ())
    big = step("b" * 10_000_000)
    with pytest.raises(InputError, match=r"store\.sqlite"):
        journal.add(number, 1, big, frozenset())
    journal.release()
    left = journal_of(store).latest()
    assert left
    assert (left.position, left.steps) == (1, (step("a"),))
