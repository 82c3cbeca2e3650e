"""A second opinion by a vision model: a server answers from the truth with known noise."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import Run, calls_of, trust_all
from tests.llm.tasks.parts_server import serving
from treegen import load_tree
from treegen.clip.questions import SecondOpinion
from treegen.images import LabelledImage, open_picture
from treegen.images.data_urls import data_url
from treegen.tree.model import Tree
from treegen.workflow.workspace import Workspace

pytestmark = [pytest.mark.slow, pytest.mark.litellm]

NOISE = 0.1
PRICE_IN, PRICE_OUT = 5.0, 25.0  # USD per million tokens
TABLE = """
[second]
model = "openai/eye"
api_base = "{base}"
price_in = {price_in}
price_out = {price_out}
images = {images}
"""


@dataclass
class Eye:
    """Sees the class of each picture it is shown, and answers a question wrongly at a known rate."""

    tree: Tree
    classes: dict[str, str]  # data URL -> class
    noise: float = NOISE
    replies: list[tuple[str, str]] = field(default_factory=list)  # class, text

    def __call__(self, messages: list[dict[str, Any]]) -> tuple[str, str]:
        text, picture = messages[0]["content"]
        assert all(name not in text["text"] for name in self.tree.classes)
        name = self.classes[picture["image_url"]["url"]]
        rule = next(rule for rule in self.tree.rules if rule.name == name)
        answers = {}
        for group in self.tree.groups:
            drawn = int(sha256(f"{group.name} {picture['image_url']['url']}".encode()).hexdigest()[:8], 16)
            option = self.tree.word(rule, group.name)
            if drawn / 2**32 < self.noise:
                others = [each for each in group.options if each != option]
                option = others[drawn % len(others)]
            answers[group.name] = option
        reply = json.dumps({"seen": "It has a body.", "answers": answers})
        self.replies.append((name, reply))
        return reply, "stop"

    @property
    def cost(self) -> float:
        """What the replies cost, by the tokens that the server reports."""
        return sum(10 * PRICE_IN + len(text) // 4 * PRICE_OUT for _, text in self.replies) / 1e6


def classes_of(tree_file: Path) -> dict[str, str]:
    """Which class each picture of the set shows, as a model is sent it."""
    with Workspace(tree_file) as workspace:
        images, domain = workspace.evaluator.images.images, workspace.domain
        assert domain.images is not None
        crop = domain.images.crop
        return {data_url(open_picture(image, crop)): domain.classes[image.label] for image in images}


@pytest.fixture
def eye(tree_file: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Eye]:
    """A server that the domain names, which its user trusts."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123456789012345678901234567890")
    answering = Eye(load_tree(tree_file), classes_of(tree_file))
    with serving(answering) as base:
        name_second(tree_file, base)
        yield answering


def name_second(tree_file: Path, base: str, images: int = 2) -> None:
    file = tree_file.parent / "domain.toml"
    table = TABLE.format(base=base, price_in=PRICE_IN, price_out=PRICE_OUT, images=images)
    file.write_text(re.sub(r"\n\[second\].*", "", file.read_text(), flags=re.DOTALL) + table)
    trust_all(tree_file.parent)


