"""The user's request: which pictures, where the results go, and the tree and the domain that belong to them."""

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from treegen.batch.sources import Listing, is_domain, list_sources
from treegen.config.domain import Domain, load_domain
from treegen.errors import InputError, ProblemsError
from treegen.tree.model import Tree
from treegen.vcs.tree_names import TREE_NAME, TreeName
from treegen.workflow.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What to do.

    Attributes:
        listing: the pictures.
        output: the folder of Parquet files; `None` if only the cache is filled.
        cache: the embedding cache; `None` for none.
        workspace: of the domain; `None` if there is no domain.
        tree: answers about every picture; `None` to only embed them.
        top: best classes of every picture in the table, with their scores; 0: only the best.
        notes: what the user should know about it.
    """

    listing: Listing
    output: Path | None
    cache: Path | None
    workspace: Workspace | None
    tree: Tree | None
    notes: tuple[str, ...]
    top: int = 0

    @property
    def domain(self) -> Domain | None:
        """The domain, if there is one."""
        return self.workspace.domain if self.workspace else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the workspace."""
        if self.workspace:
            self.workspace.close()


def make_plan(
    images: Path,
    *,
    output: Path | None = None,
    cache: Path | None = None,
    domain: Path | None = None,
    tree: Path | TreeName | None = None,
    top: int = 0,
) -> Plan:
    """Combine the user's arguments into a plan.

    Args:
        images: a folder, a manifest, a pattern of shards, or a domain (its file or its folder): its image set.
        output: a folder of Parquet files.
        cache: the embedding cache; by default the domain's, if there is one.
        domain: supplies crop, encoder and cache.
        tree: its file, or a revision, answers about each picture; with an `output`, the domain's own by default.
        top: best classes of each picture in the table; needs a tree.

    Raises:
        InputError: no destination is given, or something does not exist.
        ProblemsError: the domain or the given tree has problems.
    """
    own = is_domain(images)
    if own and domain:
        raise InputError(f"{images} is a domain itself", "omit --domain, or name a folder of images")
    if tree and not output:
        raise InputError("--tree needs a folder for the answers", "add -o FOLDER, or use `treegen score TREE`")
    workspace = _workspace(images if own else domain, tree)
    cache = cache or (workspace.cache_path if workspace else None)
    if not (output or cache):
        raise InputError("no destination for the embeddings", "give -o FOLDER, --cache FILE or --domain DOMAIN")
    if output and output.is_file():
        raise InputError(f"{output} is a file", "name a folder for the Parquet files")
    answering, notes = None, tuple[str, ...]()
    if workspace and output and (tree or workspace.path.is_file()):
        try:
            answering = workspace.load()[0]
        except (InputError, ProblemsError) as error:
            if tree:
                raise
            notes = (f"embedded only, not scored: {error.message}",)
    if top and answering is None:
        raise InputError("the best classes of a picture need a tree's answers in a table", "--tree TREE -o FOLDER")
    listing = list_sources(images, workspace.domain if workspace else None, own=own)
    return Plan(listing=listing, output=output, cache=cache, workspace=workspace, tree=answering, notes=notes, top=top)


def _workspace(domain: Path | None, tree: Path | TreeName | None) -> Workspace | None:
    if isinstance(tree, TreeName):
        return Workspace(tree.path, domain_path=domain, version=tree)
    if tree:
        return Workspace(tree, domain_path=domain)
    if domain:
        return Workspace(load_domain(domain).folder / TREE_NAME, domain_path=domain)
    return None
