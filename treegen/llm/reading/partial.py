"""What a reply says so far, while it comes: groups with their options, and the classes that have rules.

For show alone: what is shown may turn out to be wrong, and only the whole reply is read with care.
"""

import re
from dataclasses import dataclass, field
from typing import Final

_INSIDE: Final = {'"': re.compile(r'[^"\\]+'), "'": re.compile(r"[^'\\]+")}
_OUTSIDE: Final = re.compile(r"[^\"'{}\[\]:,/#<]+")
_TAG: Final = re.compile(r"<(/?)(?:think(?:ing)?|reasoning|thought)>", re.IGNORECASE)
_LONGEST_TAG: Final = len("</reasoning>")
_GROUPS: Final = ("classification_groups", "classification_cot")
_MOST_TEXT: Final = 2000  # characters of one text that are kept
_MOST_DEPTH: Final = 20  # open brackets that are told apart: a tree has five
_ESCAPES: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f"}


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialGroup:
    """A group so far: name, prompt, options that are whole."""

    name: str
    prompt: str = ""
    options: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PartialReply:
    """What has come: groups, and classes of which a rule has begun, each in their order."""

    groups: tuple[PartialGroup, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Group:
    name: str
    prompt: str = ""
    options: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Frame:
    """An open bracket: its sign, the key that it stands behind, and the last key in it."""

    sign: str
    behind: str | None
    key: str | None = None


def arrived(text: str) -> PartialReply:
    """What an incomplete reply says so far.

    >>> arrived('{"classification_groups": {"size": {"prompt": "It is {}.", "options": ["tiny", "hu').groups[0].options
    ('tiny',)
    """
    arriving = Arriving()
    arriving.feed(text)
    return arriving.now


class Arriving:
    """Reads a reply piece by piece; each character is looked at once."""

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._length, self._tail = 0, ""
        self._reset()

    def _reset(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._classes: dict[str, None] = {}
        self._stack: list[_Frame] = []
        self._deeper = 0  # brackets that are open beyond those
        self._quote = ""
        self._said: list[str] = []
        self._escaped = ""
        self._held = ""  # the begin of a tag or comment that may go on in the next piece
        self._comment = ""
        self._thinking = False
        self._last: str | None = None
        self._unnamed = _Group("")

    @property
    def now(self) -> PartialReply:
        """What has come so far."""
        groups = self._groups.values()
        return PartialReply(
            groups=tuple(PartialGroup(name=g.name, prompt=g.prompt, options=tuple(g.options)) for g in groups),
            classes=tuple(self._classes),
        )

    def hear(self, text: str) -> None:
        """Is told the reply as far as it has come, again and again; a text that is another begins anew."""
        length = self._length
        if len(text) < length or text[max(0, length - len(self._tail)) : length] != self._tail:
            self._begin()
            length = 0
        self.feed(text[length:])

    def feed(self, piece: str) -> None:
        """The next piece."""
        self._length += len(piece)
        self._tail = (self._tail + piece)[-32:] if len(piece) < 32 else piece[-32:]
        text, self._held = self._held + piece, ""
        place = 0
        while place < len(text):
            if self._thinking:
                place = self._in_thought(text, place)
            elif self._comment:
                place = self._in_comment(text, place)
            elif self._quote:
                place = self._in_text(text, place)
            else:
                place = self._outside(text, place)

    def _in_thought(self, text: str, place: int) -> int:
        for tag in _TAG.finditer(text, place):
            if tag[1]:
                self._thinking = False
                return tag.end()
        self._held = text[max(place, len(text) - _LONGEST_TAG) :] if "<" in text[-_LONGEST_TAG:] else ""
        return len(text)

    def _in_comment(self, text: str, place: int) -> int:
        end = text.find(self._comment, place)
        if end < 0:
            self._held = "*" if self._comment == "*/" and text.endswith("*") else ""
            return len(text)
        end += len(self._comment)
        self._comment = ""
        return end

    def _in_text(self, text: str, place: int) -> int:
        c = text[place]
        if self._escaped:
            self._escaped += c
            whole = self._escaped[1] != "u" or len(self._escaped) == 6
            if whole:
                self._said.append(_unescaped(self._escaped))
                self._escaped = ""
            return place + 1
        if c == "\\":
            self._escaped = c
            return place + 1
        if c == self._quote:
            self._quote = ""
            self._last = "".join(self._said)[:_MOST_TEXT]
            self._said = []
            self._value(self._last)
            return place + 1
        run = _INSIDE[self._quote].match(text, place)
        assert run is not None
        self._said.append(run[0])
        return run.end()

    def _outside(self, text: str, place: int) -> int:
        run = _OUTSIDE.match(text, place)
        if run:
            if self._stack and run[0].strip():
                self._last = None  # a word or a number: no key that is followed here
            return run.end()
        c = text[place]
        if c in "/<" and len(text) - place < (2 if c == "/" else _LONGEST_TAG) and not _TAG.match(text, place):
            return self._hold(text, place)
        if c == "<" and (tag := _TAG.match(text, place)):
            self._reset()  # what stood before an end tag was thought
            self._thinking = not tag[1]
            return tag.end()
        return self._sign(text, c, place)

    def _hold(self, text: str, place: int) -> int:
        """Waits for what may follow, unless that is known not to be of use."""
        rest = text[place:]
        if rest == "/" or any(tag.startswith(rest.lower()) for tag in _TAGS):
            self._held = rest
            return len(text)
        return place + 1 if rest[:2] not in ("//", "/*") else self._sign(text, "/", place)

    def _sign(self, text: str, c: str, place: int) -> int:
        if c in "\"'":
            self._quote = c if self._stack else ""  # in prose an apostrophe is none
        elif c in "{[":
            if len(self._stack) == _MOST_DEPTH:
                self._deeper += 1
            elif c == "{" or self._stack:
                self._stack.append(_Frame(c, self._stack[-1].key if self._stack else None))
            self._last = None
        elif c in "}]":
            self._close()
        elif c == ":" and self._stack:
            self._stack[-1].key = self._last
            self._key()
        elif c == "," and self._stack:
            self._last = self._stack[-1].key = None
        elif self._stack and (c == "#" or text[place : place + 2] in ("//", "/*")):
            self._comment = "*/" if text[place : place + 2] == "/*" else "\n"
            return place + (2 if c == "/" else 1)
        return place + 1

    def _in_groups(self) -> int | None:
        """How many brackets are open within the groups; `None` outside of them."""
        for depth, frame in enumerate(self._stack):
            if frame.behind in _GROUPS:
                return len(self._stack) - depth
        return None

    def _in_rules(self) -> int | None:
        for depth, frame in enumerate(self._stack):
            if frame.behind and (frame.behind == "rules" or frame.behind.endswith("_rules")):
                return len(self._stack) - depth
        return None

    def _key(self) -> None:
        """A key is whole: of a group, or of a class with a rule."""
        frame, key = self._stack[-1], self._last
        if key is None or frame.sign != "{":
            return
        if self._in_groups() == 1:
            self._groups.setdefault(key, _Group(key))
        elif self._in_rules() == 1:
            self._classes.setdefault(key)
        self._last = None

    def _value(self, said: str) -> None:
        """A text is whole; it is a key if a colon follows."""
        depth = self._in_groups()
        if depth is not None and depth >= 2:
            group = self._group()
            key = self._stack[-1].key if self._stack[-1].sign == "{" else self._stack[-1].behind
            if self._stack[-1].sign == "[" and key == "options":
                group.options.append(said)
            elif self._stack[-1].sign == "{" and key == "prompt":
                group.prompt, self._stack[-1].key = said, None
            elif self._stack[-1].sign == "{" and key == "name" and group is self._unnamed:
                self._groups[said] = self._unnamed = _Group(said, group.prompt, group.options)
                self._stack[-1].key = None
        elif self._in_rules() == 2 and self._stack[-1].sign == "{" and self._stack[-1].key == "class":
            self._classes.setdefault(said)
            self._stack[-1].key = None

    def _group(self) -> _Group:
        """The group that is open, by its key or, in a list, by its name."""
        for depth, frame in enumerate(self._stack):
            if frame.behind in _GROUPS and depth + 1 < len(self._stack):
                inner = self._stack[depth + 1]
                return self._groups.get(inner.behind or "", self._unnamed) if frame.sign == "{" else self._unnamed
        return self._unnamed

    def _close(self) -> None:
        if self._deeper:
            self._deeper -= 1
        elif self._stack:
            self._stack.pop()
        if self._in_groups() == 1 and self._stack[-1].sign == "[":
            self._unnamed = _Group("")
        self._last = None


_TAGS: Final = tuple(f"<{end}{name}>" for end in ("", "/") for name in ("think", "thinking", "reasoning", "thought"))


def _unescaped(escape: str) -> str:
    if escape[1] == "u":
        try:
            return chr(int(escape[2:], 16))
        except ValueError:
            return "?"
    return _ESCAPES.get(escape[1], escape[1])