def joined_right(tree_file: Path, eye: Eye, below: float) -> int:
    """How many test images are right by Bayes' rule, step by step, with the answers that the server gave."""
    with Workspace(tree_file) as workspace:
        evaluator, domain = workspace.evaluator, workspace.domain
        assert domain.images is not None
        asked = len(eye.replies)
        test, dev = evaluator.splits["test"], evaluator.splits["dev"]
        rules = evaluator.evidence(eye.tree, dev.features, names=False)

        def answers(image: LabelledImage) -> list[int]:
            assert domain.images is not None
            picture = {"image_url": {"url": data_url(open_picture(image, domain.images.crop))}}
            reply, _ = eye([{"content": ({"text": ""}, picture)}])
            given = json.loads(reply)["answers"]
            return [-1 if given[g.name] is None else g.options.index(given[g.name]) for g in eye.tree.groups]

        first: dict[int, list[int]] = {}
        for place in sorted(range(len(dev.labels)), key=lambda place: dev.images[place].digest):
            if len(chosen := first.setdefault(dev.labels[place], [])) < 2:
                chosen.append(place)
        places = [place for label in sorted(first) for place in first[label]]
        learnt = SecondOpinion.learn(
            rules, np.array([answers(dev.images[p]) for p in places]), [dev.labels[p] for p in places]
        )
        posterior = evaluator.posterior(eye.tree, test.features)
        right = 0
        for image, label, row in zip(test.images, test.labels, posterior, strict=True):
            shares = row if row.max() >= below else learnt.posterior(row[None], np.array([answers(image)]))[0]
            right += int(shares.argmax()) == label
        del eye.replies[asked:]
    return right


def scored(run: Run, tree_file: Path, *options: str) -> dict[str, Any]:
    done = run("score", tree_file, "--ask-model", "openai/eye", "--json", *options)
    assert done.code == 0, done.err
    return dict(json.loads(done.out)["second"])


def test_accuracy_requests_and_cost_of_the_cascade_are_exact(run: Run, tree_file: Path, eye: Eye) -> None:
    result = scored(run, tree_file, "--below", "0.9")
    most = result["steps"][-1]
    assert [step["threshold"] for step in result["steps"]] == [0.5, 0.6, 0.7, 0.8, 0.9]
    assert result["learnt_from"] == 2 * 13
    assert len(eye.replies) == result["learnt_from"] + most["asked"]
    assert result["learning_cost"] + most["cost"] == pytest.approx(eye.cost, abs=1e-12)
    asked = [step["asked"] for step in result["steps"]]
    assert asked == sorted(asked)
    for step in result["steps"]:
        wins, losses = step["against_clip"]["wins"], step["against_clip"]["losses"]
        assert step["share"]["correct"] == result["clip"]["correct"] + wins - losses
        assert wins + losses <= step["asked"]
    assert most["left"] < most["asked"]
    assert (most["share"]["n"], most["share"]["correct"]) == (result["n"], joined_right(tree_file, eye, 0.9))
    calls = [call for call in calls_of(tree_file) if call.purpose == "answer"]
    assert len(calls) == len(eye.replies)
    assert sum(call.cost or 0 for call in calls) == pytest.approx(eye.cost, abs=1e-12)

    sent = len(eye.replies)
    again = scored(run, tree_file, "--below", "0.9")
    assert len(eye.replies) == sent, "equal pictures and questions are not paid for twice"
    assert again["steps"] == result["steps"], "what they cost is known from the earlier run"


def test_a_model_that_only_tells_the_truth_makes_everything_right_that_it_is_asked(
    run: Run, tree_file: Path, eye: Eye
) -> None:
    eye.noise = 0.0
    most = scored(run, tree_file, "--below", "1")["steps"][-1]
    ambiguous = len({tuple(rule.answers) for rule in eye.tree.rules}) < len(eye.tree.rules)
    assert most["share"]["accuracy"] == 1 or ambiguous


def test_classify_asks_only_about_what_clip_is_not_sure_of(run: Run, tree_file: Path, eye: Eye) -> None:
    pictures = sorted((tree_file.parent / "images").rglob("*.png"))[::9]
    alone = json.loads(run("classify", tree_file, *pictures, "--below", "0", "--json").out)
    assert not eye.replies
    assert all(each["second"] is None for each in alone)
    done = run("classify", tree_file, *pictures, "--below", "0.7", "--json")
    assert done.code == 0, done.err
    results = json.loads(done.out)
    asked = [each for each in results if each["second"]]
    assert len(eye.replies) == 2 * 13 + len(asked)
    assert 0 < len(asked) < len(results)
    for each in asked:
        assert each["second"]["seen"] == "It has a body."
        assert set(each["second"]["answers"]) == {group.name for group in eye.tree.groups}
        assert each["unsure"] == (each["ranking"][0][1] < 0.7)
        assert sum(share for _, share in each["ranking"]) <= 1 + 1e-9
    assert re.search(f"about {len(asked)} images? that CLIP is not sure of", done.err)
    assert "to learn how often it is right: about" in done.err
    assert "spent: " in done.err
    shown = run("classify", tree_file, *pictures, "--below", "0.7").out
    assert "openai/eye sees: It has a body." in shown
    assert "openai/eye answers: colour: " in shown


