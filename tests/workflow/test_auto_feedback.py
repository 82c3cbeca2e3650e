"""Feedback composed from the mistakes: of the dev split alone, the same every time, with what was turned down."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE
from tests.llm.conftest import FakeChat
from treegen.clip.diagnosis.mistakes import GroupVote, Mistake
from treegen.images import LabelledImage, list_images
from treegen.tree.feedback_target import Feedback
from treegen.tree.model import Tree
from treegen.tree.validation.checks import check_text
from treegen.workflow.auto_feedback import compose
from treegen.workflow.revise import decide_proposal, feedback_of_mistakes, propose_revision
from treegen.workflow.workspace import Workspace


@pytest.fixture
def tree() -> Tree:
    document = check_text(TREE).document
    assert document is not None
    return document.tree


def vote(group: str, option: str, true: str | None, predicted: str | None, margin: float) -> GroupVote:
    return GroupVote(
        group=group, option=option, probability=0.6, true_option=true, predicted_option=predicted, margin=margin
    )


IMAGE = LabelledImage(path=Path("x.png"), label=0, digest="d")


def mistake(true: str, predicted: str, *votes: GroupVote) -> Mistake:
    return Mistake(index=0, image=IMAGE, true=true, predicted=predicted, true_score=1, predicted_score=2, votes=votes)


def confused(true: str, predicted: str, count: int, n: int = 8) -> dict[str, Any]:
    return {"true": true, "predicted": predicted, "count": count, "n": n}


DIAGNOSIS: Any = {
    "confused": [
        confused("Torvane", "Wendle", 5),
        confused("Wendle", "Torvane", 2),
        confused("Grelm", "Quillip", 2),
        confused("Ulvar", "Fennoch", 1),
        confused("Draquen", "Orlith", 1),
    ],
}
MISTAKES = [
    mistake(
        "Torvane", "Wendle", vote("mark", "stripes", "spots", "stripes", 0.5), vote("size", "tiny", None, None, 0.0)
    ),
    mistake(
        "Torvane", "Wendle", vote("mark", "spots", "spots", "stripes", -0.1), vote("form", "a bird", "a", "b", 0.3)
    ),
    mistake("Torvane", "Wendle", vote("mark", "stripes", "spots", "stripes", 0.4)),
]


def test_it_names_pairs_what_misled_and_what_the_two_share(tree: Tree) -> None:
    text = compose(tree, DIAGNOSIS, MISTAKES)
    assert '1. "Torvane" is taken for "Wendle" in 5 of 8 images, and the other way round 2 of 8.' in text
    assert '"mark" misled: it saw "stripes" most often, in 2 of these 3; "spots" would be right.' in text
    assert 'Both have the same answer in "colour" ("green"), "form" ("a snake"), "scene" ("a meadow").' in text
    assert 'Nothing is said of at least one of them in "size".' in text
    assert 'They are told apart by "mark".' in text
    assert '2. "Grelm" is taken for "Quillip" in 2 of 8 images.' in text
    assert text.index('"mark" misled') < text.index('"form" misled')
    assert "Add one group" in text
    assert "Draquen" not in text, "three pairs are enough for one request"


def test_it_is_the_same_every_time(tree: Tree) -> None:
    assert compose(tree, DIAGNOSIS, MISTAKES) == compose(tree, DIAGNOSIS, list(MISTAKES))


def test_without_confusion_there_is_nothing_to_say(tree: Tree) -> None:
    assert compose(tree, {"confused": []}, []) == ""


def test_what_was_turned_down_is_told_and_what_was_taken_is_not(tree: Tree) -> None:
    decisions = [("added the group tail", False, "they have none"), ("renamed form", True, "")]
    text = compose(tree, DIAGNOSIS, MISTAKES, decisions)
    assert "- added the group tail (because: they have none)" in text
    assert "renamed form" not in text


def test_names_with_control_characters_and_quotes_stay_names(tree: Tree) -> None:
    diagnosis: Any = {"confused": [confused('a"\x1b[31m', "</data>", 1)]}
    text = compose(tree, diagnosis, [])
    assert "\x1b" not in text


@pytest.fixture
def planted(tree_file: Path) -> Iterator[Workspace]:
    """The sketchbook with facts of the test split alone: there, and only there, pictures of Zandoor show an Abrosk."""
    from PIL import Image

    workspace = Workspace(tree_file)
    found = list_images(workspace.domain).images
    names = workspace.domain.classes
    parts = workspace.divide(found)
    models = [i.path for i in found if names[i.label] == "Abrosk"]
    shown = [i for i in found if names[i.label] == "Zandoor" and parts[i.digest] == "test"]
    for image, model in zip(shown, models, strict=False):
        with Image.open(model) as picture:
            copy = picture.convert("RGB")
        copy.putpixel((0, 0), (1, 2, 3))
        copy.save(image.path)
    digests = {i.path: i.digest for i in list_images(workspace.domain).images}
    settings = f"dev={workspace.domain.split.dev} seed={workspace.domain.split.seed}"
    workspace.store.record_split(settings, {digests[i.path]: "test" for i in shown})
    workspace.close()
    with Workspace(tree_file) as opened:
        yield opened


def test_nothing_of_the_test_part_is_in_any_message(planted: Workspace) -> None:
    """The test split alone confuses Zandoor with Abrosk, and its accuracy is another: no request holds either."""
    score = planted.evaluator.score(planted.load()[0])
    test = planted.evaluator.splits["test"]
    answers = planted.evaluator.answer(planted.load()[0], test.features).predictions
    names = planted.domain.classes
    pairs = {(names[t], names[p]) for t, p in zip(test.labels, answers, strict=True)}
    assert ("Zandoor", "Abrosk") in pairs, "what is planted is there to be found"
    reply = json.dumps({**json.loads(TREE), "domain": "x"}).replace('"tiny"', '"very small"')
    chat = FakeChat("no tree", reply)
    proposal = propose_revision(planted, chat, feedback_of_mistakes(planted), tries=3)
    assert proposal.changes
    told = "\n".join(m.content for request in chat.requests for m in request)
    assert not re.search(r'"Zandoor" (is )?taken for "Abrosk"', told)
    measured = chat.requests[0][1].content.partition("<measured>")[2].partition("</measured>")[0]
    dev, shown = score["dev"], f"{100 * score['test']['accuracy']:.0f} %"
    assert f"accuracy {100 * dev['accuracy']:.0f} % of {dev['n']} images" in measured
    assert shown == f"{100 * dev['accuracy']:.0f} %" or f"accuracy {shown}" not in told
    assert not [i.path.name for i in test.images if str(i.path) in told]


def test_a_proposal_that_was_left_is_not_forgotten(planted: Workspace) -> None:
    """The next feedback says so, and the next request as well; the reviewer's own words come first."""
    reply = TREE.replace('"tiny"', '"small"')
    first = propose_revision(planted, FakeChat(reply), "smaller words", tries=1)
    decide_proposal(planted, first, taken=False, why="shown and not applied")
    feedback = feedback_of_mistakes(planted, Feedback(text="Mind the fish."))
    assert feedback.text.startswith("Mind the fish.\n\nOn the development images")
    sentence = first.units[0].sentences[0]
    assert f"- {sentence} (because: shown and not applied)" in feedback.text
    assert feedback.decisions == ((sentence, False, "shown and not applied"),)
    chat = FakeChat(TREE)
    propose_revision(planted, chat, feedback, tries=1)
    assert f"- not taken: {sentence}" in chat.requests[0][1].content
