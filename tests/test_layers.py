"""Which module may import which: the house of the package, kept by reading every import of every file."""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "treegen"

#: The house, from the ground up. A unit imports from the lines above its own, and never from its own line.
LAYERS = (
    ("errors", "progress", "text"),
    ("extras", "files"),
    ("resources", "remote"),  # bundled files; what every service shares
    ("tree",),  # the document, pure
    ("config", "history"),  # domain.toml; .treegen/
    ("images", "vcs"),  # image sets; trees in git
    ("llm", "clip"),  # the language side and the vision side, which never meet below the next line
    ("workflow",),  # what a command and the review both call
    ("exchange", "batch", "doctor", "optimize"),
    ("report",),
    ("review",),
    ("cli",),
    ("__main__",),
)
LAYER = {unit: number for number, units in enumerate(LAYERS) for unit in units}

#: Slow to import (torch 2.3 s, open_clip 5.6 s, litellm 6.1 s): never when a module is loaded, except in those named.
HEAVY = {
    "torch": (),
    "torchvision": (),
    "open_clip": (),
    "transformers": (),
    "huggingface_hub": (),
    "litellm": (),
    "dspy": (),
    "gepa": (),
    "textual": ("treegen.review",),
    "PIL": (),
    "jiter": (),
    "json5": (),
    "ray": (),
    "pyarrow": (),
}
#: The seams: these libraries are imported below the given units alone, also inside functions.
SEAMS = {
    "open_clip": ("clip",),
    "transformers": ("clip",),
    "litellm": ("remote",),
    "dspy": ("optimize",),
    "gepa": ("optimize",),
    "textual": ("review", "cli"),
    "click": ("cli",),
    "ray": ("batch",),
    "pyarrow": ("batch", "images", "report"),
}
STRANGERS_TO_TREES = ("torch", "torchvision", "open_clip", "litellm", "textual", "PIL", "numpy", "click", "rich")


@dataclass(frozen=True, kw_only=True)
class Import:
    """One import: who, what, where, and whether it runs when the module is loaded."""

    module: str
    target: str
    line: int
    at_load: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.line} imports {self.target}"