def test_a_cap_stops_before_the_request_beyond_it_and_what_was_paid_is_reused(
    run: Run, tree_file: Path, eye: Eye
) -> None:
    picture = min((tree_file.parent / "images").rglob("*.png"))
    capped = run("classify", tree_file, picture, "--below", "1", "--max-calls", "5")
    assert capped.code == 3
    assert "--max-calls 5 is used up" in capped.err
    assert len(eye.replies) == 5
    assert run("classify", tree_file, picture, "--below", "1").code == 0
    assert len(eye.replies) == 2 * 13 + 1


def test_a_recorded_conversation_answers_without_a_server(run: Run, tree_file: Path, eye: Eye, tmp_path: Path) -> None:
    picture = min((tree_file.parent / "images").rglob("*.png"))
    record = tmp_path / "eye.jsonl"
    first = run("classify", tree_file, picture, "--below", "1", "--record", record)
    sent = len(eye.replies)
    replayed = run("classify", tree_file, picture, "--below", "1", "--ask-model", f"replay/{record}", "--fresh")
    assert (first.code, replayed.code, len(eye.replies)) == (0, 0, sent)
    assert replayed.out.replace("replay/eye.jsonl", "openai/eye") == first.out


def test_an_answer_that_is_no_option_is_asked_for_again_and_then_left_out(run: Run, tree_file: Path, eye: Eye) -> None:
    picture = min((tree_file.parent / "images").rglob("*.png"))
    honest = eye.__call__

    def mumbling(messages: list[dict[str, Any]]) -> tuple[str, str]:
        reply, finish = honest(messages[:1])
        data = json.loads(reply)
        wrong = eye.classes[messages[0]["content"][1]["image_url"]["url"]] == "Wendle"
        return json.dumps({**data, "answers": {**data["answers"], "colour": "plaid"}} if wrong else data), finish

    with serving(mumbling) as base:
        name_second(tree_file, base)
        done = run("classify", tree_file, picture, "--below", "1")
    assert done.code == 0, done.err
    assert 'TG106 /answers/colour: "plaid" is no option of "colour"' in done.err
    wendles = sum(name == "Wendle" for name, _ in eye.replies)
    assert wendles == 4, "two pictures, one repair each"


def test_who_cannot_see_says_so_in_one_sentence(run: Run, tree_file: Path) -> None:
    picture = min((tree_file.parent / "images").rglob("*.png"))
    pasted = run("classify", tree_file, picture, "--ask-model", "manual")
    assert (pasted.code, "pictures cannot be pasted with --ask-model manual" in pasted.err) == (2, True)
    blind = run("classify", tree_file, picture, "--ask-model", "openai/gpt-3.5-turbo")
    assert (blind.code, "gpt-3.5-turbo does not accept images" in blind.err) == (3, True)


def test_a_folder_that_names_a_model_is_not_trusted_to_spend_money(
    run: Run, tree_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-123456789012345678901234567890")
    file = tree_file.parent / "domain.toml"
    file.write_text(file.read_text() + '\n[second]\nmodel = "openai/gpt-4o"\n')
    picture = min((tree_file.parent / "images").rglob("*.png"))
    done = run("classify", tree_file, picture)
    assert done.code == 2
    assert 'not trusted to ask "openai/gpt-4o", which may cost money' in done.err
    assert run("classify", tree_file, picture, "--below", "0").code == 0
