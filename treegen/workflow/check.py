"""Everything wrong with a tree: schema and cross checks, lints, and the project's severities.

Drafting and repair use `treegen.tree.validation.checks` alone: lints must not change what is sent to a language
model.
"""

from collections.abc import Collection, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from treegen.config.domain import Domain, domain_path, read_domain
from treegen.config.toml_locations import locate_toml
from treegen.config.trust import TrustError
from treegen.errors import InputError
from treegen.files import read_text, state_of
from treegen.history.score_document import Diagnosis, Score
from treegen.history.store import shaped_history, stored_scores
from treegen.images import ImageSet, below, is_there, survey_images
from treegen.tree.changes import Change
from treegen.tree.document import Document, content_of, digest_of, dump, save
from treegen.tree.lint.rules import lint, lint_name_template
from treegen.tree.lint.word_lists import CONTEXT
from treegen.tree.model import Tree
from treegen.tree.validation.checks import (
    CheckResult,
    approval_problems,
    check_data,
    check_text,
    conflict_problems,
    digest_problems,
    fix_all,
)
from treegen.tree.validation.locations import problem_places
from treegen.tree.validation.problems import Place, Problem, pointer_to, with_levels
from treegen.vcs.tree_names import TreeName

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder


_MEASURED: Final = {"drop": "TG703", "reword": "TG705", "separate": "TG706"}
#: parts of a file that the tree that is read from it does not have, or not as they are written
_OF_FILE: Final = ("/$schema", "/digest", "/looks", "/review")


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """What was found in one file.

    Attributes:
        path: the file.
        version: the revision of it that was checked; `None` for the file as it is.
        document: the tree; `None` if the types are not those of a tree.
        problems: ordered by location, with the project's severities.
        places: line and column of each problem; `None` where unknown.
        switched_off: how many problems the project has switched off.
        images: the image set of a domain file; `None` if it names none that can be used.
        fixed: the problems that were fixed in the file before.
        since: the git revision that the file was compared with; `None` if it was not compared.
        changes: what changed since; `None` if the file is new.
    """

    path: Path
    problems: tuple[Problem, ...]
    places: tuple[Place | None, ...]
    version: TreeName | None = None
    document: Document | None = None
    switched_off: int = 0
    images: ImageSet | None = None
    fixed: tuple[Problem, ...] = ()
    since: str | None = None
    changes: tuple[Change, ...] | None = None

    @property
    def name(self) -> str:
        """What was checked, as the user named it."""
        return self.version.text if self.version else str(self.path)

    @property
    def errors(self) -> int:
        """How many of the problems are errors."""
        return sum(p.severity == "error" for p in self.problems)

    def with_more(self, problems: Sequence[Problem]) -> "Findings":
        """Append problems found elsewhere, such as by a gate."""
        if not problems:
            return self
        places = problem_places(self.version.read() if self.version else read_text(self.path), problems)
        return replace(self, problems=(*self.problems, *problems), places=(*self.places, *places))

    def without(self, code: str) -> "Findings":
        """Drop the problems with the given code."""
        kept = [pair for pair in zip(self.problems, self.places, strict=True) if pair[0].code != code]
        return replace(self, problems=tuple(p for p, _ in kept), places=tuple(place for _, place in kept))


def check_tree_file(
    path: Path, domain: Domain | None = None, *, encoder: "Encoder | None" = None, fix: bool = False
) -> Findings:
    """Run every check on a tree file.

    Args:
        path: the tree file.
        domain: supplies the required classes, the severities, the aliases and the language; defaults without one.
        encoder: also counts tokens against its context length and compares the embeddings of options; what a score
            advises is by it, instead of by the domain's encoder.
        fix: first apply the certain fixes and write the file if there are any, including those of switched-off codes.

    Raises:
        InputError: the file cannot be opened or is not UTF-8, or a fix cannot be written.
    """
    before = state_of(path) if fix else None
    fixed: tuple[Problem, ...] = ()
    if fix:
        tree, fixed = fix_all(check_text(read_text(path), **_against(domain)), **_against(domain))
        if tree and fixed:
            save(path, tree, before=before)
    return replace(check_tree_text(read_text(path), path, domain, encoder=encoder), fixed=fixed)


