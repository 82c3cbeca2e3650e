"""`treegen optimize --model`: a language model proposes, the halves of dev decide, the test split is opened last."""

import hashlib
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from treegen.config.settings import LlmSettings
from treegen.errors import ModelError, TreegenError, WaitingError
from treegen.history.score_document import TestedScore, as_tested
from treegen.history.store import Choice, Revision
from treegen.optimize.run import choice_of, filled, load_seed, require_scorable, store_steps, wordings_of
from treegen.optimize.state import OutOfTimeError, ResumedChat, RunState
from treegen.progress import Cancelled
from treegen.remote.addresses import without_credentials
from treegen.remote.budget import CAP, Bill
from treegen.tree.document import digest_of
from treegen.tree.feedback_target import Feedback, lock_of
from treegen.tree.model import Tree
from treegen.workflow.luck import record_choices
from treegen.workflow.recording import ProgressChat, Recorder
from treegen.workflow.score import score_tree
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.llm.chat.interface import Chat, OnText
    from treegen.llm.tasks.attempts import Attempt
    from treegen.optimize.adapter import Candidate, Round, TreeAdapter
    from treegen.optimize.judge import Judge
    from treegen.optimize.search import Search

logger = logging.getLogger(__name__)
Stop = Literal["no gain", "target", "perfect", "cap", "time", "interrupted", "failed"]
#: after these the run is over; after the others the same command resumes it
FINAL: Final = frozenset({"no gain", "target", "perfect"})
#: after these nothing more is computed
_AT_ONCE: Final = frozenset({"interrupted", "failed", "time"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a run is asked for.

    Attributes:
        locks: `group NAME` and `class NAME`, which stay as they are.
        rule_edits: allow changes of the answers in existing groups.
        wordings: file of other wordings, for the search at the end.
        steps: most single changes that the search at the end accepts.
        patience: rounds without a significant gain on the confirm half after which the run ends.
        target: share of the confirm half at which it ends.
        seconds: the most that it may last.
        repairs: requests to correct a reply.
        baseline: spend as many replies on independent drafts.
        fresh: do not resume an earlier run.
    """

    locks: Sequence[str] = ()
    rule_edits: bool = True
    wordings: Path | None = None
    steps: int = 50
    patience: int = 5
    target: float | None = None
    seconds: float | None = None
    repairs: int = 1
    baseline: bool = False
    fresh: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Baseline:
    """The best of independent drafts.

    Attributes:
        drafts: trees without errors.
        replies: that they took.
        right: images of the confirm half that the best gets right; `None` if no draft is without errors.
        tree: the best.
        score: of the best on the test split; `None` if that is sealed.
    """

    drafts: int
    replies: int
    right: int | None = None
    tree: Tree | None = None
    score: TestedScore | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Automatic:
    """The result of a run.

    Attributes:
        seed: the tree that it started from.
        tree: the best.
        revision: number of its revision.
        candidates: what was accepted on the propose half, the seed first.
        revisions: for each candidate its revision.
        rounds: all proposals.
        best: number of the best candidate, before the search.
        n: images of the propose half and of the confirm half.
        propose: how many of the propose half the seed and the best tree get right.
        confirm: the same for the confirm half.
        luck: what the best of so many candidates would gain in accuracy on the confirm half if every image that flips
            flipped at random, on average.
        search: single changes of the best candidate, without a language model; `None` if that did not run.
        stop: why it ended.
        error: what ended it, if an error did.
        bill: what all processes of the run spent.
        replies: of the language model.
        reused: those that an earlier process had.
        seconds: in all processes together.
        score: of the best tree on the test split, compared with the seed; `None` if it was not evaluated.
        baseline: `None` if it was not asked for, or could not be made.
    """

    seed: Tree
    tree: Tree
    revision: int
    candidates: "tuple[Candidate, ...]"
    revisions: tuple[int, ...]
    rounds: "tuple[Round, ...]"
    best: int
    n: tuple[int, int]
    propose: tuple[int, int]
    confirm: tuple[int, int]
    luck: float
    search: "Search | None"
    stop: Stop
    error: TreegenError | None
    bill: Bill
    replies: int
    reused: int
    seconds: float
    score: TestedScore | None
    baseline: Baseline | None

    @property
    def changed(self) -> bool:
        """Whether the best tree is not the seed."""
        return self.tree != self.seed


@dataclass(slots=True, kw_only=True)
class Automation:
    """A run that is ready to ask.

    Attributes:
        state: what of it is in the store, with its budget.
    """

    workspace: Workspace
    settings: LlmSettings
    options: Options
    seed: Tree
    locks: list[str]
    wordings: dict[str, list[str]]
    judge: "Judge"
    state: RunState
    revisions: dict[str, int] = field(default_factory=dict)

    def run(
        self,
        chat: "Chat",
        *,
        on_text: "OnText | None" = None,
        on_round: "Callable[[Round, TreeAdapter], None] | None" = None,
    ) -> Automatic:
        """Run until an end is reached, and report.

        Args:
            chat: the language model, with the budget of `state`.
            on_text: called with each reply as it streams in.
            on_round: called after each round.

        Raises:
            WaitingError: a person has to fetch a reply.
            InputError: a template cannot be rendered.
        """
        from treegen.llm.chat.response_cache import request_key
        from treegen.optimize.adapter import TreeAdapter
        from treegen.optimize.proposer import Proposer

        recorder = Recorder(self.workspace.store, chat)
        heard = recorder if on_text else ProgressChat(recorder, self.workspace.progress)
        resumed = ResumedChat(heard, self.state, lambda messages, wire: request_key(self.settings, messages, wire))
        proposer = Proposer(
            self.workspace.domain,
            resumed,
            recorder,
            rule_edits=self.options.rule_edits,
            locked=Feedback(text="", locks=frozenset(self.locks)).locked_words,
            on_text=on_text,
        )
        adapter = TreeAdapter(
            domain=self.workspace.domain,
            seed=self.seed,
            judge=self.judge,
            proposer=proposer,
            obstacle=self.workspace.evaluator.obstacle,
            locks=self.locks,
            rule_edits=self.options.rule_edits,
            patience=self.options.patience,
            target=self.options.target,
            repairs=self.options.repairs,
            on_candidate=self._store,
            on_round=lambda each: on_round(each, adapter) if on_round else None,
        )
        stop, error = self._loop(adapter, resumed, recorder)
        return self._finish(adapter, resumed, recorder, stop, error)

    def _loop(self, adapter: "TreeAdapter", chat: ResumedChat, recorder: Recorder) -> tuple[Stop, TreegenError | None]:
        """Let gepa propose until something ends it."""
        import gepa

        from treegen.optimize.adapter import Ended
        from treegen.optimize.proposer import Leave

        half = {name: [(name, row) for row in range(len(rows))] for name, rows in self.judge.rows.items()}
        try:
            gepa.optimize(
                seed_candidate=adapter.begin(),
                trainset=half["propose"],
                valset=half["confirm"],
                adapter=adapter,
                candidate_selection_strategy="current_best",
                batch_sampler=_FullBatchSampler(),
                skip_perfect_score=False,
                acceptance_criterion=adapter,
                stop_callbacks=[adapter.should_stop],
                track_best_outputs=False,
                logger=_Log(),
                run_dir=None,  # its state is a pickle, and lacks what a faithful resumption needs
            )
        except KeyboardInterrupt:
            return self._ended(adapter, "interrupted"), None
        except Leave as leave:
            cause = leave.cause
            if isinstance(cause, Ended):
                return self._ended(adapter, cause.reason), None
            if isinstance(cause, OutOfTimeError):
                return self._ended(adapter, "time"), None
            if isinstance(cause, Cancelled):
                return self._ended(adapter, "interrupted"), None
            if isinstance(cause, WaitingError):
                self.state.pause()
                raise _numbered(cause, chat) from None
            if isinstance(cause, ModelError):
                return self._ended(adapter, "cap" if cause.code == CAP else "failed"), cause
            raise cause from None
        raise AssertionError("gepa ended by itself")

    def _ended(self, adapter: "TreeAdapter", stop: Stop) -> Stop:
        adapter.report()
        self.state.pause()
        return stop

    def _store(self, current: "Round", candidates: "Sequence[Candidate]") -> None:
        """Store a candidate as a revision of its parent, with its score on the dev split."""
        assert current.tree is not None
        parent = self.revisions[digest_of(candidates[current.parent].tree)]
        changes = "; ".join(current.changes)
        note = f"optimize, round {current.number}, {current.kind}, {current.fate}: {changes}"
        self._stored(current.tree, note, parent)

    def _stored(self, tree: Tree, note: str, parent: int | None, author: str = "llm") -> int:
        """Return the number of a tree's revision, which a process before may have stored."""
        store, digest = self.workspace.store, digest_of(tree)
        revision: Revision | None = store.find_revision(digest)
        if revision is None:
            revision = store.add_revision(tree, author=author, note=note, parent=parent)
            store.add_score(revision.id, self.workspace.evaluator.score(tree, sealed=True))
        self.revisions[digest] = revision.id
        return revision.id

    def _finish(
        self,
        adapter: "TreeAdapter",
        chat: ResumedChat,
        recorder: Recorder,
        stop: Stop,
        error: TreegenError | None,
    ) -> Automatic:
        from treegen.optimize.search import luck_of

        if not adapter.candidates:  # interrupted before the seed was scored
            raise KeyboardInterrupt
        best, search, baseline = adapter.candidates[adapter.best].tree, None, None
        replies, tree, revision = chat.number, best, self.revisions[digest_of(best)]
        record_choices(self.workspace, self._choices(adapter))
        if stop not in _AT_ONCE:
            search = self._search(best)
            record_choices(self.workspace, map(choice_of, search.shown))
            tree, revision = search.tree, store_steps(self.workspace, best, search)
            if search.stop == "interrupted":
                stop = "interrupted"
        if self.options.baseline and stop not in _AT_ONCE:
            baseline, stop, error = self._draft(chat, recorder, replies, stop, error)
        score = None
        if stop not in _AT_ONCE - {"time"} and not self.workspace.domain.split.sealed:
            if tree != self.seed:
                score = as_tested(score_tree(self.workspace, tree, parent=self.seed).score)
            if baseline and baseline.tree is not None:
                baseline = _scored(self.workspace, baseline, self.seed)
        if stop in FINAL:
            self.state.finish()
        judge = self.judge
        return Automatic(
            seed=self.seed,
            tree=tree,
            revision=revision,
            candidates=tuple(adapter.candidates),
            revisions=tuple(self.revisions[digest_of(each.tree)] for each in adapter.candidates),
            rounds=tuple(adapter.rounds),
            best=adapter.best,
            n=(len(judge.rows["propose"]), len(judge.rows["confirm"])),
            propose=(judge.right(self.seed, "propose"), judge.right(tree, "propose")),
            confirm=(judge.right(self.seed, "confirm"), judge.right(tree, "confirm")),
            luck=luck_of([each.from_seed.flips for each in adapter.candidates[1:]], len(judge.rows["confirm"])),
            search=search,
            stop=stop,
            error=error,
            bill=self.state.budget.bill,
            replies=replies,
            reused=chat.reused,
            seconds=self.state.seconds,
            score=score,
            baseline=baseline,
        )

    def _choices(self, adapter: "TreeAdapter") -> "Iterator[Choice]":
        """Yield the candidates that the confirm half saw, each with the trees that the propose half rejected before."""
        tried = 0
        for current in adapter.rounds:
            tried += len(current.dropped)
            if current.tree is None or current.candidate is None:
                tried += current.propose is not None
                continue
            parent, halves = adapter.candidates[current.parent].tree, self.judge.rows
            yield Choice(
                tree=digest_of(current.tree),
                base=digest_of(parent),
                source="optimize",
                n=sum(map(len, halves.values())),
                right=sum(self.judge.right(parent, half) for half in halves),
                flips=sum(self.judge.difference(parent, current.tree, half).flips for half in halves),
                tried=tried,
            )
            tried = 0

    def _search(self, tree: Tree) -> "Search":
        """Search for single changes of the best candidate.

        Not with the words of other candidates, which were measured, and may be those of another option.
        """
        from treegen.optimize.search import search

        pool = {group.name: words for group in tree.groups if (words := self.wordings.get(group.name))}
        self.workspace.evaluator.text_features([*tree.prompts(), *filled(tree, pool)])
        return search(
            tree,
            self.judge.pair,
            self.workspace.evaluator.obstacle,
            wordings=pool,
            locks=self.locks,
            rule_edits=self.options.rule_edits,
            steps=self.options.steps,
            progress=self.workspace.progress,
        )

    def _draft(
        self, chat: ResumedChat, recorder: Recorder, replies: int, stop: Stop, error: TreegenError | None
    ) -> "tuple[Baseline | None, Stop, TreegenError | None]":
        """Make independent drafts with as many replies as the run took."""
        from treegen.config.class_notes import without_asking
        from treegen.llm.tasks.draft import draft

        domain, drafts, first = without_asking(self.workspace.domain), list[Tree](), chat.number
        known = len(recorder.calls)

        def record(attempt: "Attempt") -> None:
            nonlocal known
            if attempt.reply is None or len(recorder.calls) > known:  # else an earlier process recorded it
                recorder.record(attempt)
                known = len(recorder.calls)

        try:
            while (left := replies - (chat.number - first)) > 0:
                made = draft(domain, chat, tries=min(left, 1 + self.options.repairs), on_attempt=record)
                if made.tree is not None and not self.workspace.evaluator.obstacle(made.tree):
                    drafts.append(made.tree)
        except WaitingError as waiting:
            raise _numbered(waiting, chat) from None
        except (KeyboardInterrupt, Cancelled) as ended:
            return None, "time" if isinstance(ended, OutOfTimeError) else "interrupted", error
        except ModelError as failed:
            return None, "cap" if failed.code == CAP else "failed", failed
        if not drafts:
            return Baseline(drafts=0, replies=replies), stop, error
        best = max(drafts, key=lambda tree: float(self.judge.probabilities(tree, "confirm").mean()))
        self._stored(best, f"optimize, baseline: best of {len(drafts)} drafts", None)
        right = self.judge.right(best, "confirm")
        return Baseline(drafts=len(drafts), replies=replies, right=right, tree=best), stop, error


def _scored(workspace: Workspace, baseline: Baseline, seed: Tree) -> Baseline:
    return replace(baseline, score=as_tested(score_tree(workspace, baseline.tree, parent=seed).score))


def _numbered(error: WaitingError, chat: ResumedChat) -> WaitingError:
    """Say which request is waiting; the replies before it are in the store, and must not be given again."""
    from treegen.llm.chat.manual import AnswerNeededError

    if not isinstance(error, AnswerNeededError):
        return error
    return error.waiting(f"request {chat.number + 1} is waiting for its answer", ())


def prepare(
    workspace: Workspace,
    settings: LlmSettings,
    options: Options,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> Automation:
    """Load and check all that a run needs, before a language model is paid.

    Args:
        workspace: names tree, domain and encoder.
        settings: of the language model.
        options: of the run.
        clock: seconds from any moment.

    Raises:
        InputError: there are no images, or too few for two halves; a lock is missing; the domain has another
            decision rule than `mean`; the run that was interrupted began otherwise.
        ProblemsError: the tree has errors.
        ModelError: the encoder cannot be loaded.
        MissingExtraError: gepa or DSPy is not installed.
    """
    from treegen.extras import require

    require("optimize", otherwise="`treegen optimize` without --model works without it")
    from treegen.optimize.judge import Judge

    tree = load_seed(workspace)
    locks = [lock_of(lock, tree) for lock in options.locks]
    wordings = wordings_of(None, tree, options.wordings)

    def judged() -> Judge:
        require_scorable(workspace, tree)
        workspace.evaluator.text_features(tree.prompts())
        return Judge(workspace.evaluator, tree)

    judge = workspace.run(judged)
    state = RunState(
        workspace.store,
        _start(workspace, settings, options, tree, judge),
        limits=settings.caps,
        seconds=options.seconds,
        fresh=options.fresh,
        clock=clock,
    )
    seed = workspace.current(tree)
    automation = Automation(
        workspace=workspace,
        settings=settings,
        options=options,
        seed=tree,
        locks=locks,
        wordings=wordings,
        judge=judge,
        state=state,
    )
    automation.revisions[digest_of(tree)] = seed.id
    return automation


def _start(workspace: Workspace, settings: LlmSettings, options: Options, tree: Tree, judge: "Judge") -> dict[str, str]:
    """Return all that decides on the steps of a run; caps and ends may be others when it is resumed."""
    evaluator = workspace.evaluator
    parts = [f"{name} {judge.images[row].digest}" for name, rows in judge.rows.items() for row in rows]
    parts += sorted(f"test {image.digest}" for image in evaluator.splits["test"].images)
    return {
        "seed tree": digest_of(tree),
        "split": hashlib.sha256("\n".join(parts).encode()).hexdigest(),
        "encoder": evaluator.encoder.fingerprint,
        "model": f"{settings.model} {without_credentials(settings.api_base)}".strip(),
        "temperature or length of replies": f"{settings.temperature} {settings.max_tokens}",
        "set of locks": " ".join(sorted(options.locks)),
        "setting of --no-rule-edits": str(options.rule_edits),
        "number of tries": str(options.repairs),
    }


class _FullBatchSampler:
    """Show every image of the propose half in every round: with a small sample, most of what helps there is noise."""

    def next_minibatch_ids(self, loader: Any, state: Any) -> list[Any]:
        return list(loader.all_ids())


class _Log:
    """gepa's log, among that of treegen."""

    def log(self, message: str) -> None:
        logger.debug("%s", message)
