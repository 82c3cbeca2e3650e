"""`treegen optimize`: search on the dev split, report on the test split."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from treegen.errors import InputError
from treegen.files import read_text, state_of
from treegen.history.score_document import TestedScore, as_tested
from treegen.history.store import Choice
from treegen.text import quoted, show
from treegen.tree.document import digest_of, parse_json
from treegen.tree.feedback_target import lock_of
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.workflow.luck import record_choices
from treegen.workflow.score import score_tree
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    from treegen.optimize.search import Search, Shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Half:
    """One half of the dev split: its images, how many are right before and after the search, and how many flipped."""

    n: int
    before: int
    after: int
    flips: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Optimized:
    """The result of a run.

    Attributes:
        search: the steps, and how much was tried.
        revision: number of the last step's revision in the store, of the seed's if there is no step.
        propose: the half that ranked the changes.
        confirm: the half that had to agree.
        score: of the best tree on the test split, compared with the seed tree; `None` if the test split is sealed or
            nothing was changed.
    """

    search: "Search"
    revision: int
    propose: Half
    confirm: Half
    score: TestedScore | None


def optimize_tree(
    workspace: Workspace,
    *,
    wordings: Path | None = None,
    locks: Sequence[str] = (),
    rule_edits: bool = True,
    steps: int = 50,
) -> Optimized:
    """Search for a tree with a lower log loss on the dev split by single changes; the tree file is not written.

    Every accepted step becomes a revision. The test split is evaluated once, at the end.

    Args:
        workspace: names tree, domain and encoder.
        wordings: JSON file of other wordings, group -> list; those of earlier revisions are always tried.
        locks: `group NAME` and `class NAME` to leave alone.
        rule_edits: also change rules.
        steps: at most.

    Raises:
        InputError: there are no images, or too few for two halves; a lock is missing; the wordings cannot be read; the
            domain's decision rule is not `mean`, or it has a table [compute].
        ProblemsError: the tree has errors.
        ModelError: the encoder cannot be loaded.
    """
    tree = load_seed(workspace)
    locked = [lock_of(lock, tree) for lock in locks]
    pool = wordings_of(workspace, tree, wordings)
    return workspace.run(lambda: _optimize(workspace, tree, pool, locked, rule_edits, steps))


def _optimize(
    workspace: Workspace, tree: Tree, wordings: dict[str, list[str]], locks: list[str], rule_edits: bool, steps: int
) -> Optimized:
    from treegen.optimize.judge import Judge
    from treegen.optimize.search import search

    evaluator = workspace.evaluator
    require_scorable(workspace, tree)
    evaluator.text_features([*tree.prompts(), *filled(tree, wordings)])  # embedded in full batches, at once
    judge = Judge(evaluator, tree)
    result = search(
        tree,
        judge.pair,
        evaluator.obstacle,
        wordings=wordings,
        locks=locks,
        rule_edits=rule_edits,
        steps=steps,
        progress=workspace.progress,
    )
    before, after = judge.pair(tree, judge.temperature), judge.pair(result.tree, judge.temperature)
    counts = [
        Half(
            n=len(b.labels),
            before=int(b.current.right.sum()),
            after=int(a.current.right.sum()),
            flips=int((b.current.right != a.current.right).sum()),
        )
        for b, a in zip(before, after, strict=True)
    ]
    record_choices(workspace, map(choice_of, result.shown))
    revision = store_steps(workspace, tree, result)
    score = None
    if result.steps and not workspace.domain.split.sealed:
        score = as_tested(score_tree(workspace, result.tree, parent=tree).score)
    return Optimized(search=result, revision=revision, propose=counts[0], confirm=counts[1], score=score)


def choice_of(shown: "Shown") -> Choice:
    """Return what the history counts of a change that the confirm half was asked about."""
    return Choice(
        tree=digest_of(shown.tree),
        base=digest_of(shown.base),
        source="optimize",
        n=shown.n,
        right=shown.right,
        flips=shown.flips,
        tried=shown.tried,
    )


def load_seed(workspace: Workspace) -> Tree:
    """Return the tree of the file.

    Raises:
        InputError: the domain's decision rule is not `mean`, which is what a search improves, or it asks for views; a
            class has looks.
        ProblemsError: the tree has errors.
    """
    tree, _ = workspace.load()
    rule, compute = workspace.domain.decision.rule, workspace.domain.compute
    if rule != "mean":
        message = f"the search improves the decision rule mean, and domain.toml asks for {rule}"
        raise InputError(message, "remove `rule` below [decision] for the search, and compare rules afterwards")
    if not compute.plain:
        message = f"the search looks at each image once, and [compute] of domain.toml is {compute.words}"
        raise InputError(message, "remove the table for the search, and run `treegen score --compute all` afterwards")
    if tree.looks:
        message = f"the search knows one rule for each class, and {show(next(iter(tree.looks)))} has looks"
        raise InputError(message, "change a tree with looks by `treegen review` or `treegen revise`")
    return tree


def require_scorable(workspace: Workspace, tree: Tree) -> None:
    """Raise unless the tree can be scored, with its rules in the order of the domain's classes.

    Raises:
        InputError: it cannot.
    """
    if tree.classes != tuple(workspace.domain.classes):
        message = "the tree's classes are not in the order of the domain's"
        raise InputError(message, "`treegen check --fix` arranges them")
    if obstacle := workspace.evaluator.obstacle(tree):
        raise InputError(
            f"the tree cannot be scored: {obstacle}", f"`treegen check {quoted(workspace.path)}` lists all problems"
        )


def store_steps(workspace: Workspace, seed: Tree, result: "Search") -> int:
    """Store each step as a revision; return the number of the last."""
    revision = workspace.current(seed)
    for step in result.steps:
        note = "optimize: " + "; ".join(change.sentence for change in step.changes)
        revision = workspace.store.add_revision(step.tree, author="search", note=note, parent=revision.id)
    return revision.id


def filled(tree: Tree, wordings: dict[str, list[str]]) -> list[str]:
    """Return the prompts with all other wordings."""
    return [g.prompt.replace("{}", words, 1) for g in tree.groups for words in wordings.get(g.name, ())]


def wordings_of(workspace: Workspace | None, tree: Tree, path: Path | None) -> dict[str, list[str]]:
    """Return other wordings by group: those of a file, and what a workspace's revisions called options of the group."""
    pool: dict[str, dict[str, None]] = {group.name: {} for group in tree.groups}
    for name, words in (_read_wordings(path, pool) if path else {}).items():
        pool[name].update(dict.fromkeys(words))
    for revision in workspace.store.revisions() if workspace else ():
        document = check_text(revision.tree).document
        for group in document.tree.groups if document else ():
            if group.name in pool:
                pool[group.name].update(dict.fromkeys(group.options))
    return {name: list(words) for name, words in pool.items()}


