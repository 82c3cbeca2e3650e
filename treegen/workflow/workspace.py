"""An open tree: its file, its domain, its history, and lazily loaded models."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self, TypeVar

from treegen.config.domain import FILE_NAME, Domain, has_domain, load_domain
from treegen.config.domain import domain_path as domain_file
from treegen.config.settings import ComputeSettings, EncoderSettings, SplitSettings
from treegen.errors import InputError
from treegen.extras import require
from treegen.files import is_folder, real_path
from treegen.history.store import FOLDER, Revision, Store, store_folder
from treegen.images import LabelledImage, divide, fixed_splits, list_images
from treegen.progress import Progress, no_progress
from treegen.text import counted
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.tree.validation.checks import CheckResult, check_text
from treegen.tree.validation.problems import Problem, errors_of
from treegen.vcs.tree_names import TREE_NAME, TreeName
from treegen.vcs.versions import refuse_other_documents

if TYPE_CHECKING:
    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.clip.encoders.interface import Encoder
    from treegen.clip.evaluator import Evaluator

CACHE_NAME: Final = "embeddings.sqlite"

T = TypeVar("T")


def split_settings(split: SplitSettings) -> str:
    """Return the name under which evaluations of a split are counted; by rank it is that of earlier versions."""
    return f"{_earlier_settings(split)}{' by=hash' if split.by == 'hash' else ''}"


def _earlier_settings(split: SplitSettings) -> str:
    """Return the name under which earlier versions recorded a split, by rank."""
    return f"dev={split.dev} seed={split.seed}"


class Workspace:
    """A tree file with its domain and its store. Heavy models are loaded lazily.

    The creator must close it, with `with` or `close`.
    """

    def __init__(
        self,
        tree_path: Path,
        *,
        domain_path: Path | None = None,
        encoder: EncoderSettings | None = None,
        progress: Progress = no_progress,
        version: TreeName | None = None,
    ) -> None:
        """Load the domain; the tree file need not exist yet.

        Args:
            tree_path: the tree file.
            domain_path: the domain file or its folder; the tree's folder if not given.
            encoder: overrides the domain's [encoder].
            progress: called with the progress of long steps.
            version: the revision of the tree to work with; the file as it is if not given.

        Raises:
            InputError: there is no domain, or it cannot be read.
            ProblemsError: the domain has problems.
        """
        if is_folder(tree_path):
            raise InputError(f"{tree_path} is a folder", f"name the tree file, such as {tree_path / TREE_NAME}")
        source = domain_path or tree_path.parent / FILE_NAME
        if domain_path is None and not has_domain(tree_path.parent):
            raise InputError(f"{tree_path}: no {FILE_NAME} beside it", "name the domain with --domain")
        self.path, self.domain_path = tree_path, domain_file(source)
        self.version = version or TreeName(text=str(tree_path), path=tree_path)
        self.domain: Domain = load_domain(source)
        self.encoder_settings = encoder or self.domain.encoder
        self.progress = progress
        self._opened = ExitStack()

    def close(self) -> None:
        """Close the history and the cache if they are open; later accesses reopen them."""
        for name in ("evaluator", "encoder", "cache", "store"):
            self.__dict__.pop(name, None)
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def store(self) -> Store:
        """The history next to the tree."""
        return self._opened.enter_context(Store(self.path))

    @property
    def cache_path(self) -> Path:
        """The embedding cache, in the store's folder."""
        return store_folder(self.path) / CACHE_NAME

    @cached_property
    def cache(self) -> "EmbeddingCache":
        """The embedding cache beside the tree, which evaluator and encoder share."""
        require("clip")
        from treegen.clip.embedding.cache import EmbeddingCache

        return self._opened.enter_context(EmbeddingCache(self.cache_path))

    @cached_property
    def encoder(self) -> "Encoder":
        """The encoder; its model is loaded (seconds) for the first text or image that is not in the cache."""
        require("clip")
        from treegen.clip.encoders.cached import open_cached_encoder

        return open_cached_encoder(
            self.encoder_settings, self.domain.folder, self._cache_for_encoder(), self._load_encoder
        )

    def _load_encoder(self) -> "Encoder":
        from treegen.clip.encoders import open_encoder

        self.progress("loading the encoder", 0, 1)
        encoder = open_encoder(self.encoder_settings, self.domain.folder)
        self.progress("loading the encoder", 1, 1)
        return encoder

    def _cache_for_encoder(self) -> "EmbeddingCache | None":
        """Open the cache if it is worth it: without images, only in a folder that exists already."""
        if self.domain.images is None and not (real_path(self.path).parent / FOLDER).is_dir():
            return None
        try:
            return self.cache
        except InputError:  # not writable, for instance: `evaluator` raises the error if scores are needed
            return None

    @cached_property
    def evaluator(self) -> "Evaluator":
        """The embedded images; new images are embedded on first use."""
        return self._evaluator(self.domain)

    def _evaluator(self, domain: Domain) -> "Evaluator":
        require("clip")
        from treegen.clip.encoders.drift import settle
        from treegen.clip.evaluator import Evaluator

        settle(self.encoder, self.cache)
        return Evaluator(domain, self.encoder, self.cache, self.divide, lambda *step: self.progress(*step))

    def evaluator_with(self, compute: ComputeSettings) -> "Evaluator":
        """Return an evaluator with other compute settings, whose decision rule learns with them."""
        decision = replace(self.domain.decision, parameters=())
        return self._evaluator(replace(self.domain, compute=compute, decision=decision))

    def run(self, job: Callable[[], T]) -> T:
        """Run a job with encoder and evaluator; repeat it once if the encoder turns out to have changed."""
        from treegen.clip.encoders.interface import EncoderChangedError

        try:
            return job()
        except EncoderChangedError:
            # `encoder` is the new one by now, and has a note; the evaluator still holds the old one's vectors
            self.__dict__.pop("evaluator", None)
            return job()

    def divide(self, images: Sequence[LabelledImage]) -> dict[str, str]:
        """Split the images as the image set fixes it, as an earlier version recorded, or by content and seed.

        What was split is recorded: by hash it stays if the image set once fixed it, by rank it is for `split_notes`.
        """
        splits = divide(images, self.domain.classes, self.domain.split, self._lasting_splits())
        self.store.record_split(self._split_settings, splits)
        # another process's earlier record takes precedence, but the image set's own split overrides both
        return {**splits, **self._lasting_splits(), **fixed_splits(images)}

    def recorded_splits(self) -> dict[str, str]:
        """Return content digest -> split, for the images that were split so far."""
        return {**self.store.recorded_split(self._split_settings), **self._earlier_splits()}

    def _lasting_splits(self) -> dict[str, str]:
        """Return what was recorded and stays: by rank only that of earlier versions, or the order of arrival counts."""
        return self.recorded_splits() if self.domain.split.by == "hash" else self._earlier_splits()

    def _earlier_splits(self) -> dict[str, str]:
        """Return the split that an earlier version recorded, by rank."""
        return self.store.recorded_split(_earlier_settings(self.domain.split))

    def split_notes(self, images: Sequence[LabelledImage]) -> tuple[str, ...]:
        """Note the images that are split as an earlier version recorded, and those that moved when a class grew."""
        domain, own, earlier = self.domain, fixed_splits(images), self._earlier_splits()
        contents = {image.digest for image in images} - own.keys()
        splits = divide(images, domain.classes, domain.split, self._lasting_splits())
        notes = []
        if (kept := contents & earlier.keys()) and splits != divide(images, domain.classes, domain.split, {}):
            are = counted(len(kept), "image is", "images are")
            where = "recorded in .treegen: a clone without it splits them differently"
            notes.append(f"{are} split as an earlier version {where}")
        recorded = self.store.recorded_split(self._split_settings)
        if moved := sum(recorded.get(content, splits[content]) != splits[content] for content in contents):
            have = counted(moved, "image has", "images have")
            notes.append(
                f'{have} moved between dev and test since first split: `by = "rank"` splits a class again when its '
                'images change; `by = "hash"` below [split] never moves one'
            )
        return tuple(notes)

    @property
    def _split_settings(self) -> str:
        """The name under which this version records a split."""
        return f"{_earlier_settings(self.domain.split)} by={self.domain.split.by}"

    def dev_images(self) -> tuple[LabelledImage, ...]:
        """Return the images of the recorded dev split: all that a language model may be shown.

        Raises:
            InputError: there are no images.
        """
        images = list_images(self.domain).images
        splits = self.divide(images)
        return tuple(image for image in images if splits[image.digest] == "dev")

    def check(self) -> CheckResult:
        """Check the tree against the domain's classes.

        Raises:
            InputError: the file or the revision cannot be read.
            ProblemsError: it is empty, or JSON of another kind.
        """
        text = self.version.read()
        checked = check_text(text, classes=self.domain.classes, domain=self.domain.name)
        refuse_other_documents(text, checked.data, self.version.text)
        return checked

    def load(self) -> tuple[Tree, tuple[Problem, ...]]:
        """Return the tree, which has no errors, and its warnings.

        Raises:
            InputError: the file cannot be read.
            ProblemsError: the tree has errors.
        """
        checked = self.check()
        return checked.sound_tree(Path(self.version.text)), checked.problems

    def current(self, tree: Tree) -> Revision:
        """Return the revision of this content; store a new one if it was edited outside of treegen."""
        revision = self.store.find_revision(digest_of(tree))
        if revision:
            return revision
        latest = self.store.latest()
        note = f"from {self.version.text}" if self.version.commit else "edited by hand" if latest else "found"
        return self.store.add_revision(tree, author="human", note=note, parent=latest.id if latest else None)


def sound_tree(workspace: Workspace, revision: Revision) -> Tree | None:
    """Return the tree of a revision; `None` if it does not fit the domain any more."""
    checked = check_text(revision.tree, classes=workspace.domain.classes, domain=workspace.domain.name)
    return checked.document.tree if checked.document and not errors_of(checked.problems) else None
