"""The common form of all findings, and the table of codes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from jsonpointer import JsonPointer

Severity = Literal["error", "warning"]
Level = Literal["error", "warning", "off"]

#: code -> (severity, meaning). Codes are stable: a code's meaning never changes.
CODES: Final[dict[str, tuple[Severity, str]]] = {
    "TG101": ("error", "the text cannot be read"),
    "TG102": ("error", "a duplicate key in one object"),
    "TG103": ("error", "a value has the wrong type"),
    "TG104": ("error", "a required key is missing"),
    "TG105": ("error", "an unknown key"),
    "TG106": ("error", "a value is not allowed here"),
    "TG107": ("error", "a text cannot be encoded as UTF-8"),
    "TG108": ("error", "more classes, groups, options or answers than are supported"),
    "TG110": ("error", "a prompt without exactly one {}, or an option with one"),
    "TG111": ("error", "two options of a group are the same after normalisation"),
    "TG112": ("error", "an index outside its group's options"),
    "TG113": ("warning", "white space around a text"),
    "TG120": ("error", "a filled prompt is longer than the encoder's context"),
    "TG201": ("error", "a class without a rule"),
    "TG202": ("error", "a rule for an unknown group"),
    "TG203": ("error", "a rule for a class that the domain does not have"),
    "TG204": ("error", "two classes with identical rules"),
    "TG205": ("warning", "an option that no class uses"),
    "TG206": ("error", "a class without an answer in a group"),
    "TG207": ("error", "a look without a rule, or of two classes"),
    "TG208": ("error", "a class with looks, and a rule that is none of them"),
    "TG209": ("warning", "two looks of a class with identical rules"),
    "TG301": ("warning", "the digest is missing"),
    "TG302": ("warning", "the digest is stale"),
    "TG303": ("warning", "the approval is stale"),
    "TG304": ("error", "the tree is for another domain"),
    "TG305": ("error", "a merge conflict is not resolved"),
    "TG401": ("error", "a duplicate class name"),
    "TG402": ("error", "a file or folder that the domain names is missing"),
    "TG403": ("error", "the crop box is empty"),
    "TG404": ("error", "classes are given twice or not at all"),
    "TG405": ("error", "the name template cannot be filled"),
    "TG406": ("error", "a note on a class that the domain does not have"),
    "TG407": ("error", "an alias for a class that the domain does not have"),
    "TG408": ("error", "a severity that a project cannot set"),
    "TG409": ("error", "images are configured in two ways or not at all"),
    "TG410": ("error", "no image of the domain can be used"),
    "TG411": ("warning", "the images are outside of the domain's folder, which is not trusted to read them"),
    "TG501": ("error", "the reply contains no tree"),
    "TG502": ("error", "the reply can be read in more than one way"),
    "TG503": ("error", "the reply is cut off"),
    "TG504": ("error", "the reply leaves something out"),
    "TG505": ("error", "a patch cannot be applied"),
    "TG506": ("warning", "classes that the language model cannot tell apart"),
    "TG507": ("warning", "an option that the language model added while it gave the rules"),
    "TG601": ("warning", "two options of a group are nearly the same"),
    "TG602": ("warning", "an option contains another of its group"),
    "TG603": ("warning", "an option contains alternatives"),
    "TG604": ("warning", "a text hedges"),
    "TG605": ("warning", "a text contains a negation"),
    "TG606": ("warning", "a text asks for what an image does not show"),
    "TG607": ("warning", "a text names a class"),
    "TG608": ("warning", "a group of white, gray and black only"),
    "TG609": ("warning", "a filled prompt is longer than CLIP reads"),
    "TG610": ("warning", "a class that nulls leave with two answers or fewer"),
    "TG611": ("warning", "a filled prompt with a where it should have an, or the reverse"),
    "TG701": ("warning", "a group that does not separate any classes"),
    "TG702": ("warning", "two classes that only one group tells apart"),
    "TG703": ("warning", "a group without which accuracy is higher"),
    "TG704": ("warning", "two options that are confused with each other"),
    "TG705": ("warning", "an option that is rarely recognized where it applies"),
    "TG706": ("warning", "two classes that are often confused with each other"),
    "TG801": ("error", "the tree is not approved in its current state"),
    "TG802": ("error", "the recorded accuracy is missing, too low, or differs from the measured one"),
}


#: codes whose severity a project may set: with the others there is no tree, or none for this domain
ADJUSTABLE: Final = frozenset(code for code, (severity, _) in CODES.items() if severity == "warning")


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """One step of a fix: an operation of JSON Patch (RFC 6902), or `merge`.

    Attributes:
        op: `move` keeps the position among the members; `merge` removes an option, and the rules follow.
        pointer: where.
        value: what to write; for `merge`: the index of the option that is kept.
        source: for `move`: the old pointer.
    """

    op: Literal["add", "replace", "remove", "move", "merge"]
    pointer: str
    value: str | int | None = None
    source: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    """A certain fix: a summary in words, and the edits of the document."""

    summary: str
    edits: tuple[Edit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A position in a text: line and column in characters, both from 1."""

    line: int
    column: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One finding.

    Attributes:
        code: stable code, a key of `CODES`.
        pointer: JSON Pointer (RFC 6901) to the place in the document; empty for the whole document.
        message: one sentence: what is wrong and, where it is not plain, what to do.
        fix: a repair that is certain, if there is one.
        level: the severity that the project gives it; `None` for that of the code.
        place: where it is, if no pointer can say so: in a text that cannot be read.
        classes: the classes that it is about beside the one in the pointer.
        group: the group that it is about, where the pointer does not lead to one.
    """

    code: str
    pointer: str
    message: str
    fix: Fix | None = None
    level: Severity | None = None
    place: Place | None = None
    classes: tuple[str, ...] = field(default=(), compare=False)
    group: str = field(default="", compare=False)

    @property
    def severity(self) -> Severity:
        """The project's severity, else that of the code."""
        return self.level or CODES[self.code][0]

    def as_json(self) -> dict[str, Any]:
        """Return what `--json` prints and the store keeps."""
        return {
            "code": self.code,
            "severity": self.severity,
            "pointer": self.pointer,
            "message": self.message,
            "fix": self.fix.summary if self.fix else None,
        }


def pointer_to(*parts: str | int) -> str:
    """Return the JSON Pointer of a path; half a surrogate pair, which cannot be encoded, becomes `?`.

    >>> pointer_to("rules", "a/b", 0)
    '/rules/a~1b/0'
    """
    pointer = "".join("/" + str(p).replace("~", "~0").replace("/", "~1") for p in parts)
    return pointer.encode(errors="replace").decode()


def path_of(pointer: str) -> list[str]:
    """Split a JSON Pointer into the keys and indices of its path.

    >>> path_of("/rules/a~1b/0")
    ['rules', 'a/b', '0']
    """
    return list(JsonPointer(pointer).parts)


def with_levels(problems: Iterable[Problem], levels: Mapping[str, Level]) -> tuple[tuple[Problem, ...], int]:
    """Apply a project's severities; return the problems and how many are switched off."""
    if not levels:
        return tuple(problems), 0
    remaining, off = [], 0
    for problem in problems:
        level = levels.get(problem.code)
        if level == "off":
            off += 1
        else:
            remaining.append(replace(problem, level=level) if level else problem)
    return tuple(remaining), off


def errors_of(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Return the problems of severity error."""
    return tuple(p for p in problems if p.severity == "error")
