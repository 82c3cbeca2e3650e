"""domain.toml, class lists and folders to begin a domain from, as they are typed, edited, saved and unpacked."""

from pathlib import Path
from random import Random
from typing import Final

from tests.fuzz.inputs import CLASSES, Input, write, write_domain
from tests.fuzz.pictures import small

_VALUES: Final = (
    *(
        '""',
        '" "',
        '"x"',
        "3",
        "-1",
        "0",
        "1.5",
        "nan",
        "inf",
        "1e400",
        "true",
        "[]",
        "[[]]",
        '["a"]',
        '["a", 3]',
        "{}",
    ),
    *("1979-05-27", "{a = 1}", '["Newt", "Newt"]', '"\\u0000"', '"\\u001b[31m"', '"../.."', '"/"', f'"{"x" * 5000}"'),
    *(
        '"Newt"',
        '"tree.json"',
        '"set"',
        '"{name}"',
        '"{}"',
        '"{name"',
        "9" * 30,
        "[1, 2, 3, 4]",
        "[0.0, 0.0, 1.0, 1.0]",
        "0x10",
    ),
    "[" * 200 + "]" * 200,
)
_LINES: Final = (
    'noun = "animal"',
    'description = "of a pond"',
    'hints = ["colour"]',
    'language = "en"',
    'name_template = "{name}"',
    'classes_file = "list.txt"',
    'notes_file = "notes.csv"',
    "unknown = 1",
    "[split]",
    "dev = 0.5",
    "seed = 3",
    "sealed = true",
    'by = "rank"',
    "[llm]",
    'model = "manual"',
    "timeout = 3",
    "[llm.caps]",
    "calls = 3",
    "[encoder]",
    'name = "bundled"',
    'device = "cpu"',
    'precision = "fp32"',
    "[decision]",
    'rule = "vote"',
    "least_margin = 0.1",
    "[decision.parameters]",
    "temperature = 2.0",
    "[check.severity]",
    'TG603 = "error"',
    'TG101 = "off"',
    "[notes]",
    'Newt = "has a tail"',
    "[aliases]",
    'Swan = ["Cygnus"]',
    'Eel = ["x"]',
    "[images]",
    'folder = "set"',
    'hf = "set"',
    'manifest = "list.csv"',
    'shards = "set/*.tar"',
    'columns = {label = "y"}',
    "crop = [0.0, 0.0, 1.0, 0.5]",
    "workers = 0",
    'classnames = "list.txt"',
    "[[images]]",
    "[images.columns]",
    "= 3",
    "name",
    "\t",
    "# comment",
    "'''",
)
_NAMES: Final = (
    *CLASSES,
    *CLASSES,
    "Newt",
    "newt",
    "swän",
    "swa\u0308n",
    "a\tb",
    "Ünï",
    "日本",
    '"Newt"',
    "Newt\\n",
    "# Newt",
    "#Newt",
    "Newt # x",
    "3",
    "[images]",
    "'",
    "\x1b[31m",
    "x" * 400,
    "\u2028",
    "a\u2028b",
    "a\x0cb",
    "a\x85b",
    "  Newt  ",
    "",
    " ",
    "null",
    "{}",
    "%s",
    "\u200b",
    "\u202eabc",
    "Newt\x00",
    "-",
    "train",
    "test",
)
_COMMANDS: Final = (
    ("score", "DIR/tree.json", "--json"),
    ("embed", "DIR", "--json"),
    ("show", "DIR/tree.json"),
    ("log", "DIR/tree.json"),
    ("doctor", "DIR"),
)


