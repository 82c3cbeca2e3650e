"""Whatever a server, a recording or a model says: no run ends with a bug, and no reader raises. Seeds are fixed."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import DOMAIN, TREE, Run, calls_of
from tests.llm.chat.asked import waits
from tests.llm.chat.server import OpenAIServer, Response, completion, events
from treegen.config.domain import Domain, load_domain
from treegen.llm.reading.batch_parser import apart_reader, groups_reader, rules_reader
from treegen.llm.tasks.attempts import Reader
from treegen.llm.tasks.describe import description_parts
from treegen.llm.tasks.repair import tree_reader

__all__ = ["waits"]  # a fixture
PLAIN: dict[str, Any] = json.loads(TREE)
GROUPS, RULES = PLAIN["classification_groups"], PLAIN["rules"]
NAMES = list(RULES)
#: what a value may turn into
ODD: tuple[Any, ...] = (
    *(None, True, -1, 0.0, 1.5, 1e308, 10**30, "", " ", "null", "white", "WHITE", "0", "{}", "<think>", "\ud83d", "…"),
    *([], {}, [[]], [None], {"": {}}, {"a": [{"b": None}]}, "x" * 5000, '{"a": 1}', "[1]", "\u202e", "\x00"),
)
#: what a text may have in its midst
BITS: tuple[str, ...] = (
    *(
        "{",
        "}",
        "{{",
        "}}",
        "[",
        "]",
        '"',
        "'",
        "\\",
        "\n",
        ",",
        ":",
        "#",
        "//",
        "<think>",
        "</think>",
        "...",
        "\ufeff",
    ),
    *(
        "{[1], [2]}",
        "{{1}, {2}}",
        "{1: [2]}",
        "```",
        "“",
        "\\u",
        "\x00",
        "\ud83d",
        "=",
        "None",
        "1e999",
        "{**a}",
        "f''",
    ),
)
NOTATIONS: tuple[Callable[[Any], str], ...] = (
    json.dumps,
    repr,
    lambda data: json.dumps(data, indent=1),
    lambda data: json.dumps(json.dumps(data)),
)
BEFORE, AFTER = ("", "Sure:\n```json\n", "<think>so</think>", "x = "), ("", "\n```", "\nDone.")


def places_of(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of plain data."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places_of(inner, (*path, key))


def mutated(data: Any, chance: random.Random) -> Any:
    """The data with one to three of its values or keys replaced, lost, or moved."""
    data = json.loads(json.dumps(data))
    for _ in range(chance.randint(1, 3)):
        *path, last = chance.choice(list(places_of(data)) or [("x",)])
        inner = data
        for key in path:
            inner = inner[key]
        if not isinstance(inner, dict | list) or (isinstance(inner, dict) and last not in inner):
            continue
        value = inner.pop(last)
        kind = chance.randrange(4)
        if isinstance(inner, list):
            inner[last:last] = [[copy.deepcopy(chance.choice(ODD))], [value, value], [], [[value]]][kind]
        elif kind == 0:
            inner[last] = copy.deepcopy(chance.choice(ODD))
        elif kind == 1:
            inner[str(chance.choice(ODD))] = value
        elif kind == 2:
            inner[last] = {last: value}
    return data


def written(data: Any, chance: random.Random) -> str:
    """The data as a reply: in some notation, sometimes with bits of another put into it or a part cut out."""
    text = chance.choice(NOTATIONS)(data)
    for _ in range(chance.choice((0, 0, 1, 1, 2, 5))):
        place = chance.randrange(len(text) + 1)
        text = text[:place] + chance.choice(BITS) + text[place + chance.choice((0, 0, 1, 40)) :]
    return chance.choice(BEFORE) + text + chance.choice(AFTER)


def readers(domain: Domain) -> dict[str, tuple[Reader, Any]]:
    """Each reader with a reply that it takes."""
    same = {name: {**rule, "colour": 0, "form": 0, "scene": 0, "mark": 0, "size": 0} for name, rule in RULES.items()}
    patch = {"patch": [{"op": "replace", "path": "/rules/Abrosk/colour", "value": 1}]}
    (described,) = description_parts(domain, {name: ["data:image/png;base64,AAAA"] for name in NAMES[:3]})
    apart = {
        "classification_groups": {"new": GROUPS["colour"]},
        "rules": {n: {"new": i} for i, n in enumerate(NAMES[:9])},
    }
    return {
        "tree": (tree_reader(domain), {"classification_groups": GROUPS, "rules": RULES}),
        "patch": (tree_reader(domain, {"classification_groups": GROUPS, "rules": RULES}), patch),
        "groups": (groups_reader(domain), {"classification_groups": GROUPS}),
        "rules": (rules_reader(domain, GROUPS, NAMES[:5]), {"rules": {name: RULES[name] for name in NAMES[:5]}}),
        "apart": (apart_reader(domain, GROUPS, same, NAMES[:9]), apart),
        "descriptions": (described.reader, {"descriptions": dict.fromkeys(NAMES[:3], "white")}),
    }


@pytest.mark.parametrize("kind", ["tree", "patch", "groups", "rules", "apart", "descriptions"])
@pytest.mark.slow
def test_no_reply_makes_a_reader_raise(kind: str, tmp_path: Path) -> None:
    """A reader gives problems; what it raises would be told as a fault of the reply that nobody can act on."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    reader, sound = readers(load_domain(tmp_path))[kind]
    assert not [p for p in reader(json.dumps(sound), "stop").problems if p.severity == "error"]
    chance = random.Random(16)
    for number in range(250):
        text = written(mutated(sound, chance) if number % 3 else sound, chance)
        try:
            read = reader(text, chance.choice(("stop", "length", None, "other")))
            json.dumps([p.as_json() for p in read.problems])
            json.dumps(read.data)
        except Exception as error:
            pytest.fail(f"{type(error).__name__}: {error}\n{text!r}")


