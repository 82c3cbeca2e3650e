"""Descriptor lists of other projects: recognised by their shape, brought into one form, every entry accounted for.

Known shapes, each also inside one wrapper object:

- class -> list of phrases (DCLIP, WaffleCLIP, ESCHER, LaBo, LM4CV), of sentences (CuPL, ProAPO), of subclasses (CHiLS)
- class -> one text, which is divided at line ends, semicolons and sentence ends
- class -> {attribute: phrase or list}: attribute types
- pairs of classes with `prompt_pairs` of an `attr_type` (FuDD)
- a list of records, or one a line, with a class and its phrases, or with one key an attribute
- a list or lines of "Class: a, b, c" (iCM)
- CSV: class and phrase; class and one column an attribute; class, attribute and value
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import pointer_to
from treegen.tree.validation.schema import printable, show

CLASS_KEYS: Final = ("class", "class_name", "classname", "label", "name", "category", "species", "concept", "title")
TEXT_KEYS: Final = (
    "descriptors",
    "descriptor",
    "descriptions",
    "description",
    "attributes",
    "attribute",
    "phrases",
    "phrase",
    "features",
    "feature",
    "prompts",
    "prompt",
    "sentences",
    "captions",
    "caption",
    "texts",
    "text",
    "concepts",
    "values",
)
TYPE_KEYS: Final = ("attr_type", "attribute_type", "attribute", "group", "question", "key", "type")
VALUE_KEYS: Final = ("value", "option", "answer", "descriptor", "description", "phrase", "text")
WRAPPERS: Final = (
    "class2concepts",
    "descriptors",
    "descriptions",
    "attributes",
    "concepts",
    "classes",
    "data",
    "annotations",
    "items",
)
_SIGN: Final = re.compile(r"[,;(\[)\]]")
_PIECES: Final = re.compile(r"[\n;]+|(?<=[.!?])\s+(?=[A-Z])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Phrase:
    """One usable entry: its class, its text, its attribute type if the file has types, and where it stands."""

    owner: str
    text: str
    kind: str | None
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Dropped:
    """One entry that cannot be used, and why."""

    owner: str
    text: str
    reason: str
    place: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Descriptors:
    """What a descriptor file says.

    Attributes:
        form: the shape that was recognised, in words.
        classes: in the order of the file, also those without any phrase.
        notes: what a reader must know, one sentence each.
    """

    form: str
    classes: tuple[str, ...]
    phrases: tuple[Phrase, ...]
    dropped: tuple[Dropped, ...]
    notes: tuple[str, ...] = ()


class Gathering:
    """Takes entries one by one and decides for each whether it is a text that can be used."""

    def __init__(self) -> None:
        self.classes: dict[str, None] = {}
        self.phrases: list[Phrase] = []
        self.dropped: list[Dropped] = []
        self.notes: list[str] = []
        self.wholes: set[str] = set()

    def owner(self, name: Any, place: str) -> str:
        """The class of that name; one that stands twice has both of its lists."""
        text = " ".join(str(name).split())
        if text in self.classes and text and place:
            self.notes.append(f"the class {show(text)} stands twice: its entries were joined")
        if text:
            self.classes[text] = None
        return text

    def add(self, owner: str, value: Any, place: str, kind: str | None = None) -> None:
        """One entry of a class: a text, a list of them, or something that is noted and left out."""
        if isinstance(value, list):
            for index, inner in enumerate(value):
                self.add(owner, inner, f"{place}/{index}", kind)
        elif isinstance(value, dict):
            self._add_object(owner, value, place, kind)
        elif why := _unusable(owner, value):
            self.dropped.append(Dropped(owner=owner, text=show(value), reason=why, place=place))
        else:
            text = value if isinstance(value, str) else show(value)
            self.phrases.append(Phrase(owner=owner, text=" ".join(text.split()), kind=kind, place=place))

    def _add_object(self, owner: str, value: dict[str, Any], place: str, kind: str | None) -> None:
        """{"attribute": "color", "value": "red"}, else {"color": "red", ...}."""
        typed = _first_key(value, TYPE_KEYS), _first_key(value, VALUE_KEYS)
        if typed[0] and typed[1] and typed[0] != typed[1] and isinstance(value[typed[0]], str):
            self.add(owner, value[typed[1]], pointer_of(place, typed[1]), value[typed[0]].strip() or kind)
            return
        if not value:
            self.dropped.append(Dropped(owner=owner, text="{}", reason="empty object", place=place))
        for name, inner in value.items():
            if isinstance(inner, dict):
                told = "an object inside an attribute: nested too deeply for a descriptor"
                self.dropped.append(Dropped(owner=owner, text=show(inner), reason=told, place=pointer_of(place, name)))
            else:
                self.add(owner, inner, pointer_of(place, name), name.strip() or kind)

    def result(self, form: str) -> Descriptors:
        """What was gathered, with a note on classes that differ in spelling alone."""
        spelt: dict[str, list[str]] = {}
        for name in self.classes:
            spelt.setdefault(normalise(name.replace("_", " ")), []).append(name)
        for same in spelt.values():
            if len(same) > 1:
                self.notes.append(
                    f"classes that differ in spelling alone were kept apart: {', '.join(map(show, same))}"
                )
        return Descriptors(
            form=form,
            classes=tuple(self.classes),
            phrases=tuple(self.phrases),
            dropped=tuple(self.dropped),
            notes=tuple(dict.fromkeys(self.notes)),
        )


def pointer_of(place: str, *parts: str | int) -> str:
    """A pointer below another."""
    return place + pointer_to(*parts)


def _unusable(owner: str, value: Any) -> str:
    """Why an entry cannot be used; empty if it can."""
    if not owner:
        return "its class has no name"
    if value is None:
        return "null"
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return "not a text"
    if isinstance(value, str) and not value.strip():
        return "blank"
    if isinstance(value, str) and not any(c.isalnum() for c in value):
        return "no letter and no digit"
    if isinstance(value, str) and "{}" in value:
        return "holds {}, which prompts keep for their option"
    return ""


def _first_key(record: dict[str, Any], names: Sequence[str]) -> str | None:
    folded = {key.strip().casefold().replace(" ", "_"): key for key in record}
    return next((folded[name] for name in names if name in folded), None)


def unwrapped(data: Any) -> tuple[Any, str, tuple[str, ...]]:
    """The object or list inside a wrapper, its pointer, and notes on what stood beside it."""
    place, notes = "", []
    while isinstance(data, dict) and data and not is_pairs(data):  # one pair alone is no wrapper
        inner = next(iter(data.values()))
        if len(data) == 1 and (isinstance(inner, dict) or (isinstance(inner, list) and _is_container(inner))):
            place, data = pointer_of(place, next(iter(data))), inner
            continue
        name = next((w for w in WRAPPERS if isinstance(data.get(w), dict) or _is_container(data.get(w))), None)
        if name is None or sum(isinstance(v, dict) for v in data.values()) > 2:
            break
        left = [k for k in data if k != name]
        notes.append(f"beside {show(name)} these keys were left out: {', '.join(map(show, left[:10]))}")
        place, data = pointer_of(place, name), data[name]
    return data, place, tuple(notes)


def _is_container(value: Any) -> bool:
    """A list of records, of lists, or of "Class: a, b" texts: a wrapper's content, not a class's phrases."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(v, dict | list) for v in value) or (len(value) > 1 and all(_is_class_line(v) for v in value))


