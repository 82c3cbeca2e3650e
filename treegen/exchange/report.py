"""What an import did: the format, the comments against the data, the classes against the domain, the problems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from treegen.exchange.comments import Comments
from treegen.text import counted
from treegen.tree.validation.problems import Problem, errors_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a file.

    Attributes:
        source: the file's name.
        form: its format in words, with its syntax.
        domain: the domain's name and where that came from.
        comments: those of the file, checked.
        missing: classes of the domain that the file does not have.
        unknown: (class of the file, the domain's class that may be meant or "").
        renamed: (class of the file, the domain's class it was read as).
        twins: groups of classes with identical rules.
        problems: of the tree that was made, as `treegen check` finds them.
        notes: what else a reader must know.
    """

    source: str
    form: str
    domain: str
    domain_from: str
    classes: int
    groups: int
    comments: Comments = field(default_factory=Comments)
    missing: tuple[str, ...] = ()
    unknown: tuple[tuple[str, str], ...] = ()
    renamed: tuple[tuple[str, str], ...] = ()
    twins: tuple[tuple[str, ...], ...] = ()
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def errors(self) -> int:
        """Problems of severity error."""
        return len(errors_of(self.problems))


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the written report and its lines."""

    title: str
    lines: tuple[str, ...]


def sections(report: Report) -> Iterator[Section]:
    """All of the report that is not empty, in the order in which it is read."""
    yield Section(title="Read", lines=tuple(_read(report)))
    parts: list[tuple[str, Sequence[str]]] = [
        ("Contradictions", report.comments.contradictions),
        ("Comments that were not checked", [f"line {line}: {text}" for line, text in report.comments.unchecked]),
        ("Classes with identical rules", [" = ".join(same) for same in report.twins]),
        ("Classes of the domain that the file does not have", report.missing),
        ("Classes that the domain does not have", [_suggestion(name, close) for name, close in report.unknown]),
        ("Classes read by another spelling", [f"{name} as {match}" for name, match in report.renamed]),
        ("Notes", report.notes),
        ("Problems of the tree", [f"{p.severity} {p.code} {p.pointer or '/'}: {p.message}" for p in report.problems]),
    ]
    for title, lines in parts:
        if lines:
            yield Section(title=f"{title} ({len(lines)})", lines=tuple(lines))


def _read(report: Report) -> Iterator[str]:
    yield f"{report.source}: {report.form}"
    size = f"{counted(report.classes, 'class', 'classes')}, {counted(report.groups, 'group')}"
    yield f"domain {report.domain} (from {report.domain_from}), {size}"
    if report.comments.agreed or report.comments.contradictions:
        count = len(report.comments.contradictions)
        yield f"comments: {report.comments.agreed} agree with the data, {counted(count, 'contradiction')}"


def _suggestion(name: str, close: str) -> str:
    return f"{name}; did you mean {close}?" if close else name


def as_text(report: Report, most: int | None = 10) -> str:
    """Return the report as plain text, at most so many lines per section."""
    parts = []
    for section in sections(report):
        shown = section.lines if most is None or section.title == "Read" else section.lines[:most]
        head = [] if section.title == "Read" else ["", f"{section.title}"]
        indent = "" if section.title == "Read" else "  "
        more = [f"  and {len(section.lines) - len(shown)} more"] if len(shown) < len(section.lines) else []
        parts += [*head, *(indent + line for line in shown), *more]
    return "\n".join(parts) + "\n"


def as_markdown(report: Report) -> str:
    """Return the whole report as Markdown."""
    parts = [f"# Import of {_escaped(report.source)}"]
    for section in sections(report):
        parts += ["", f"## {_escaped(section.title)}", "", *(f"- {_escaped(line)}" for line in section.lines)]
    return "\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def as_json(report: Report) -> dict[str, Any]:
    """Return the whole report as plain data."""
    comments = report.comments
    return {
        "source": report.source,
        "format": report.form,
        "domain": {"name": report.domain, "from": report.domain_from},
        "classes": report.classes,
        "groups": report.groups,
        "contradictions": list(comments.contradictions),
        "comments": {"agreed": comments.agreed, "unchecked": [list(u) for u in comments.unchecked]},
        "identical_classes": [list(t) for t in report.twins],
        "missing_classes": list(report.missing),
        "unknown_classes": [{"class": name, "meant": close or None} for name, close in report.unknown],
        "renamed_classes": [{"class": name, "as": match} for name, match in report.renamed],
        "notes": list(report.notes),
        "problems": [p.as_json() for p in report.problems],
    }
