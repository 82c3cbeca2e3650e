"""How `treegen compare` prints its tables: every difference with its sign, and no line wider than the terminal."""

from typing import Any

import pytest

from treegen.cli import output
from treegen.cli.compare import _show


def share(accuracy: float, n: int = 37) -> dict[str, Any]:
    return {"accuracy": accuracy, "interval": [accuracy - 0.1, accuracy + 0.1], "n": n, "correct": round(accuracy * n)}


def paired(difference: float, wins: int, losses: int, p: float = 1.0) -> dict[str, Any]:
    return {"difference": difference, "wins": wins, "losses": losses, "p": p, "p_holm": p, "n": 37}


def comparison(*names: str) -> Any:
    others = names[1:]
    entry = {"encoder": "bundled", "fingerprint": "f", "test": share(0.8), "test_baseline": share(0.1)}
    entry |= {"dev": share(0.8), "dev_baseline": share(0.1)}
    rows = [("Wood Warbler", 0.865, 0.838, paired(-0.027, 2, 3)), ("Wren", 0.7, 0.7, paired(0.0, 0, 0))]
    parts = [
        {"name": name, "shares": [share(a), *(share(b) for _ in others)], "against": [None, *(test for _ in others)]}
        for name, a, b, test in rows
    ]
    return {
        "classes": 6,
        "split": "test",
        "left_out": 0,
        "entries": [{**entry, "name": name} for name in names],
        "pairs": [{"first": 1, "second": 0, **paired(0.027, 3, 2)}],
        "per_class": parts,
        "per_group": parts,
        "changed": [],
    }


def test_a_difference_within_its_error_has_its_sign_too(capsys: pytest.CaptureFixture[str]) -> None:
    _show(comparison("a.json", "b.json"))
    lines = capsys.readouterr().out.splitlines()
    assert next(line for line in lines if line.startswith("Wood Warbler")).endswith("-2.7 (p = 1.0000)")
    assert next(line for line in lines if line.startswith("Wren")).endswith("+0.0 (p = 1.0000)")
    assert next(line for line in lines if line.startswith("b.json against")).split()[3] == "+2.7"
    assert "none" not in "".join(lines)


@pytest.mark.parametrize("width", [60, 80, 100])
@pytest.mark.parametrize(
    "names", [("a.json", "b.json"), ("birds/tree.json@1", "birds/tree.json"), ("x" * 70 + "/tree.json", "b.json")]
)
def test_no_table_is_wider_than_the_terminal(
    names: tuple[str, str], width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Columns are left out where they do not fit, and long names are numbered."""
    monkeypatch.setattr(output, "_columns", lambda _: width)
    _show(comparison(*names))
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if len(line) > width and "x" * 70 not in line] == []
    assert sum(line.startswith("Wood Warbler") for line in lines) == 2
    assert sum("-2.7" in line for line in lines) == 2
    assert all(any(name in line for line in lines) for name in names)