@pytest.fixture
def pond(tmp_path: Path) -> Path:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    return tmp_path


def assert_no_bug(run: Run, pond: Path, *arguments: object) -> None:
    """The draft ends in one of the ways that are documented, and so does the history of it."""
    done = run("draft", pond, "--no-score", "--force", "--tries", 2, *arguments)
    assert done.code in (0, 1, 2, 3), done.err
    assert "bug in treegen" not in done.err
    for form in (("--calls",), ("--cost",), ("--json",)):
        logged = run("log", pond / "tree.json", *form)
        assert logged.code in (0, 2), logged.err


@pytest.mark.slow
def test_no_recording_ends_a_run_with_a_bug(run: Run, pond: Path, tmp_path: Path) -> None:
    """Figures, models and reasons of another type; the reply itself is sound, so there is a tree."""
    recorded = pond / "said.jsonl"
    answer = tmp_path / "a.txt"
    answer.write_text(TREE, encoding="utf-8")
    first = run("draft", pond, "--model", "manual", "--answer", answer, "--no-score", "--record", recorded)
    assert first.code == 0, first.err
    line = json.loads(recorded.read_text(encoding="utf-8"))
    figures = {"model": "m", "finish": "stop", "prompt_tokens": 7, "completion_tokens": 3, "cost": 0.1, "seconds": 1.0}
    chance = random.Random(5)
    for _ in range(40):
        odd = {key: copy.deepcopy(chance.choice(ODD)) for key in chance.sample(sorted(figures), 2)}
        text = json.dumps({**line, **figures, **odd})
        recorded.write_text(text + "\n", encoding="utf-8")
        assert_no_bug(run, pond, "--model", "replay/said.jsonl")
    costs = [call.cost for call in calls_of(pond / "tree.json")]
    assert all(cost is None or cost >= 0 for cost in costs)


@pytest.mark.litellm
@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_no_reply_of_a_server_ends_a_run_with_a_bug(
    streamed: bool, run: Run, pond: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Bodies and events whose values are of other types, or that are no completions at all."""
    if streamed:
        monkeypatch.setattr("treegen.cli.partial_reply.is_watched", lambda: True)
    chance = random.Random(7)
    served: Callable[[Any], Response] = (lambda _: script(chance)) if not streamed else (lambda _: parts(chance))
    arguments = ("--model", "openai/m", "--api-base", openai_server.url, "--fresh")
    for _ in range(20):
        openai_server.script.extend([served] * 12)
        assert_no_bug(run, pond, *arguments)
        openai_server.script.clear()


def script(chance: random.Random) -> Response:
    data = mutated(json.loads(completion(TREE)), chance)
    return Response(headers={"Content-Type": "application/json"}, body=json.dumps(data).encode())


def parts(chance: random.Random) -> Response:
    lines = []
    for line in events(TREE[:900], TREE[900:]):
        if chance.random() < 0.4 and b"{" in line:
            line = b"data: " + json.dumps(mutated(json.loads(line[6:]), chance)).encode() + b"\n\n"
        lines.append(line)
    return Response(headers={"Content-Type": "text/event-stream"}, pieces=tuple(lines))


def test_a_call_is_in_the_history_before_its_reply_is_read(
    run: Run, pond: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even if reading ends the program; and a reader that raises makes a problem that goes back."""

    def end(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    answer = tmp_path / "a.txt"
    answer.write_text(TREE, encoding="utf-8")
    arguments = ("draft", pond, "--model", "manual", "--answer", answer, "--no-score")
    with monkeypatch.context() as patch:
        patch.setattr("treegen.llm.tasks.repair.parse_reply", end)
        assert run(*arguments).code == 130
    (call,) = calls_of(pond / "tree.json")
    assert (call.reply, call.purpose) == (TREE, "unread")

    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("treegen.llm.tasks.repair.parse_reply", fail)
    done = run(*arguments, "--answer", answer)
    assert done.code == 1
    assert "the reply cannot be read (ZeroDivisionError)" in done.err


def test_a_cost_that_an_earlier_version_stored_as_a_text_is_unknown(run: Run, pond: Path, tmp_path: Path) -> None:
    from treegen.history.store import Store

    (tmp_path / "a.txt").write_text(TREE, encoding="utf-8")
    assert run("draft", pond, "--model", "manual", "--answer", tmp_path / "a.txt", "--no-score").code == 0
    with Store(pond / "tree.json") as store, store.writing() as db:
        db.execute("UPDATE call SET cost='0.01 USD', prompt_tokens='seven', sum=NULL")
    for form in ((), ("--calls",), ("--cost",), ("--json",)):
        assert run("log", pond / "tree.json", *form).code == 0