def check_tree_text(
    text: str, path: Path, domain: Domain | None = None, *, encoder: "Encoder | None" = None
) -> Findings:
    """Check a text that is or will be the content of `path`, such as that of another revision."""
    checked = check_text(text, **_against(domain))
    problems, off = _judge(checked, domain, encoder, path)
    places = problem_places(text, problems) if problems else []
    pairs = sorted(zip(places, problems, strict=True), key=lambda pair: (pair[0].line, pair[0].column))
    return Findings(
        path=path,
        document=checked.document,
        switched_off=off,
        problems=tuple(problem for _, problem in pairs),
        places=tuple(place for place, _ in pairs),
    )


def check_domain_file(path: Path) -> tuple[Domain | None, Findings]:
    """Read a domain file, or the domain.toml in a folder; return the domain (`None` if invalid) and findings.

    Raises:
        InputError: the file is missing, not UTF-8 or not TOML.
    """
    path = domain_path(path)
    domain, problems = read_domain(path)
    if domain is None:
        return None, _of_toml(path, problems)
    texts = {"template": domain.name_template, "noun": domain.noun, "language": domain.language}
    problems, off = with_levels(lint_name_template(**texts, names=domain.classes), dict(domain.check.severity))
    return domain, replace(_of_toml(path, problems), switched_off=off)


def check_image_source(domain: Domain, findings: Findings) -> Findings:
    """Warn in the findings of a domain file if its images are not here: its trees can still be checked."""
    if domain.images is None or is_there(domain.images):
        return findings
    kind = domain.images.kind
    message = f"the images are not here, so nothing can be scored: {below(domain.images.source, domain.folder)}"
    problem = Problem(code="TG402", pointer=f"/images/{kind}", message=message, level="warning")
    return _with_toml_problem(findings, problem)


def check_images(domain: Domain, findings: Findings) -> Findings:
    """Add the problems of a domain's images to the findings of its file; none of the images is decoded.

    Args:
        domain: names the images.
        findings: of its file.

    Returns:
        The findings with TG402, TG410 or TG411 if there is no image to score with, or else with what becomes of the
        files.
    """
    if domain.images is None:
        return findings
    try:
        return replace(findings, images=survey_images(domain))
    except InputError as error:
        code = "TG410" if is_there(domain.images) else "TG402"
        code = "TG411" if isinstance(error, TrustError) else code
        message = f"{error.message} ({error.tip})" if error.tip else error.message
        problem = Problem(code=code, pointer=f"/images/{domain.images.kind}", message=message)
        return _with_toml_problem(findings, problem)


def _with_toml_problem(findings: Findings, problem: Problem) -> Findings:
    return replace(_of_toml(findings.path, (*findings.problems, problem)), switched_off=findings.switched_off)


def _of_toml(path: Path, problems: tuple[Problem, ...]) -> Findings:
    places = locate_toml(read_text(path), {p.pointer for p in problems}) if problems else {}
    return Findings(path=path, problems=problems, places=tuple(places[p.pointer] for p in problems))


def load_tree(path: Path, domain: Domain | None = None) -> Tree:
    """Read a tree file that has no errors; its warnings are left to `check_tree`.

    Args:
        path: the tree file.
        domain: its classes need rules, and its name must be that of the tree; without one neither is compared.

    Raises:
        InputError: the file cannot be opened, or is not UTF-8.
        ProblemsError: the tree has errors; the message has the first.
    """
    return check_text(read_text(path), **_against(domain)).sound_tree(path)


def check_tree(tree: Tree, domain: Domain | None = None) -> tuple[Problem, ...]:
    """Check a tree that is not in a file, such as one being edited, as if it were saved."""
    checked = check_data(content_of(tree), **_against(domain))
    checked = replace(checked, problems=(*checked.problems, *conflict_problems(tree)))
    return _judge(checked, domain, None)[0]