def _is_class_line(value: Any) -> bool:
    return isinstance(value, str) and 0 < value.find(":") < min(100, len(value) - 1)


def add_mapping(into: Gathering, data: dict[str, Any], place: str) -> str:
    """Class -> list, text or attributes, each class by its own shape; returns the form in words."""
    shapes = {"list": 0, "text": 0, "types": 0}
    for name, value in data.items():
        here = pointer_of(place, name)
        owner = into.owner(name, "")
        if isinstance(value, dict):
            shapes["types"] += 1
            into.add(owner, value, here)
        elif isinstance(value, str):
            shapes["text"] += 1
            add_text(into, owner, value, here)
        else:
            shapes["list"] += isinstance(value, list)
            into.add(owner, value, here)
    most = max(shapes, key=lambda shape: shapes[shape])
    if sum(count > 0 for count in shapes.values()) > 1:
        into.notes.append("classes have different shapes (lists, texts, attributes); each was read by its own")
    if most == "list":
        return _list_form(into)
    return "one text for each class" if most == "text" else "attributes of each class (attribute types)"


def add_text(into: Gathering, owner: str, text: str, place: str) -> None:
    """One text of a class, divided into its lines and sentences."""
    pieces = [piece for piece in _PIECES.split(text) if piece.strip()]
    for index, piece in enumerate(pieces if len(pieces) > 1 else [text]):
        into.add(owner, piece, f"{place}#{index}" if len(pieces) > 1 else place)


def _list_form(into: Gathering) -> str:
    """Which of the lists of texts it is: subclasses, sentences or phrases."""
    texts = into.phrases
    if not texts:
        return "a list of phrases for each class"
    named = sum(normalise(p.owner) in normalise(p.text) for p in texts)
    long = sum(p.text.rstrip().endswith(".") or len(p.text.split()) > 9 for p in texts)
    if long > len(texts) / 2:
        return "a list of sentences for each class (as CuPL and ProAPO write)"
    if named > 0.6 * len(texts):
        into.notes.append(
            "these look like subclasses (as CHiLS writes): kinds of the class, each with its name. A tree asks what "
            "can be seen, so little of such a file can be used"
        )
        return "a list of subclasses for each class (as CHiLS writes)"
    return "a list of phrases for each class (as DCLIP, WaffleCLIP, ESCHER and LaBo write)"