def module_name(path: Path, package: Path) -> str:
    parts = path.relative_to(package.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def statements(node: ast.AST, at_load: bool = True) -> Iterator[tuple[ast.Import | ast.ImportFrom, bool]]:
    """Every import with whether it runs at load: not in a function, not for the type checker alone."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child, at_load
        elif isinstance(child, ast.If) and ast.unparse(child.test).endswith("TYPE_CHECKING"):
            for inner in child.body:
                yield from statements(ast.Module(body=[inner], type_ignores=[]), False)
            for inner in child.orelse:
                yield from statements(ast.Module(body=[inner], type_ignores=[]), at_load)
        else:
            function = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            yield from statements(child, at_load and not function)


def imports_of(package: Path) -> list[Import]:
    found = []
    for path in sorted(package.rglob("*.py")):
        module = module_name(path, package)
        for node, at_load in statements(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                targets = [alias.name for alias in node.names]
            elif node.level:
                targets = [f"relative import of {node.module or '.'}"]
            else:
                targets = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [Import(module=module, target=t, line=node.lineno, at_load=at_load) for t in targets]
    return found


def unit_of(name: str, package: Path) -> str | None:
    """The part of the package that a module, or a name in one, belongs to; `None` for the package itself."""
    first = name.split(".")[1] if "." in name else ""
    there = (package / first).is_dir() or (package / f"{first}.py").is_file()
    return first if first and there else None


def against_the_layers(imports: list[Import], package: Path) -> list[str]:
    """Imports that go up or sideways, that are relative, or that belong to no layer."""
    faults = []
    for each in imports:
        if each.target.startswith("relative"):
            faults.append(str(each))
        if each.target.split(".")[0] != "treegen":
            continue
        own, other = unit_of(each.module, package), unit_of(each.target, package)
        if other is None or own == other:
            continue
        if own is None and not each.at_load:  # the public API, which loads each name when it is first used
            continue
        if own is None or LAYER.get(own, -1) <= LAYER.get(other, len(LAYERS)):
            faults.append(str(each))
    return faults


def against_the_seams(imports: list[Import], package: Path) -> list[str]:
    """Heavy libraries imported at load, outside their unit, or anywhere in the tree."""
    faults = []
    for each in imports:
        library, unit = each.target.split(".")[0], unit_of(each.module, package)
        loads = library in HEAVY and each.at_load and not each.module.startswith(HEAVY[library] or ("-",))
        outside = library in SEAMS and unit not in SEAMS[library]
        if loads or outside or (unit == "tree" and library in STRANGERS_TO_TREES):
            faults.append(str(each))
    return faults


def test_every_import_inside_the_package_runs_down_the_layers() -> None:
    imports = imports_of(PACKAGE)
    assert sum(each.target.startswith("treegen.") for each in imports) > 100
    assert against_the_layers(imports, PACKAGE) == []


@pytest.mark.slow
def test_heavy_libraries_are_imported_where_they_are_needed_and_nowhere_else() -> None:
    imports = imports_of(PACKAGE)
    assert {"torch", "open_clip", "litellm", "PIL"} <= {each.target.split(".")[0] for each in imports}
    assert against_the_seams(imports, PACKAGE) == []


def test_every_module_of_the_package_has_its_layer() -> None:
    units = {unit_of(module_name(path, PACKAGE), PACKAGE) for path in PACKAGE.rglob("*.py")}
    assert units - {None} == set(LAYER), "a unit without a layer, or a layer without its unit"


@pytest.mark.parametrize("name", [*HEAVY["textual"], *(unit for units in SEAMS.values() for unit in units)])
def test_every_exception_names_something_that_exists(name: str) -> None:
    path = PACKAGE / name.removeprefix("treegen.").replace(".", "/")
    assert path.is_dir() or path.with_suffix(".py").is_file()


@pytest.mark.parametrize(
    ("file", "source", "faults"),
    [
        ("tree/a.py", "from treegen.config.domain import Domain", 1),
        ("tree/a.py", "import treegen.workflow", 1),
        ("tree/a.py", "from treegen import history, errors", 1),
        ("tree/a.py", "from treegen.errors import InputError\nfrom treegen.tree.b import x", 0),
        ("tree/a.py", "from .b import x", 1),
        ("llm/a.py", "def f():\n    from treegen.clip.scoring import score", 1),
        ("clip/a.py", "from treegen.remote.litellm import load_litellm", 0),
        ("remote/a.py", "from treegen.llm.chat import open_chat", 1),
        ("clip/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import treegen.llm.tasks.draft", 1),
        ("history/a.py", "from treegen.config.domain import Domain", 1),
        ("workflow/a.py", "from treegen.llm import drafting\nfrom treegen.clip import scoring", 0),
        ("workflow/a.py", "from treegen.cli.output import say", 1),
        ("cli/a.py", "from treegen import __version__\nfrom treegen.review.app import App", 0),
        ("__init__.py", "from treegen.tree.model import Tree", 1),
        (
            "__init__.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from treegen.tree.model import Tree",
            0,
        ),
        ("stranger.py", "from treegen.errors import InputError", 1),
        ("cli/a.py", "from treegen.stranger import x", 1),
    ],
)
def test_the_reader_of_imports_sees_what_goes_against_the_layers(
    tmp_path: Path, file: str, source: str, faults: int
) -> None:
    package = tmp_path / "treegen"
    for unit in [*LAYER, "stranger"]:
        (package / unit).mkdir(parents=True)
    (package / file).write_text(source)
    assert len(against_the_layers(imports_of(package), package)) == faults


@pytest.mark.parametrize(
    ("file", "source", "faults"),
    [
        ("clip/scoring.py", "import torch", 1),
        ("clip/scoring.py", "def f():\n    import torch", 0),
        ("clip/cache.py", "import torch", 1),
        ("clip/cache.py", "def f():\n    import torch", 0),
        ("clip/cache.py", "try:\n    from torch import Tensor\nexcept ImportError:\n    pass", 1),
        ("clip/cache.py", "class A:\n    from torch import Tensor", 1),
        ("clip/cache.py", "import typing\nif typing.TYPE_CHECKING:\n    from torch import Tensor", 0),
        ("clip/cache.py", "if TYPE_CHECKING:\n    pass\nelse:\n    import open_clip.model", 1),
        ("workflow/a.py", "def f():\n    import torch", 0),
        ("workflow/a.py", "def f():\n    import open_clip", 1),
        ("remote/a.py", "async def f():\n    import litellm", 0),
        ("llm/a.py", "def f():\n    import litellm", 1),
        ("clip/a.py", "def f():\n    import litellm", 1),
        ("images/a.py", "from PIL import Image", 1),
        ("review/app.py", "from textual.app import App", 0),
        ("tree/a.py", "def f():\n    from PIL import Image", 1),
        ("tree/a.py", "if TYPE_CHECKING:\n    import torch", 1),
        ("tree/a.py", "import torchlight, json", 0),
    ],
)
def test_the_reader_of_imports_sees_heavy_libraries_in_the_wrong_place(
    tmp_path: Path, file: str, source: str, faults: int
) -> None:
    package = tmp_path / "treegen"
    for unit in LAYER:
        (package / unit).mkdir(parents=True)
    (package / file).write_text(source)
    assert len(against_the_seams(imports_of(package), package)) == faults


@pytest.mark.parametrize(
    "modules",
    [
        "treegen.tree.validation.checks, treegen.config.domain, treegen.history.store",
        "treegen.images, treegen.tree.changes",
        "treegen.workflow.score",
    ],
)
def test_a_fresh_python_that_imports_the_core_loads_no_heavy_library(modules: str) -> None:
    script = f"import sys, {modules}; print(*sorted({set(HEAVY)!r} & set(sys.modules)), len(sys.modules))"
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd=ROOT, env=env)
    assert done.stderr == ""
    assert done.stdout.strip().isdigit(), f"loaded: {done.stdout}"


def modules_imported(imports: list[Import], modules: set[str]) -> dict[str, set[str]]:
    """Module -> the modules of the package that it imports anywhere, for the type checker alone too."""
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for each in imports:
        name = each.target if each.target in modules else each.target.rpartition(".")[0]
        public = each.module == "treegen" and not each.at_load  # names that are loaded when they are first used
        if name in modules and name != each.module and not public:
            graph[each.module].add(name)
    return graph


def circles(graph: dict[str, set[str]]) -> list[str]:
    """The modules in circles, or between two: what is left when those at the ends are taken out."""
    rest = dict(graph)
    while ends := [module for module, targets in rest.items() if not targets & rest.keys()]:
        for module in ends:
            del rest[module]
    while starts := rest.keys() - {target for targets in rest.values() for target in targets}:
        for module in starts:
            del rest[module]
    return sorted(rest)


@pytest.mark.parametrize(
    ("planted", "in_circles", "above_the_app"),
    [
        ({}, [], []),
        (
            {"clip/a.py": "def f():\n    import treegen.clip.b", "clip/b.py": "from treegen.clip import a"},
            ["clip.a", "clip.b"],
            [],
        ),
        (
            {
                "tree/a.py": "from treegen.tree.b import x",
                "tree/b.py": "if TYPE_CHECKING:\n    from treegen.tree.c import y",
                "tree/c.py": "from treegen.tree.a import z\nfrom treegen.errors import E",
                "tree/d.py": "from treegen.tree.a import z",
            },
            ["tree.a", "tree.b", "tree.c"],
            [],
        ),
        ({"review/flows.py": "if TYPE_CHECKING:\n    from treegen.review.app import App"}, [], ["review.flows"]),
        ({"review/a.py": "def f():\n    from treegen.review import app"}, [], ["review.a"]),
        ({"cli/a.py": "from treegen.review.app import App"}, [], []),
    ],
)
def test_no_module_imports_itself_by_way_of_others_and_only_the_commands_import_the_application(
    tmp_path: Path, planted: dict[str, str], in_circles: list[str], above_the_app: list[str]
) -> None:
    """In the package itself nothing is found; in a made-up one exactly what is planted."""
    package = PACKAGE
    if planted:
        package = tmp_path / "treegen"
        for file, source in {"errors.py": "", "review/app.py": "", **planted}.items():
            (package / file).parent.mkdir(parents=True, exist_ok=True)
            (package / file).write_text(source)
    imports = imports_of(package)
    graph = modules_imported(imports, {module_name(path, package) for path in package.rglob("*.py")})
    assert circles(graph) == [f"treegen.{name}" for name in in_circles]
    users = {module for module, targets in graph.items() if "treegen.review.app" in targets}
    assert {module for module in users if not module.startswith("treegen.cli.")} == {
        f"treegen.{n}" for n in above_the_app
    }
