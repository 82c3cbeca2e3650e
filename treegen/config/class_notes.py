"""Notes about classes for the language model: the domain's own, and those of files, matched to the classes.

The domain's `[notes]` come first and are never cut. What files say follows, within the limits of one request.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from unicodedata import combining
from unicodedata import normalize as unicode_form

from treegen.config.domain import Domain
from treegen.config.notes_files import Entry, NotesFile, read_notes
from treegen.errors import InputError
from treegen.text import counted, first_of, quoted, show
from treegen.tree.validation.normalise import normalise_name

#: characters of one class's notes from files in one request, and of all of them: about 10,000 tokens
MOST_OF_CLASS: Final = 2000
MOST_OF_ALL: Final = 40_000
_LEAST: Final = 60  # characters that are still worth showing
_NEAR: Final = 0.8  # of difflib's ratio: one letter of five
_MOST_COMPARED: Final = 200_000  # pairs of names; difflib takes some microseconds for each
_MOST_LISTED: Final = 10
_SEVERAL: Final = re.compile(r"[,;/]|\band\b|\bor\b")  # between the values of an attribute
_LONGEST_ATTRIBUTE: Final = 40  # characters; a longer text before a colon is a sentence

#: tells whether a name of a file means a class of the domain
Confirm = Callable[[str, str], bool]


def with_notes(
    domain: Domain, files: Sequence[Path] = (), confirm: Confirm | None = None
) -> tuple[Domain, tuple[str, ...]]:
    """Read the notes files of a domain and match them to its classes.

    Args:
        domain: its `notes_files` are read first.
        files: read after them.
        confirm: is asked about a name that is nearly that of a class without notes in the same file.

    Returns:
        The domain with `material`, and sentences about what was read, matched and left out.

    Raises:
        InputError: a file cannot be read, names no class of the domain or one class twice; it lies outside of the
            domain's folder though only domain.toml names it; names are nearly equal and there is no `confirm`.
    """
    texts_of: dict[str, list[str]] = {}
    sentences: list[str] = []
    claims: Claims = {}
    # before anything is read: the text of a foreign file must not even appear in an error message
    _refuse_elsewhere(domain)
    names = _Names(domain)
    for path in [*domain.notes_files, *files]:
        file = read_notes(path, lambda name: names.find(name) is not None)
        matched, unknown = _match(file, names, domain, confirm)
        _claim(file, names, claims)
        for name, texts in matched.items():
            texts_of[name] = texts_of.get(name, []) + texts
        sentences += _summary(path, matched, unknown, len(domain.classes))
    material = tuple((name, tuple(dict.fromkeys(texts_of[name]))) for name in domain.classes if texts_of.get(name))
    noted = replace(domain, material=material)
    inline = dict(domain.notes)
    without_notes = [name for name in domain.classes if not texts_of.get(name) and name not in inline]
    if material and without_notes:
        total = counted(len(domain.classes), "class", "classes")
        sentences.append(f"{len(without_notes)} of {total} {'has' if len(without_notes) == 1 else 'have'} no notes")
    return noted, (*sentences, *_contradictions(claims), *_cut_sentences(noted))


#: class and attribute -> the values that each entry gives
Claims = dict[tuple[str, str], list[set[str]]]


def _claim(file: NotesFile, names: "_Names", claims: Claims) -> None:
    """Collect what the entries of a file say in the form `attribute: value`."""
    for entry in file.entries:
        values: dict[tuple[str, str], set[str]] = {}
        name = names.find(entry.name)
        for text in entry.texts if name else ():
            attribute, colon, value = text.partition(": ")
            if name and colon and value and len(attribute) <= _LONGEST_ATTRIBUTE:
                parts = {normalise_name(part) for part in _SEVERAL.split(value)}
                values.setdefault((name, attribute.strip().casefold()), set()).update(parts)
        for key, words in values.items():
            claims.setdefault(key, []).append(words)


def _contradictions(claims: Claims) -> Iterable[str]:
    """Say for which classes two entries give an attribute values of which none is the same."""
    found = [
        f"{show(name)} ({attribute}: {' / '.join(' and '.join(sorted(values)) for values in claimed[:2])})"
        for (name, attribute), claimed in claims.items()
        if any(not claimed[0] & other for other in claimed[1:])
    ]
    if found:
        message = f"the notes contradict each other on {counted(len(found), 'attribute', 'attributes')}"
        yield f"{message}, and the model is shown both: {first_of(found, _MOST_LISTED)}"


def _refuse_elsewhere(domain: Domain) -> None:
    """Raise if domain.toml, which may be a stranger's, names a file outside of its folder."""
    for path in domain.notes_files:
        try:
            inside = path.resolve().is_relative_to(domain.folder)
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a zero byte
            raise InputError(f"notes_file {show(str(path))}: cannot be read: {error}", "correct the name") from None
        if not inside:
            message = f"{path}: notes_file is outside the domain's folder, and its text would go to the language model"
            raise InputError(message, f"copy it next to domain.toml, or pass it explicitly: --notes {quoted(path)}")


