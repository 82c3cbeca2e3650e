"""`treegen optimize`: search on the dev split, report on the test split."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from treegen.errors import InputError
from treegen.files import hash_of, read_text
from treegen.history.score_document import TestedScore, as_tested
from treegen.history.store import Choice
from treegen.text import counted, show
from treegen.tree.document import digest_of, parse_json
from treegen.tree.feedback_target import lock_of
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.workflow.luck import record_choices
from treegen.workflow.score import score_tree
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.evaluator import Evaluator
    from treegen.images import LabelledImage
    from treegen.optimize.objective import Objective
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
    tree, _ = workspace.load()
    if workspace.domain.decision.rule != "mean":
        message = (
            f"the search improves the decision rule mean, and domain.toml asks for {workspace.domain.decision.rule}"
        )
        raise InputError(message, "remove `rule` below [decision] for the search, and compare rules afterwards")
    if not workspace.domain.compute.plain:
        message = (
            f"the search looks at each image once, and [compute] of domain.toml is {workspace.domain.compute.words}"
        )
        raise InputError(message, "remove the table for the search, and run `treegen score --compute all` afterwards")
    locked = [lock_of(lock, tree) for lock in locks]
    pool = _wordings(workspace, tree, wordings)
    return workspace.run(lambda: _optimize(workspace, tree, pool, locked, rule_edits, steps))


def _optimize(
    workspace: Workspace, tree: Tree, wordings: dict[str, list[str]], locks: list[str], rule_edits: bool, steps: int
) -> Optimized:
    from treegen.optimize.search import search

    evaluator = workspace.evaluator
    dev = evaluator.parts["dev"]
    ordered = _in_order(tree, evaluator.domain.classes)
    if obstacle := evaluator.obstacle(ordered):
        raise InputError(
            f"the tree cannot be scored: {obstacle}", f"`treegen check {workspace.path}` lists all problems"
        )
    first, second = halves_of(dev.images, evaluator.domain.classes)
    evaluator.text_features([*ordered.prompts(), *_filled(ordered, wordings)])  # embedded in full batches, at once

    def halves(current: Tree, temperature: float | None) -> "tuple[Objective, Objective]":
        propose = _objective(evaluator, current, first, temperature)
        return propose, _objective(evaluator, current, second, propose.temperature)

    result = search(
        ordered,
        halves,
        evaluator.obstacle,
        wordings=wordings,
        locks=locks,
        rule_edits=rule_edits,
        steps=steps,
        progress=workspace.progress,
    )
    before, after = halves(ordered, None), halves(result.tree, None)
    counts = [
        Half(
            n=len(b.labels),
            before=int(b.current.right.sum()),
            after=int(a.current.right.sum()),
            flips=int((b.current.right != a.current.right).sum()),
        )
        for b, a in zip(before, after, strict=True)
    ]
    record_choices(workspace, map(_choice, result.shown))
    revision = _store_steps(workspace, tree, result)
    score = None
    if result.steps and not workspace.domain.split.sealed:
        score = as_tested(score_tree(workspace, result.tree, parent=tree).score)
    return Optimized(search=result, revision=revision, propose=counts[0], confirm=counts[1], score=score)


def _choice(shown: "Shown") -> Choice:
    return Choice(
        tree=digest_of(shown.tree),
        base=digest_of(shown.base),
        source="optimize",
        n=shown.n,
        right=shown.right,
        flips=shown.flips,
        tried=shown.tried,
    )


def _in_order(tree: Tree, classes: Sequence[str]) -> Tree:
    """Return the tree; its rules must be those of the domain's classes in their order."""
    if tree.classes == tuple(classes):
        return tree
    raise InputError(
        "the tree's classes are not in the order of the domain's",
        "`treegen check --fix` arranges them",
    )


def halves_of(images: "Sequence[LabelledImage]", classes: Sequence[str]) -> "tuple[NDArray[np.intp], NDArray[np.intp]]":
    """Divide dev images into two halves by class and content, the same on every machine.

    Raises:
        InputError: a class has a single image.
    """
    import numpy as np

    by_class: dict[int, list[tuple[str, int]]] = {}
    for place, image in enumerate(images):
        digest = hashlib.sha256(f"propose {image.digest}".encode()).hexdigest()
        by_class.setdefault(image.label, []).append((digest, place))
    single = [classes[label] for label, found in by_class.items() if len(found) < 2]
    if single:
        names = ", ".join(map(show, single[:5]))
        message = f"{counted(len(single), 'class has', 'classes have')} a single dev image: {names}"
        raise InputError(message, "the search needs two: add images, or raise `dev` below [split]")
    ordered = [place for label in sorted(by_class) for _, place in sorted(by_class[label])]
    return np.array(ordered[::2], np.intp), np.array(ordered[1::2], np.intp)


def _objective(evaluator: "Evaluator", tree: Tree, rows: "NDArray[np.intp]", temperature: float | None) -> "Objective":
    import numpy as np

    from treegen.clip.arrays import to_numpy
    from treegen.clip.scoring import similarity_logits
    from treegen.optimize.objective import Objective

    dev = evaluator.parts["dev"]
    features = dev.features[rows]

    def embed(texts: Sequence[str]) -> "NDArray[np.float64]":
        logits = similarity_logits(features, evaluator.text_features(texts), evaluator.encoder.logit_scale)
        return to_numpy(logits).T.astype(np.float64)

    return Objective(
        tree, np.asarray(dev.labels)[rows], [embed(group.fill()) for group in tree.groups], embed, temperature
    )


def _store_steps(workspace: Workspace, seed: Tree, result: "Search") -> int:
    """Store each step as a revision; return the number of the last."""
    revision = workspace.current(seed)
    for step in result.steps:
        note = "optimize: " + "; ".join(change.sentence for change in step.changes)
        revision = workspace.store.add_revision(step.tree, author="search", note=note, parent=revision.id)
    return revision.id


def _filled(tree: Tree, wordings: dict[str, list[str]]) -> list[str]:
    return [g.prompt.replace("{}", words, 1) for g in tree.groups for words in wordings.get(g.name, ())]


def _wordings(workspace: Workspace, tree: Tree, path: Path | None) -> dict[str, list[str]]:
    """Return other wordings by group: those of a file, and what earlier revisions called options of the same group."""
    pool: dict[str, dict[str, None]] = {group.name: {} for group in tree.groups}
    for name, words in (_read_wordings(path, pool) if path else {}).items():
        pool[name].update(dict.fromkeys(words))
    for revision in workspace.store.revisions():
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
    before: str | None = hash_of(path)
    document = check_text(read_text(path)).document
    if document is None or digest_of(document.tree) != seed_digest:
        path, before = path.with_suffix(".optimized.json"), None
    save(path, tree, before=before)
    return path
