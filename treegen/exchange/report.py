"""What an import did: recognised format, the place of every phrase, contradictions, leaks, and the tree's problems."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from treegen.exchange.comments import Comments
from treegen.exchange.descriptors import shown_place
from treegen.exchange.procedure import Grouped, Placed
from treegen.tree.validation.problems import Problem, errors_of

_MOST_WORDINGS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What became of a file.

    Attributes:
        source: the file's name.
        form: its format in words, with its syntax.
        domain: the domain's name and where that came from.
        grouped: the fate of every phrase; `None` for a tree, which needs no grouping.
        comments: those of a tree, checked.
        empty: classes of the file without any phrase that could be placed.
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
    grouped: Grouped | None = None
    comments: Comments = field(default_factory=Comments)
    empty: tuple[str, ...] = ()
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

    @property
    def contradictions(self) -> tuple[str, ...]:
        """Comments against the data, and phrases that lost their place to another of the same class."""
        lost = self.grouped.contradictions if self.grouped else ()
        told = (f"{shown_place(c.place)}: {c.owner}: {c.text!r}: {c.reason}" for c in lost)
        return (*self.comments.contradictions, *told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A heading of the written report and its lines."""

    title: str
    lines: tuple[str, ...]


def counts(grouped: Grouped) -> dict[str, int]:
    """Phrases read, and what became of them: the others add up to `read`."""
    placed, dropped, unplaced = grouped.placed, len(grouped.dropped), len(grouped.unplaced)
    return {"read": placed + dropped + unplaced, "placed": placed, "dropped": dropped, "unplaced": unplaced}


def sections(report: Report) -> Iterator[Section]:
    """All of the report that is not empty, in the order in which it is read."""
    yield Section(title="Read", lines=tuple(_read(report)))
    grouped = report.grouped
    if grouped:
        for group in grouped.groups:
            yield Section(title=f"Group {group.name}: {group.prompt}", lines=tuple(_group(group)))
    parts: list[tuple[str, Sequence[str]]] = [
        ("Contradictions", report.contradictions),
        ("Comments that were not checked", [f"line {line}: {text}" for line, text in report.comments.unchecked]),
        ("Names in phrases", [_leak(leak) for leak in grouped.leaks] if grouped else ()),
        ("Dropped", [_fate(d) for d in grouped.dropped] if grouped else ()),
        ("Not placed", _unplaced(grouped) if grouped else ()),
        ("Classes without any answer", report.empty),
        ("Classes with identical rules", [" = ".join(same) for same in report.twins]),
        ("Classes of the domain that the file does not have", report.missing),
        ("Classes that the domain does not have", [_meant(name, close) for name, close in report.unknown]),
        ("Classes read by another spelling", [f"{name} as {known}" for name, known in report.renamed]),
        ("Notes", report.notes),
        ("Problems of the tree", [f"{p.severity} {p.code} {p.pointer or '/'}: {p.message}" for p in report.problems]),
    ]
    for title, lines in parts:
        if lines:
            yield Section(title=f"{title} ({len(lines)})", lines=tuple(lines))


def _read(report: Report) -> Iterator[str]:
    yield f"{report.source}: {report.form}"
    yield f"domain {report.domain} (from {report.domain_from}), {report.classes} classes, {report.groups} groups"
    if report.grouped:
        n = counts(report.grouped)
        yield (
            f"{n['read']} phrases read: {n['placed']} placed, {n['dropped']} dropped, {n['unplaced']} not placed "
            f"({len(report.grouped.contradictions)} because their class has another phrase in the group)"
        )
        yield f"grouped by {report.grouped.method}"
    elif report.comments.agreed or report.comments.contradictions:
        said = len(report.comments.contradictions)
        yield f"comments: {report.comments.agreed} agree with the data, {said} contradictions"