def _divided(text: str) -> list[str]:
    """The parts between commas and semicolons; those inside brackets divide nothing, unless a bracket stays open."""
    parts, depth, start = [], 0, 0
    for sign in _SIGN.finditer(text):
        if sign[0] in ",;" and depth == 0:
            parts.append(text[start : sign.start()])
            start = sign.end()
        elif sign[0] not in ",;":
            depth = max(0, depth + (1 if sign[0] in "([" else -1))
    return [*parts, *([text[start:]] if depth == 0 else re.split("[,;]", text[start:]))]


def add_class_lines(into: Gathering, lines: Sequence[Any], place: str) -> str:
    """Texts of the form "Class: a, b, c"; commas inside brackets divide nothing."""
    for index, line in enumerate(lines):
        here = f"{place}/{index}"
        if not _is_class_line(line):
            told = "not of the form Class: a, b, c"
            into.dropped.append(Dropped(owner="", text=show(line), reason=told, place=here))
            continue
        name, _, rest = line.partition(":")
        owner = into.owner(name, here)
        for part, text in enumerate(_divided(rest)):
            into.add(owner, text, f"{here}#{part}")
    return 'a list of "Class: a, b, c" texts (as iCM writes)'


def add_records(into: Gathering, records: Sequence[Any], place: str) -> str:
    """Records with a class key: phrases under a known key, else every other key is an attribute."""
    typed = listed = 0
    for index, record in enumerate(records):
        here = f"{place}/{index}"
        name = _first_key(record, CLASS_KEYS) if isinstance(record, dict) else None
        if name is None or not isinstance(record[name], str | int):
            told = f"a record without a class (one of the keys {', '.join(CLASS_KEYS[:5])})"
            into.dropped.append(Dropped(owner="", text=show(record), reason=told, place=here))
            continue
        owner = into.owner(record[name], here)
        rest = {key: value for key, value in record.items() if key != name}
        long = _first_key(rest, TYPE_KEYS), _first_key(rest, VALUE_KEYS)
        text = _first_key(rest, TEXT_KEYS)
        if long[0] and long[1] and long[0] != long[1]:
            typed += 1
            into.add(owner, rest, here)
        elif text:
            listed += 1
            _add_value(into, owner, rest[text], pointer_of(here, text))
        elif rest:
            typed += 1
            into.add(owner, rest, here)
    return f"a list of records with {'attributes' if typed > listed else 'phrases'}"


def _add_value(into: Gathering, owner: str, value: Any, place: str) -> None:
    if isinstance(value, str):
        add_text(into, owner, value, place)
    else:
        into.add(owner, value, place)


def is_pairs(data: Any) -> bool:
    """FuDD's shape: some value is an object with `prompt_pairs`."""
    return isinstance(data, dict) and any(isinstance(v, dict) and "prompt_pairs" in v for v in data.values())


def add_pairs(into: Gathering, data: dict[str, Any], place: str, classes: Sequence[str]) -> str:
    """Pairs of classes with one text each for an attribute type. Class numbers become names of `classes`."""
    for key, value in data.items():
        here = pointer_of(place, key)
        numbers = value.get("classes") if isinstance(value, dict) else None
        pairs = value.get("prompt_pairs") if isinstance(value, dict) else None
        if not isinstance(numbers, list) or not isinstance(pairs, list) or not all(_is_name(n) for n in numbers):
            told = "not a pair of classes with prompt_pairs"
            into.dropped.append(Dropped(owner="", text=show(value), reason=told, place=here))
            continue
        owners = [into.owner(_numbered(n, classes), "") for n in numbers]
        for index, pair in enumerate(pairs):
            _add_pair(into, owners, pair, pointer_of(here, "prompt_pairs", index))
    if not classes and all(name.isdigit() for name in into.classes):
        into.notes.append("classes are numbers: name the domain with --domain, and they become its classes in order")
    return "pairs of classes with attribute types (as FuDD writes)"


def _is_name(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool)


def _numbered(number: str | int, classes: Sequence[str]) -> str | int:
    index = int(number) if str(number).isdecimal() and len(str(number)) < 10 else -1
    return classes[index] if 0 <= index < len(classes) else number


def _add_pair(into: Gathering, owners: Sequence[str], pair: Any, place: str) -> None:
    texts = pair.get("prompt_pair") if isinstance(pair, dict) else None
    if not isinstance(texts, list) or len(texts) != len(owners):
        told = f"not one text for each of the {len(owners)} classes"
        into.dropped.append(Dropped(owner=", ".join(owners), text=show(pair), reason=told, place=place))
        return
    kind = pair.get("attr_type")
    named = kind.strip() if isinstance(kind, str) and kind.strip() else None
    for index, (owner, text) in enumerate(zip(owners, texts, strict=True)):
        into.add(owner, text, pointer_of(place, "prompt_pair", index), named)


def shown_place(place: str) -> str:
    """A place for a message."""
    return printable(place) or "/"
