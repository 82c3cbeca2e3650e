"""A stand-in for a language model that proposes good and harmful changes at random, from what a request shows."""

import json
import random
import re
from collections.abc import Callable
from typing import Any

_FIELD = re.compile(r"\[\[ ## (\w+) ## \]\]\n(.*?)(?=\n\n\[\[ ## |\n\nRespond with|\Z)", re.DOTALL)
#: words that fit the drawings, and words that fit nothing
GOOD = {"purple": "violet", "pink": "bright pink", "gray": "grey", "a four-legged animal": "an animal with four legs"}
POOR = ("transparent", "made of glass", "famous", "from the north", "loud", "on a table", "a car", "a lamp")


def fields_of(request: str) -> dict[str, str]:
    """The fields of a request."""
    return {name: text.strip() for name, text in _FIELD.findall(request)}


def reply_of(edits: object) -> str:
    return f"[[ ## changes ## ]]\n{json.dumps(edits)}\n\n[[ ## completed ## ]]"


def groups_of(tree: str) -> dict[str, list[str]]:
    """Group -> options, from a tree in words."""
    groups: dict[str, list[str]] = {}
    for line in tree.splitlines():
        if found := re.match(r"group (.*?): ", line):
            groups[found[1]] = []
        elif line.startswith("  - "):
            groups[list(groups)[-1]].append(line[4:])
    return groups


def classes_of(tree: str) -> list[str]:
    return [line.removeprefix("class ") for line in tree.splitlines() if line.startswith("class ")]


def random_edit(tree: str, rng: random.Random) -> dict[str, Any]:
    groups, classes = groups_of(tree), classes_of(tree)
    group = rng.choice(list(groups))
    option = rng.choice(groups[group])
    kind = rng.choice(["reword", "poor", "answer", "remove group", "remove option", "add group", "nonsense"])
    if kind == "reword":
        return {"do": "reword", "group": group, "option": option, "to": GOOD.get(option, f"clearly {option}")}
    if kind == "poor":
        return {"do": "reword", "group": group, "option": option, "to": rng.choice(POOR)}
    if kind == "answer":
        return {"do": "answer", "class": rng.choice(classes), "group": group, "option": rng.choice(groups[group])}
    if kind == "remove group":
        return {"do": "remove group", "group": group}
    if kind == "remove option":
        return {"do": "remove option", "group": group, "option": option, "into": rng.choice(groups[group])}
    if kind == "add group":
        words = rng.sample(POOR, 2)
        answers = {name: rng.choice(words) for name in classes}
        name = f"extra {rng.randrange(1000)}"
        return {
            "do": "add group",
            "group": name,
            "prompt": "This creature is {}.",
            "options": words,
            "answers": answers,
        }
    return {"do": "reword", "group": "no such group", "option": "x", "to": "y"}


def random_reply(request: str, seed: int) -> str:
    """The same for the same request: what is asked twice is answered in the same way."""
    rng = random.Random(f"{seed} {request}")
    if rng.random() < 0.1:
        return rng.choice(["I would rather not.", "[[ ## changes ## ]]\n{{{", "", reply_of("no list"), reply_of([])])
    tree = fields_of(request)["tree"]
    return reply_of([random_edit(tree, rng) for _ in range(rng.randint(1, 4))])


def stand_in(seed: int) -> Callable[[list[dict[str, Any]]], tuple[str, str]]:
    """For `tests.llm.tasks.parts_server.serving`."""
    return lambda messages: (random_reply(messages[-1]["content"], seed) or "nothing", "stop")
