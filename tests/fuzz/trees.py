"""Trees and replies with edits that people, editors, merges, language models and damage make."""

import json
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fuzz.inputs import Input

_TREE: Final = {
    "domain": "pond",
    "classification_groups": {
        "colour": {"prompt": "The animal is {}.", "options": ["green", "white", "pink"]},
        "limbs": {"prompt": "The animal has {}.", "options": ["four legs", "wings", "fins"]},
        "size": {"prompt": "The animal is {} for an animal of a pond.", "options": ["small", "large"]},
    },
    "rules": {
        "Newt": {"colour": 0, "limbs": 0, "size": 0},
        "Swan": {"colour": 1, "limbs": 1, "size": 1},
        "Eel": {"colour": 0, "limbs": 2, "size": None},
    },
}
#: values and names that stand where another was meant
_STRANGE: Final[tuple[Any, ...]] = (
    *(None, True, False, 0, 1, 2, 3, -1, 7, 1.0, 0.5, 1e308, 10**40, float("nan"), float("inf")),
    *("", " ", "{}", "{} {}", "{", "{0}", "{name}", "%s", "0", "Newt", "colour", "green", "\x00", "\ud800", "\u202e"),
    *(
        "a\nb",
        "\x1b[31m",
        "x" * 3000,
        "Swa\u0308n",
        "Swän",
        "日本",
        "<b>",
        "=1+1",
        "../..",
        "-",
        "@x",
        "$ref",
        "/a/b~1",
    ),
    *([], {}, [[]], [0], ["a"], ["a", "a"], {"a": 0}, [None], {"": {}}, {"prompt": "{}", "options": ["a", "b"]}),
)
_KEYS: Final = (
    *("domain", "classification_groups", "rules", "prompt", "options", "review", "comment", "look", "version", "Newt"),
    *("colour", "limbs", "", "Newt ", "newt", "$schema", "//", "x" * 400, "a\nb", "\u202e", "1", "__proto__"),
)
#: what a chat window or a merge leaves around or within a text
_AROUND: Final = (
    "{}",
    "Here is the tree:\n\n```json\n{}\n```\nLet me know!",
    "```\n{}\n```",
    "<think>a {{ b</think>{}",
    "{}\n{}",
    "tree = {}",
    "<<<<<<< ours\n{}\n=======\n{}\n>>>>>>> theirs\n",
    "\ufeff{}",
    "// comment\n{}",
    "[{}]",
    '{{"tree": {}}}',
    "{};",
)
_MANUAL: Final = ("--model", "manual", "--messages", "DIR/ask.txt", "--answer", "DIR/tree.json")
_COMMANDS: Final = (
    ("show", "DIR/tree.json"),
    ("diff", "DIR/sound.json", "DIR/tree.json"),
    ("diff", "DIR/tree.json", "DIR/sound.json", "--json"),
    ("merge", "DIR/sound.json", "DIR/tree.json", "DIR/other.json"),
    ("merge", "DIR/tree.json", "DIR/sound.json", "DIR/other.json"),
    ("merge", "DIR/sound.json", "DIR/sound.json", "DIR/tree.json", "--driver"),
    ("resolve", "DIR/tree.json"),
    ("export", "DIR/tree.json", "--to", "csv"),
    ("export", "DIR/tree.json", "--to", "python", "-o", "DIR/tree.py"),
    ("export", "DIR/tree.json", "--to", "descriptors"),
    ("import", "DIR/tree.json", "-o", "DIR/imported.json", "--force"),
    ("check", "DIR/tree.json", "--fix"),
    ("check", "DIR/tree.json"),
    ("draft", "DIR", *_MANUAL, "--no-score", "--force"),
    ("revise", "DIR/sound.json", "-m", "fewer groups", *_MANUAL),
    ("approve", "DIR/tree.json", "--by", "Ada <ada@example.org>"),
)


def trees(random: Random, folder: Path) -> Input:
    """A tree whose values, keys, text or bytes are changed in one to four places."""
    (folder / "domain.toml").write_text('name = "pond"\nclasses = ["Newt", "Swan", "Eel"]\n', encoding="utf-8")
    (folder / "sound.json").write_text(json.dumps(_TREE, indent=2), encoding="utf-8")
    other = json.dumps(_TREE).replace("four legs", "four short legs").replace("is {}.", "looks {}.")
    (folder / "other.json").write_text(other, encoding="utf-8")
    document = json.loads(json.dumps(_TREE))
    for _ in range(random.randint(0, 3)):
        document = _changed(random, document)
    text = json.dumps(document, indent=random.choice((None, 2)), ensure_ascii=random.random() < 0.5)
    for _ in range(random.randint(0, 2)):
        text = _edited(random, text)
    data = text.encode(random.choice(("utf-8", "utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1")), "replace")
    if random.random() < 0.2:
        data = _damaged(random, data)
    (folder / "tree.json").write_bytes(data)
    return Input(kind="trees", folder=folder, sound=False, commands=random.sample(_COMMANDS, 2))


def _changed(random: Random, value: Any) -> Any:
    """A document with a change somewhere below."""
    if isinstance(value, dict) and value and random.random() < 0.9:
        key = random.choice([*value])
        items = list(value.items())
        match random.randrange(8):
            case 0:
                items = [each for each in items if each[0] != key]
            case 1:
                items = [(random.choice(_KEYS) if name == key else name, each) for name, each in items]
            case 2:
                items.append((random.choice(_KEYS), random.choice(_STRANGE)))
            case 3:
                random.shuffle(items)
            case _:
                items = [(name, _changed(random, each) if name == key else each) for name, each in items]
        return dict(items)
    if isinstance(value, list) and value and random.random() < 0.8:
        at = random.randrange(len(value))
        return random.choice(
            (value[:at], value[at:], [*value, value[at]], [*value, random.choice(_STRANGE)], value[::-1])
        )
    return random.choice(_STRANGE)


def _edited(random: Random, text: str) -> str:
    """A text with something left out, doubled, added or put around it."""
    start = random.randrange(len(text) + 1)
    end = min(len(text), start + random.choice((1, 1, 2, 10, 100)))
    return random.choice(
        (
            text[:start] + text[end:],
            text[:end] + text[start:],
            text[:start]
            + random.choice(("{", "}", "[", "]", ",", ":", '"', "'", "null", "NaN", "//", "\\", "0"))
            + text[start:],
            text[:start],
            text.replace('"', random.choice(("'", "“", "")), random.choice((1, -1))),
            text.replace("null", random.choice(("None", "undefined", "-")), 1),
            text.replace("}", random.choice((",}", "}}", "")), 1),
            random.choice(_AROUND).replace("{{", "{").replace("{}", text),
            "[" * 5000 + text if random.random() < 0.05 else text,
        )
    )


def _damaged(random: Random, data: bytes) -> bytes:
    """Bytes as a disk, a cut connection or another program leaves them."""
    at = random.randrange(len(data) + 1)
    flipped = bytearray(data)
    for _ in range(random.choice((1, 3, 30)) if data else 0):
        flipped[random.randrange(len(data))] ^= 1 << random.randrange(8)
    return random.choice(
        (
            data[:at],
            bytes(flipped),
            data[:at] + random.randbytes(3) + data[at:],
            data.replace(b"\n", b"\r\n"),
            data + b"\0" * 9,
        )
    )