def _read_wordings(path: Path, groups: Collection[str]) -> dict[str, list[str]]:
    data, problems = parse_json(read_text(path))
    fits = isinstance(data, dict) and all(
        isinstance(words, list) and all(isinstance(word, str) and word.strip() for word in words)
        for words in data.values()
    )
    if problems or not fits:
        raise InputError(
            f"{path}: not a JSON object of groups with lists of wordings", 'such as {"colour": ["snow white"]}'
        )
    unknown = [name for name in data if name not in groups]
    if unknown:
        message = f"{path}: the tree has no group {', '.join(map(show, unknown[:5]))}"
        raise InputError(message, f"its groups: {', '.join(map(show, groups))}")
    return dict(data)


def apply_result(workspace: Workspace, seed_digest: str, tree: Tree) -> Path:
    """Write the best tree to the tree file, or beside it if the file has changed since the search began.

    Returns:
        The file that was written.

    Raises:
        ChangedFileError: it changed while this compared it; the result is in a file beside it.
        InputError: it cannot be written.
    """
    from treegen.tree.document import save

    path = workspace.path
    before: str | None = state_of(path)
    document = check_text(read_text(path)).document
    if document is None or digest_of(document.tree) != seed_digest:
        path, before = path.with_suffix(".optimized.json"), None
    save(path, tree, before=before)
    return path


def propose_result(workspace: Workspace, seed: Tree, tree: Tree, locks: Sequence[str]) -> int:
    """Put the best tree into the review as a proposal; return the number of its change groups.

    Raises:
        InputError: the tree file cannot be read.
    """
    from treegen.tree.feedback_target import WHOLE
    from treegen.workflow.proposal_review import ProposalReview
    from treegen.workflow.session import Session

    session = Session(workspace.path, workspace.store)
    try:
        proposal = ProposalReview.of("optimize: raise the accuracy on the dev split", seed, tree, WHOLE, locks)
        proposal.store(session)
    finally:
        session.close()
    return len(proposal.units)