def _group(group: Placed) -> Iterator[str]:
    for option in sorted(group.options, key=lambda o: -len(o.classes)):
        merged = [w for w in option.wordings if w != option.text]
        more = f", and {len(merged) - _MOST_WORDINGS} more" if len(merged) > _MOST_WORDINGS else ""
        told = f"; also {', '.join(map(repr, merged[:_MOST_WORDINGS]))}{more}" if merged else ""
        yield f"{option.text} ({len(option.classes)} class{'es' if len(option.classes) != 1 else ''}{told})"


def _leak(leak: Any) -> str:
    left = f"{leak.left!r} is left" if leak.left else "nothing is left"
    return f"{shown_place(leak.place)}: {leak.owner}: {leak.text!r} holds {leak.name!r}; {left}"


def _fate(fate: Any) -> str:
    owner = f"{fate.owner}: " if fate.owner else ""
    return f"{shown_place(fate.place)}: {owner}{fate.text}: {fate.reason}"


def _unplaced(grouped: Grouped) -> list[str]:
    beaten = {(c.place, c.text) for c in grouped.contradictions}
    return [_fate(u) for u in grouped.unplaced if (u.place, u.text) not in beaten]


def _meant(name: str, close: str) -> str:
    return f"{name}; is {close} meant?" if close else name


def as_text(report: Report, most: int | None = 10) -> str:
    """The report as plain text, at most so many lines of a section."""
    parts = []
    for section in sections(report):
        shown = section.lines if most is None or section.title == "Read" else section.lines[:most]
        head = [] if section.title == "Read" else ["", f"{section.title}"]
        indent = "" if section.title == "Read" else "  "
        more = [f"  and {len(section.lines) - len(shown)} more"] if len(shown) < len(section.lines) else []
        parts += [*head, *(indent + line for line in shown), *more]
    return "\n".join(parts) + "\n"


def as_markdown(report: Report) -> str:
    """The whole report as Markdown."""
    parts = [f"# Import of {_escaped(report.source)}"]
    for section in sections(report):
        parts += ["", f"## {_escaped(section.title)}", "", *(f"- {_escaped(line)}" for line in section.lines)]
    return "\n".join(parts) + "\n"


def _escaped(text: str) -> str:
    for sign in "\\`*_[]<>|#":
        text = text.replace(sign, f"\\{sign}")
    return " ".join(text.split())


def as_json(report: Report) -> dict[str, Any]:
    """The whole report as plain data."""
    grouped = report.grouped
    return {
        "source": report.source,
        "format": report.form,
        "domain": {"name": report.domain, "from": report.domain_from},
        "classes": report.classes,
        "method": grouped.method if grouped else None,
        "phrases": counts(grouped) if grouped else None,
        "groups": [_group_json(g) for g in grouped.groups] if grouped else report.groups,
        "contradictions": list(report.contradictions),
        "comments": {"agreed": report.comments.agreed, "unchecked": [list(u) for u in report.comments.unchecked]},
        "leaks": [
            {"class": x.owner, "text": x.text, "name": x.name, "left": x.left, "place": x.place} for x in grouped.leaks
        ]
        if grouped
        else [],
        "dropped": _fates_json(grouped.dropped) if grouped else [],
        "unplaced": _fates_json(grouped.unplaced) if grouped else [],
        "empty_classes": list(report.empty),
        "identical_classes": [list(t) for t in report.twins],
        "missing_classes": list(report.missing),
        "unknown_classes": [{"class": name, "meant": close or None} for name, close in report.unknown],
        "renamed_classes": [{"class": name, "as": known} for name, known in report.renamed],
        "notes": list(report.notes),
        "problems": [p.as_json() for p in report.problems],
    }


def _group_json(group: Placed) -> dict[str, Any]:
    options = [{"text": o.text, "classes": list(o.classes), "wordings": list(o.wordings)} for o in group.options]
    return {"name": group.name, "prompt": group.prompt, "typed": group.typed, "options": options}


def _fates_json(fates: Sequence[Any]) -> list[dict[str, str]]:
    return [{"class": f.owner, "text": f.text, "reason": f.reason, "place": f.place} for f in fates]
