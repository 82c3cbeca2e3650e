"""Classification trees for CLIP-like models: drafted by an LLM, checked, reviewed and scored.

The names in `__all__` are the public Python API; docs/python.md shows it at work. They are loaded when they are first
used, so that `import treegen` takes no time. Everything else may change between releases.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from treegen.clip.evaluator import Evaluator as Evaluator
    from treegen.config.domain import Domain as Domain
    from treegen.config.domain import load_domain as load_domain
    from treegen.errors import TreegenError as TreegenError
    from treegen.tree.document import save as save_tree
    from treegen.tree.model import ClassRule as ClassRule
    from treegen.tree.model import Group as Group
    from treegen.tree.model import Tree as Tree
    from treegen.tree.validation.problems import Problem as Problem
    from treegen.workflow.check import check_tree as check_tree
    from treegen.workflow.check import load_tree as load_tree
    from treegen.workflow.classify import classify_images as classify
    from treegen.workflow.workspace import Workspace as Workspace

__version__ = "0.1.0"

#: public name -> module, and the name there
_PUBLIC: Final = {
    "ClassRule": ("treegen.tree.model", "ClassRule"),
    "Domain": ("treegen.config.domain", "Domain"),
    "Evaluator": ("treegen.clip.evaluator", "Evaluator"),
    "Group": ("treegen.tree.model", "Group"),
    "Problem": ("treegen.tree.validation.problems", "Problem"),
    "Tree": ("treegen.tree.model", "Tree"),
    "TreegenError": ("treegen.errors", "TreegenError"),
    "Workspace": ("treegen.workflow.workspace", "Workspace"),
    "check_tree": ("treegen.workflow.check", "check_tree"),
    "classify": ("treegen.workflow.classify", "classify_images"),
    "load_domain": ("treegen.config.domain", "load_domain"),
    "load_tree": ("treegen.workflow.check", "load_tree"),
    "save_tree": ("treegen.tree.document", "save"),
}
__all__ = [
    "ClassRule",
    "Domain",
    "Evaluator",
    "Group",
    "Problem",
    "Tree",
    "TreegenError",
    "Workspace",
    "__version__",
    "check_tree",
    "classify",
    "load_domain",
    "load_tree",
    "save_tree",
]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _PUBLIC[name]
    return getattr(import_module(module), attribute)


def __dir__() -> list[str]:
    return sorted({*globals(), *_PUBLIC})