def without_asking(domain: Domain) -> Domain:
    """Return the domain with its notes files, where nobody can be asked: names that are not certain are left out."""
    return with_notes(domain, confirm=lambda *_: False)[0] if domain.notes_files else domain


class _Names:
    """Spellings of the domain's classes and their aliases."""

    def __init__(self, domain: Domain) -> None:
        self._exact = {alias: name for name, aliases in domain.aliases for alias in aliases}
        self._exact |= {name: name for name in domain.classes}
        self._spelt: dict[str, set[str]] = {}
        for spelling, name in self._exact.items():
            self._spelt.setdefault(normalise_name(spelling), set()).add(name)

    def find(self, name: str) -> str | None:
        """Find the class that the name means, exactly or by a spelling that only one class has."""
        if name in self._exact:
            return self._exact[name]
        candidates = self._spelt.get(normalise_name(name), set())
        return next(iter(candidates)) if len(candidates) == 1 else None

    def near(self, names: Sequence[str], classes: Iterable[str]) -> dict[str, str]:
        """Map names to the classes from which they differ by accents, spaces or a slip of the pen; never by a digit."""
        allowed = set(classes)
        spellings = {_bare(spelling): name for spelling, name in self._exact.items() if name in allowed}
        compared = list(spellings) if len(spellings) * len(names) <= _MOST_COMPARED else []
        result: dict[str, str] = {}
        for name in names:
            key = _bare(name)
            matches = [key] if key in spellings else get_close_matches(key, compared, n=3, cutoff=_NEAR)
            matches = [other for other in matches if _digits(other) == _digits(key)]
            if matches:
                result[name] = spellings[matches[0]]
        return result


def _bare(name: str) -> str:
    return "".join(c for c in unicode_form("NFKD", normalise_name(name)) if not combining(c) and c.isalnum())


def _digits(text: str) -> list[str]:
    return [c for c in text if c.isdigit()]


def _match(
    file: NotesFile, names: _Names, domain: Domain, confirm: Confirm | None
) -> tuple[dict[str, list[str]], list[str]]:
    """Map classes to their texts, and list the names that are not classes of the domain."""
    matched: dict[str, list[str]] = {}
    spelt: dict[str, str] = {}
    unknown: dict[str, list[Entry]] = {}
    for entry in file.entries:
        name = names.find(entry.name)
        if name is None:
            unknown.setdefault(entry.name, []).append(entry)
            continue
        if not file.by_row and name in spelt:
            message = f"{file.path}: {show(spelt[name])} and {show(entry.name)} both mean the class {show(name)}"
            raise InputError(message, "merge their notes under one key")
        spelt[name] = entry.name
        matched.setdefault(name, []).extend(entry.texts)
    suggestions = names.near(list(unknown), (name for name in domain.classes if name not in matched))
    if suggestions and confirm is None:
        pairs = [f"{show(name)} is nearly the class {show(target)}" for name, target in suggestions.items()]
        message = f"{file.path}: {first_of(pairs, _MOST_LISTED, '; ')}"
        raise InputError(message, "correct the name, add it to [aliases] in domain.toml, or remove it from the file")
    # two names may be close to one class: the first that is confirmed gets it
    for name, target in suggestions.items():
        if target not in matched and confirm is not None and confirm(name, target):
            matched[target] = [text for entry in unknown.pop(name) for text in entry.texts]
    if not file.entries:
        raise InputError(f"{file.path}: contains no notes", "name the file with the notes, or remove it")
    if not matched:
        message = f"{file.path}: none of its names is a class of the domain: {_listed(list(unknown))}"
        raise InputError(
            message, f"classes are {_listed(domain.classes[:3])}; aliases go into [aliases] in domain.toml"
        )
    return matched, list(unknown)


