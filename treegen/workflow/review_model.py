"""The state that the review screens show: session, domain if there is one, problems, and scores as they arrive."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self, TypeVar

from treegen.config.domain import FILE_NAME, Domain, load_domain
from treegen.config.settings import EncoderSettings
from treegen.errors import InputError, TreegenError
from treegen.files import read_text
from treegen.history.score_document import Diagnosis, Paired, Score, as_tested
from treegen.history.store import Store
from treegen.progress import Cancelled, Progress, no_progress
from treegen.text import first_line
from treegen.tree.changed_parts import ChangedParts, changed_parts
from treegen.tree.document import digest_of
from treegen.tree.feedback_target import Target
from treegen.tree.model import Tree
from treegen.tree.review_notes import Notes, comments, reviewed
from treegen.tree.validation.checks import approval_problems
from treegen.tree.validation.problems import Problem, errors_of, with_levels
from treegen.workflow.check import advice_problems, check_tree, file_problems
from treegen.workflow.luck import luck_of, record_choice
from treegen.workflow.second_review import SecondSession
from treegen.workflow.session import Session
from treegen.workflow.tree_comparison import Base, approved_base, saved_base
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.clip.diagnosis.mistakes import Mistake
    from treegen.clip.diagnosis.observations import Observations

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """A tree's performance on the dev split under the domain's decision rule.

    Attributes:
        tree: what was measured.
        dev: the `dev` entry of a score document.
        mistakes: the misclassified images.
        rule: name of the decision rule.
        observations: the answers on every image; `None` for a stored score.
        problems: what the score says against the tree: options that are confused, groups that do harm.
        is_stored: it was read from the history, which keeps neither mistakes nor observations.
        change: the paired test on the dev split against the tree that was measured before; `None` for the first.
    """

    tree: Tree
    dev: Diagnosis
    mistakes: "tuple[Mistake, ...]" = ()
    rule: str = "mean"
    observations: "Observations | None" = None
    problems: tuple[Problem, ...] = ()
    is_stored: bool = False
    change: Paired | None = None

    def group(self, name: str) -> dict[str, Any] | None:
        """Return the diagnosis of a group, if any."""
        return next((g for g in self.dev["groups"] if g["name"] == name), None)

    def class_(self, name: str) -> dict[str, Any] | None:
        """Return the diagnosis of a class, if any."""
        return next((c for c in self.dev["classes"] if c["name"] == name), None)


def _measure(workspace: Workspace, tree: Tree, before: Tree | None) -> Measurement:
    evaluator, domain = workspace.evaluator, workspace.domain
    dev = evaluator.diagnose(tree)
    change = None
    if before is not None and before != tree and not evaluator.obstacle(before):
        change = record_choice(workspace, tree, before, "review")
    if (luck := luck_of(workspace, tree, dev["accuracy"])) is not None:
        dev["luck"] = luck
    return Measurement(
        tree=tree,
        dev=dev,
        mistakes=evaluator.mistakes(tree),
        rule=domain.decision.rule,
        observations=evaluator.observe(tree),
        problems=_advice(tree, dev, domain),
        change=change,
    )


def _advice(tree: Tree, dev: Diagnosis, domain: Domain) -> tuple[Problem, ...]:
    return with_levels(advice_problems(tree, dev), dict(domain.check.severity))[0]


def _stored(domain: Domain, encoder: str, session: Session) -> tuple[Measurement | None, Score | None]:
    """Return the last scores of the tree by an encoder, as the history has them."""
    stored = session.store.scores_of(digest_of(session.tree))
    with session.store.shaped():
        scores = [s for s in stored if s["encoder"]["name"] == encoder]
        if not scores:
            return None, None
        dev, rule = scores[-1]["dev"], scores[-1]["decision_rule"]
        problems = _advice(session.tree, dev, domain)
    measured = Measurement(tree=session.tree, dev=dev, rule=rule, problems=problems, is_stored=True)
    return measured, next((score for score in reversed(scores) if as_tested(score)), None)


class ReviewModel:
    """A tree under review. Nothing here blocks on a model: models run on a thread of their own.

    The creator must close it, with `with` or `close`.

    Attributes:
        session: the tree and its steps.
        domain: `None` if missing or invalid; `missing` then says why and what to do.
        measured: the last score on the dev split, possibly of an earlier state of the tree.
        scores: all accuracies on the dev split since the review began, 0 to 1.
        tested: the last score document, including the test split.
        unreadable: why the file on disk cannot be read as a tree, with places; nothing if it can.
        second: the name of the second reviewer whose blind pass this is; empty in a review of the tree.
    """

    def __init__(
        self,
        path: Path,
        *,
        domain_path: Path | None = None,
        encoder: EncoderSettings | None = None,
        thread: Executor | None = None,
        read_only: bool = False,
        second: str = "",
    ) -> None:
        """Open the tree, the session it was left in, and its domain.

        Args:
            path: the tree file.
            domain_path: the domain file or its folder; the tree's folder if not given.
            encoder: overrides the domain's [encoder].
            read_only: nothing is edited, saved or noted.
            second: the name of a second reviewer, who answers without seeing the rules.
            thread: runs the jobs of the models, one after another in one thread; a pool of one if not given.

        Raises:
            InputError: the file cannot be opened.
        """
        with ExitStack() as opened:
            store = opened.enter_context(Store(path, reviewer=second))
            self.session = (SecondSession if second else Session)(path, store, read_only=read_only)
            opened.callback(self.session.close)
            self._opened = opened.pop_all()
        self.path, self.second = path, second
        self.missing = ""
        self.domain: Domain | None = None
        domain_file = domain_path or path.parent / FILE_NAME
        self.domain_path = domain_file
        try:
            self.domain = load_domain(domain_file)
        except TreegenError as error:
            self.missing = f"{first_line(error.message)}: {error.tip}"
        if self.domain and not self.domain.images:
            self.missing = f"{domain_file} names no images, so nothing can be scored: add [images] folder = ..."
        if second:
            self.missing = "a second review has no score: it would say how the first reviewer answered"
        self.measured: Measurement | None = None
        self.tested: Score | None = None
        if self.domain and self.domain.images and not second:
            self.measured, self.tested = _stored(self.domain, (encoder or self.domain.encoder).name, self.session)
        self.scores = [self.measured.dev["accuracy"]] if self.measured else []
        self._checked: tuple[Tree, tuple[Problem, ...]] | None = None
        self._approval: tuple[Tree, tuple[Problem, ...]] | None = None
        self._base: Base | None = None
        self._approved: tuple[str, Base | None] = ("", None)
        self._changed: tuple[Tree, Tree, ChangedParts] | None = None
        self._reviewed: tuple[Tree, Notes, frozenset[Target]] | None = None
        self._file_problems: tuple[Problem, ...] = ()
        self.unreadable: tuple[Problem, ...] = ()
        self.file_read()
        self._encoder = encoder
        self._thread = thread or ThreadPoolExecutor(1, "clip")  # models are not shared between threads
        self._workspace: Workspace | None = None
        self._lock, self._users, self._closed = Lock(), 0, False
        self._progress: Progress = no_progress

    @property
    def tree(self) -> Tree:
        """The current tree."""
        return self.session.tree

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything wrong with the current tree, its file and its approval, and what its score says against it."""
        return (*self._of_file, *self._tree_problems, *self._others)

    @property
    def _of_file(self) -> tuple[Problem, ...]:
        """Why the file cannot be read, or what was read otherwise than it is written."""
        return (*self.unreadable, *(reading.problem for reading in self.session.readings))

    @property
    def _tree_problems(self) -> tuple[Problem, ...]:
        if self._checked is None or self._checked[0] is not self.tree:
            is_checked = not self.session.is_blank and not self.second
            self._checked = (self.tree, check_tree(self.tree, self.domain) if is_checked else ())
        return self._checked[1]

    @property
    def _others(self) -> tuple[Problem, ...]:
        advice = self.measured.problems if self.measured and not self.stale else ()
        if self._approval is None or self._approval[0] is not self.tree:
            self._approval = (self.tree, tuple(approval_problems(self.tree)))
        found = (*self._file_problems, *self._approval[1])
        return (*with_levels(found, dict(self.domain.check.severity) if self.domain else {})[0], *advice)

    @property
    def known_problems(self) -> tuple[Problem, ...]:
        """The last computed problems, possibly of an earlier state; does not run the checks."""
        return (*self._of_file, *self._checked[1], *self._others) if self._checked else ()

    def compare_with(self, base: Base) -> None:
        """Let `changed` be since that."""
        self._base = base

    @property
    def base(self) -> Base:
        """What the tree is compared with: as chosen, or what was approved, or what was saved last."""
        return self._base or self._approved_base() or saved_base(self.session)

    def _approved_base(self) -> Base | None:
        signed = self.tree.review
        if signed is None:
            return None
        if self._approved[0] != signed.digest:
            with suppress(TreegenError):
                self._approved = (signed.digest, None)
                self._approved = (signed.digest, approved_base(self.session))
        return self._approved[1]

    @property
    def changed(self) -> ChangedParts:
        """The parts of the tree that are not as in `base`."""
        base = self.base.tree
        if self._changed is None or self._changed[0] is not base or self._changed[1] is not self.tree:
            self._changed = (base, self.tree, changed_parts(base, self.tree))
        return self._changed[2]

    @property
    def reviewed(self) -> frozenset[Target]:
        """The groups and classes that are marked as reviewed and have not changed since."""
        notes = self.session.notes
        if self._reviewed is None or self._reviewed[0] is not self.tree or self._reviewed[1] is not notes:
            self._reviewed = (self.tree, notes, reviewed(self.tree, notes))
        return self._reviewed[2]

    @property
    def comments(self) -> dict[Target, str]:
        """The comments on what the tree has, in its order."""
        return comments(self.tree, self.session.notes)

    @property
    def errors(self) -> int:
        """How many errors keep the tree from being scored: its own, and what is written otherwise in its file."""
        blank = len(self.unreadable) if self.session.is_blank else 0
        return len(errors_of(self._tree_problems)) + len(self.session.readings) + blank

    @property
    def can_score(self) -> bool:
        """Whether there are images, and the tree has no errors."""
        return self.domain is not None and self.domain.images is not None and not self.errors and not self.second

    def file_read(self) -> None:
        """Check what only the file has, such as its digest, after the session has read or written it."""
        self.unreadable = self.session.unreadable
        self._file_problems = ()
        if self.second or self.session.is_blank:
            return
        with suppress(InputError):
            self._file_problems = file_problems(
                read_text(self.path), self.session.saved, [reading.problem for reading in self.session.readings]
            )

    @property
    def file_problem(self) -> Problem | None:
        """Why the file on disk cannot be read, with its place."""
        return self.unreadable[0] if self.unreadable else None

    def reread(self) -> bool:
        """Read a file that could not be read again; return whether there is a tree now.

        Raises:
            InputError: it cannot be opened.
        """
        is_read = self.session.reread()
        self.file_read()
        return is_read

    @property
    def stale(self) -> bool:
        """Whether the last score belongs to other content; an approval changes none."""
        scored = self.measured.tree if self.measured else None
        if scored is None or scored is self.tree:
            return scored is None
        return replace(scored, review=None) != replace(self.tree, review=None)

    def measure(self, progress: Progress = no_progress) -> "Future[Measurement]":
        """Score the current tree on the dev split, on the models' thread."""
        tree, before = self.tree, self.measured.tree if self.measured else None
        return self.on_models(lambda work: _measure(work, tree, before), progress)

    def on_models(self, job: Callable[[Workspace], T], progress: Progress = no_progress) -> "Future[T]":
        """Run a job with the workspace on the models' thread, which loads models lazily.

        If the review is closed while the job runs, the job fails with `Cancelled`.
        """

        def run() -> T:
            self._progress = progress  # safe: one job runs at a time
            with self.workspace() as work:
                return work.run(lambda: job(work))

        return self._thread.submit(run)

    @contextmanager
    def workspace(self) -> Iterator[Workspace]:
        """Yield the review's single workspace, on any thread; its models belong to the models' thread alone.

        Raises:
            Cancelled: the review is closed.
            InputError: there is no domain.
            ProblemsError: the domain has problems.
        """
        with self._lock:
            if self._closed:
                raise Cancelled
            if self._workspace is None:
                self._workspace = Workspace(
                    self.path, domain_path=self.domain_path, encoder=self._encoder, progress=self._report_progress
                )
            self._users += 1
            work = self._workspace
        try:
            yield work
        finally:
            with self._lock:
                self._users -= 1
                self._close_unused()

    def _report_progress(self, task: str, done: int, total: int) -> None:
        if self._closed:
            raise Cancelled
        self._progress(task, done, total)

    def _close_unused(self) -> None:
        if self._closed and not self._users and self._workspace:
            self._workspace.close()

    def close(self) -> None:
        """End the review. Unsaved work is kept; resources still used by threads are closed when those finish."""
        self._thread.shutdown(wait=False, cancel_futures=True)
        with self._lock:
            self._closed = True
            self._close_unused()
        self._opened.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