def edited(random: Random, folder: Path) -> Input:
    """A domain.toml with lines that were removed, doubled, added, given another value, or broken."""
    files = {f"{name}/{number}.png": small(random, number) for number in range(2) for name in CLASSES[:2]}
    given = Input(kind="domains", folder=folder, sound=False)
    write(folder / "set", files, given)
    given.found = given.count = None
    write_domain(folder, 'folder = "set"')
    (folder / "list.csv").write_text("path,label\nNewt/0.png,Newt\n", encoding="utf-8")
    (folder / "list.txt").write_text("Newt\nSwan\n", encoding="utf-8")
    path = folder / "domain.toml"
    lines = path.read_text(encoding="utf-8").splitlines()
    for _ in range(random.randint(1, 4)):
        at = random.randrange(len(lines) + 1)
        line = lines[at] if at < len(lines) else ""
        key = line.partition("=")[0]
        added, key_added = random.choice(_LINES), random.choice(_LINES).partition("=")[0]
        lines[at : at + 1] = random.choice(
            [
                [added, line],
                [line, *random.sample(_LINES, 2)],
                [f"{key}= {random.choice(_VALUES)}"],
                [f"{key_added}= {random.choice(_VALUES)}", line],
                [line, line],
                [],
            ]
        )
    data = "\n".join(lines).encode(errors="replace")
    if random.random() < 0.2:
        place = random.randrange(len(data) + 1)
        data = random.choice(
            [
                data[:place],
                data[:place] + random.randbytes(2) + data[place:],
                data.replace(b"\n", b"\r\n"),
                b"",
                b"\xef\xbb\xbf" + data,
                data.decode().encode("utf-16"),
                data.replace(b"\n", b"\r"),
                b"\x00" + data,
            ]
        )
    path.write_bytes(data)
    given.commands = random.sample(_COMMANDS, 2)
    return given


def listed(random: Random, folder: Path) -> Input:
    """A class list in the encodings and with the lines that editors, spreadsheets and copying leave."""
    names = [random.choice(_NAMES) for _ in range(random.randint(0, 6))]
    if random.random() < 0.6:
        names = [*list(dict.fromkeys(names)), "Newt", "Swan"]
        names = list(dict.fromkeys(name.strip() for name in names))
    text = random.choice(["\n", "\n", "\r\n", "\r", ",", "\n\n"]).join(names) + random.choice(["", "\n"])
    data = text.encode(random.choice(["utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16", "latin-1"]), "replace")
    if random.random() < 0.1:
        data = random.choice([b"", b"\0", random.randbytes(50), b"PK\x03\x04", data + random.randbytes(3)])
    (folder / "classes.txt").write_bytes(data)
    given = Input(kind="domains", folder=folder / "new", sound=False)
    arguments = ["--classes", str(folder / "classes.txt")]
    if random.random() < 0.4:
        files = {f"{name.strip() or 'x'}/1.png": small(random, at) for at, name in enumerate(CLASSES)}
        write(folder / "set", files, Input(kind="domains", folder=folder))
        arguments += ["--images", str(folder / "set")]
    if random.random() < 0.3:
        arguments += [
            "--noun",
            random.choice(["", "animal", '"', "\x1b", "a\nb", "{name}"]),
            "--name",
            random.choice(["", "pond", "\\", "\n"]),
        ]
    given.commands = [("init", "DIR", *arguments), ("check", "DIR", "--format", "json"), ("init", "DIR", *arguments)]
    return given


def begun(random: Random, folder: Path) -> Input:
    """Folders with classes below splits, splits below classes, or both; nearly empty ones, and files beside them."""
    splits = random.sample(
        ["train", "val", "test", "training", "testing", "eval", "extra", "Train", "test2017"], random.randint(0, 3)
    )
    names = random.sample(
        [
            *CLASSES,
            "Eel",
            "001.Wolf",
            "n02084071",
            "train",
            "a b",
            "ünï",
            "1",
            "0",
            "\x1b[31m",
            'q"uote',
            "back\\slash",
            "b\udcffx",
        ],
        random.randint(0, 4),
    )
    order = random.choice(["split", "class", "flat", "both"])
    files = {}
    for at, name in enumerate(names):
        wheres = {"split": [f"{s}/{name}" for s in splits], "class": [f"{name}/{s}" for s in splits], "flat": [name]}
        where = random.choice([*wheres.values()]) if order == "both" else wheres[order]
        for number, place in enumerate(where):
            if random.random() < 0.9:
                files[f"{place}/{at}_{number}.png"] = small(random, 10 * at + number)
    if random.random() < 0.2:
        files["loose.png"] = small(random, 99)
    given = Input(kind="domains", folder=folder / "new", sound=False)
    root = folder / "set"
    root.mkdir()
    write(root, files, given)
    if random.random() < 0.2:
        (root / "empty").mkdir()
    given.found = None
    given.commands = [
        ("init", "DIR", "--images", str(root)),
        ("check", "DIR", "--format", "json"),
        ("embed", str(root), "-o", "DIR/out", "--json"),
    ]
    return given


def domains(random: Random, folder: Path) -> Input:
    return random.choice([edited, edited, listed, begun])(random, folder)