def file_problems(text: str, tree: Tree, read: Collection[Problem] = ()) -> tuple[Problem, ...]:
    """Return what is wrong with the text of a file beside what is wrong with the tree that was read from it.

    Args:
        text: of the file.
        tree: what was read from it; of a file with other content only the digest is compared.
        read: what was read otherwise than it is written, which is reported already.
    """
    if text == dump(tree):
        return ()
    checked = check_text(text)
    data = checked.data if isinstance(checked.data, dict) else {}
    digest = tuple(digest_problems(tree, data.get("digest")))
    if checked.document and content_of(checked.document.tree) != content_of(tree):
        return digest
    reported = {(p.code, p.pointer) for p in (*digest, *approval_problems(tree), *read)}
    others = (p for p in checked.problems if p.pointer.startswith(_OF_FILE))
    return (*digest, *(p for p in others if (p.code, p.pointer) not in reported))


def _judge(
    checked: CheckResult, domain: Domain | None, encoder: "Encoder | None", path: Path | None = None
) -> tuple[tuple[Problem, ...], int]:
    """Add lints and apply the project's severities; return the problems and how many are switched off."""
    problems = list(checked.problems)
    if checked.document:
        settings: dict[str, Any] = {"language": domain.language, "aliases": domain.aliases} if domain else {}
        problems += lint(checked.document.tree, context=None if encoder else CONTEXT, **settings)
        if encoder:
            from treegen.clip.text_checks import encoder_problems

            reported = {p.pointer for p in problems if p.code in ("TG111", "TG601")}
            measured = encoder_problems(checked.document.tree, encoder)
            problems += [p for p in measured if p.code != "TG601" or p.pointer not in reported]
        # the review shows these too, by the domain's encoder
        scored_by = encoder.fingerprint if encoder else domain.encoder.name if domain and domain.images else ""
        if path and scored_by:
            # without --encoder the check does not depend on a history: one that cannot be read is left alone
            with nullcontext() if encoder else suppress(InputError), shaped_history(path):
                scores = stored_scores(path, digest_of(checked.document.tree))
                problems += measured_problems(scores, checked.document.tree, scored_by)
    return with_levels(problems, dict(domain.check.severity) if domain else {})


def measured_problems(scores: Sequence[Score], tree: Tree, encoder: str) -> list[Problem]:
    """Return TG703 to TG706 from the last of the scores by an encoder, if there is one.

    Args:
        scores: the stored scores of this content, oldest first.
        tree: the content.
        encoder: name or fingerprint.
    """
    dev = next(
        (s["dev"] for s in reversed(scores) if encoder in (s["encoder"]["name"], s["encoder"]["fingerprint"])), None
    )
    return advice_problems(tree, dev) if dev else []


def advice_problems(tree: Tree, dev: Diagnosis) -> list[Problem]:
    """Return TG703 to TG706 from the `dev` entry of a score of this tree.

    Advice that the images do not confirm is left out, except for options that cannot be distinguished.
    """
    from treegen.clip.diagnosis.advice import advise

    problems = []
    for each in advise(dev):
        pair = each.kind == "merge" or len(each.target) == 3
        if each.shown or pair:
            code = "TG704" if pair else _MEASURED[each.kind]
            message = f"{each.sentence} (dev split of the last score)"
            problems.append(Problem(code=code, pointer=_pointer(tree, each.kind, each.target), message=message))
    return problems


def _pointer(tree: Tree, kind: str, target: Sequence[str]) -> str:
    """Return where a piece of advice points: a class, a group, or the last option it names."""
    if kind == "separate":
        return pointer_to("rules", target[0])
    group = tree.group(target[0])
    if len(target) == 1 or group is None:
        return pointer_to("classification_groups", target[0])
    return pointer_to("classification_groups", target[0], "options", group.options.index(target[-1]))


def _against(domain: Domain | None) -> dict[str, Any]:
    return {"classes": domain.classes, "domain": domain.name} if domain else {}