def _summary(path: Path, matched: dict[str, list[str]], unknown: Sequence[str], classes: int) -> Iterable[str]:
    texts, empty = sum(map(len, matched.values())), [name for name, texts in matched.items() if not texts]
    total = counted(classes, "class", "classes")
    yield f"{path}: notes on {len(matched) - len(empty)} of {total}, {counted(texts, 'text')}"
    if unknown:
        yield f"{path}: {counted(len(unknown), 'name is', 'names are')} not in the domain: {_listed(unknown)}"
    if empty:
        yield f"{path}: {counted(len(empty), 'class has', 'classes have')} empty notes: {_listed(empty)}"


def _cut_sentences(domain: Domain) -> Iterable[str]:
    """Say what the first request of a draft does not show."""
    limits = _limits(domain, domain.classes)
    cut = [
        (name, *_excerpt(texts, limits[name])[1:]) for name, texts in domain.material if _is_cut(texts, limits[name])
    ]
    if cut:
        parts = [f"{show(name)} {shown} of {total} shown" for name, shown, total in cut]
        message = f"the notes on {counted(len(cut), 'class', 'classes')} are shortened to fit into one request"
        yield f"{message}: {first_of(parts, _MOST_LISTED)}"


def _listed(names: Sequence[str]) -> str:
    return first_of([*map(show, names)], _MOST_LISTED)


def notes_of(domain: Domain, classes: Iterable[str]) -> dict[str, Any]:
    """Return the variables of templates: `notes` by class, and whether there is `material` from files.

    Args:
        domain: its own notes go along whole.
        classes: those of the request; notes of others in files are left out.
    """
    requested = set(classes)
    notes = dict(domain.notes)
    limits = _limits(domain, requested)
    for name, texts in domain.material:
        if name in requested:
            notes[name] = _joined([*([notes[name]] if name in notes else []), _excerpt(texts, limits[name])[0]])
    return {"notes": notes, "material": bool(domain.material)}


def _limits(domain: Domain, classes: Iterable[str]) -> dict[str, int]:
    """Divide the characters of one request among the classes: long notes give way until all of them fit."""
    requested = set(classes)
    sizes = {name: min(len(_joined(texts)), MOST_OF_CLASS) for name, texts in domain.material if name in requested}
    step = -(-len(sizes) * _LEAST // MOST_OF_ALL)  # of very many classes, one in `step` has its notes
    left, open_names = MOST_OF_ALL, list(sizes)[:: max(1, step)]
    limits = dict.fromkeys(sizes, 0)
    # from the shortest notes to the longest: each gets an equal share of what is left, so that short notes leave
    # room for long ones
    for count, name in enumerate(sorted(open_names, key=lambda name: sizes[name])):
        limits[name] = min(sizes[name], left // (len(open_names) - count))
        left -= limits[name]
    return limits


def _is_cut(texts: Sequence[str], limit: int) -> bool:
    return len(_joined(texts)) > limit


def _excerpt(texts: Sequence[str], limit: int) -> tuple[str, int, int]:
    """Join as many texts as fit, with a word on the others; count those that are whole, and all of them."""
    if not _is_cut(texts, limit):
        return _joined(texts), len(texts), len(texts)
    count = 0
    while len(_joined(texts[: count + 1])) <= limit:
        count += 1
    if count == 0 and limit >= _LEAST:
        start = texts[0][:limit].rpartition(" ")[0] or texts[0][:limit]
        remark = f"(cut in the first of {len(texts)} phrases)" if len(texts) > 1 else "(cut)"
        return f"{start} … {remark}", count, len(texts)
    return _joined([*texts[:count], f"({count} of {len(texts)} phrases shown)"]), count, len(texts)


def _joined(texts: Sequence[str]) -> str:
    """Join texts in one line: sentences one after the other, phrases with a semicolon between them."""
    return "".join(
        text if last else text + (" " if text.endswith((".", "!", "?", "。")) else "; ")
        for text, last in zip(texts, [*[False] * (len(texts) - 1), True], strict=True)
    )
