"""A memory of two rounds: what it computes, and what it forgets."""

from treegen.clip.memo import LruMemo


def test_a_value_is_computed_once_while_each_round_or_every_other_needs_it() -> None:
    known, made = LruMemo(), list[str]()

    def ask(key: str) -> str:
        def make() -> str:
            made.append(key)
            return key.upper()

        return known.get(key, make)

    assert (ask("a"), ask("a"), made) == ("A", "A", ["a"])
    known.turn()
    assert (ask("a"), ask("b"), made) == ("A", "B", ["a", "b"])
    known.turn()
    known.turn()
    assert (ask("a"), made) == ("A", ["a", "b", "a"])


def test_none_is_a_value() -> None:
    known, made = LruMemo(), list[int]()
    for _ in range(2):
        assert known.get("key", lambda: made.append(1)) is None
    assert made == [1]
