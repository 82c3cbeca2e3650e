"""The public Python API: what `treegen.__all__` names, and the example of docs/python.md."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import treegen
from tests.conftest import ROOT, TREE


@pytest.mark.parametrize("name", treegen.__all__)
def test_every_public_name_exists_and_is_documented(name: str) -> None:
    thing = getattr(treegen, name)
    assert name == "__version__" or thing.__doc__
    assert name in dir(treegen)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'lode_tree'"):
        treegen.lode_tree  # noqa: B018


def test_importing_treegen_loads_nothing_else() -> None:
    script = (
        "import sys, treegen; print(sorted(m for m in sys.modules if m.startswith('treegen')), 'numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "['treegen'] False"


def test_the_example_of_the_documentation_runs(sketchbook: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(encoding="utf-8"), re.DOTALL)
    (sketchbook / "tree.json").write_text(TREE)
    sketchbook.rename(sketchbook.with_name("demo"))
    monkeypatch.chdir(sketchbook.parent)
    names: dict[str, object] = {}
    exec(code, names)
    tree = treegen.load_tree(Path("demo/copy.json"))
    assert tree == names["tree"]
    assert 0.3 < names["test"]["accuracy"] <= 1  # type: ignore[index]
