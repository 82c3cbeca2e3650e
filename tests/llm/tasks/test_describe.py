"""Two stages: pictures of the dev split are described by a model that sees, and the descriptions go into the draft."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import TREE, calls_of
from tests.llm.conftest import FakeChat
from treegen.config.domain import Domain
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError
from treegen.images import list_images, open_image
from treegen.images.data_urls import data_url, pictures_of
from treegen.llm.tasks.describe import MOST_IMAGES, describe, refuse_blind
from treegen.llm.tasks.draft import draft_request
from treegen.llm.tasks.part_maker import InMemoryParts
from treegen.remote.failures import explain
from treegen.workflow.draft import draft_tree
from treegen.workflow.workspace import Workspace

PIXEL = "data:image/png;base64,AAAA"


class BadRequestError(Exception):
    """As litellm calls it."""

    status_code = 400

    def __str__(self) -> str:
        return "image_url is not supported by this model"


def replies(*batches: list[str]) -> list[str]:
    return [json.dumps({"descriptions": {name: f"{name} is striped" for name in batch}}) for batch in batches]


def opened(url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2])))


def test_pictures_are_small_and_of_the_kind_that_is_smaller() -> None:
    photo = Image.merge("RGB", [Image.effect_noise((2000, 1000), 80) for _ in range(3)])
    drawing = Image.new("RGB", (300, 1200), "red")
    assert data_url(photo).startswith("data:image/jpeg;base64,")
    assert opened(data_url(photo)).size == (512, 256)
    assert data_url(drawing).startswith("data:image/png;base64,")
    assert opened(data_url(drawing)).size == (128, 512)
    assert opened(data_url(Image.new("RGB", (20, 10)))).size == (20, 10)


def test_each_class_has_its_pictures_of_the_dev_part_and_no_others(sketchbook: Path) -> None:
    workspace = Workspace(sketchbook / "tree.json")
    dev = workspace.dev_images()
    parts = workspace.divide(list_images(workspace.domain).images)
    assert {parts[image.digest] for image in dev} == {"dev"}
    test = [image for image in list_images(workspace.domain).images if parts[image.digest] == "test"]
    found = pictures_of(workspace.domain, dev, 2)
    assert {name: len(urls) for name, urls in found.items()} == dict.fromkeys(workspace.domain.classes, 2)
    assert found == pictures_of(workspace.domain, dev[::-1], 2), "the order of the files does not count"
    hidden = {data_url(open_image(image.path)) for image in test}
    assert not hidden & {url for urls in found.values() for url in urls}
    workspace.close()


def test_a_broken_picture_is_left_out(sketchbook: Path) -> None:
    workspace = Workspace(sketchbook / "tree.json")
    dev = workspace.dev_images()
    first = min((image for image in dev if image.label == 0), key=lambda image: image.digest)
    first.path.write_bytes(b"no picture")
    assert len(pictures_of(workspace.domain, dev, 9)["Abrosk"]) == sum(i.label == 0 for i in dev) - 1
    workspace.close()


def test_requests_hold_as_many_pictures_as_they_may_in_the_order_that_they_tell(domain: Domain) -> None:
    pictures = {"Abrosk": [f"{PIXEL}1{n}" for n in range(9)], "Wendle": [PIXEL] * 7, "Yaffin": [f"{PIXEL}3"]}
    chat = FakeChat(*replies(["Abrosk", "Wendle"], ["Yaffin"]))
    found, conversation = describe(domain, chat, pictures, tries=1)
    assert found == {name: f"{name} is striped" for name in domain.classes}
    assert [a.purpose for a in conversation.attempts] == ["describe", "describe"]
    ((first,), (second,)) = chat.requests
    assert first.images == (*pictures["Abrosk"], *pictures["Wendle"])
    assert len(first.images) == MOST_IMAGES
    assert '- pictures 1 to 9: "Abrosk"' in first.content
    assert (
        '- pictures 10 to 16: "Wendle"; known, whether the pictures show it or not: "its eyes may be shut"'
        in first.content
    )
    assert '- picture 1: "Yaffin"' in second.content


def test_requests_are_even_so_that_no_class_is_described_alone(tmp_path: Path) -> None:
    """13 classes take two requests: 12 and one that is compared with nothing would be the greedy way."""
    names = [f"Thing {n}" for n in range(13)]
    domain = Domain(folder=tmp_path, name="things", noun="thing", classes=tuple(names))
    chat = FakeChat(*replies(names[:7], names[7:]))
    assert list(describe(domain, chat, {name: [PIXEL] for name in names}, tries=1)[0]) == names


def test_a_class_that_is_left_out_is_asked_for_again_with_the_pictures(domain: Domain) -> None:
    pictures = {name: [PIXEL] for name in domain.classes}
    chat = FakeChat(*replies(["Abrosk"], list(domain.classes)))
    found, _ = describe(domain, chat, pictures, tries=2)
    assert len(found) == 3
    assert chat.requests[1][0].images == chat.requests[0][0].images
    assert "TG104 at /descriptions/Wendle" in chat.requests[1][2].content


def test_what_is_described_is_kept_and_other_pictures_are_described_anew(domain: Domain) -> None:
    store = InMemoryParts()
    pictures = {name: [PIXEL] for name in domain.classes}
    describe(domain, FakeChat(*replies(list(domain.classes))), pictures, tries=1, store=store)
    nobody = FakeChat()
    assert len(describe(domain, nobody, pictures, tries=1, store=store)[0]) == 3
    again = FakeChat(*replies(list(domain.classes)))
    describe(domain, again, {**pictures, "Wendle": [f"{PIXEL}B"]}, tries=1, store=store)
    assert len(again.requests) == 1


def test_what_is_known_and_what_is_seen_are_each_marked_as_what_it_is(domain: Domain) -> None:
    """Notes and pictures together; with one of them alone nothing has to be told apart."""
    noted = replace(domain, notes=(("Wendle", "said to be striped"),))
    chat = FakeChat(*replies(list(domain.classes)))
    seen, _ = describe(noted, chat, {name: [PIXEL] for name in domain.classes}, tries=1)
    asked = chat.requests[0][0].content
    assert '"Wendle"; known, whether the pictures show it or not: "said to be striped"\n' in asked
    both = draft_request(noted, seen)[1].content
    assert '- "Wendle": known: "said to be striped"; seen in its pictures: "Wendle is striped"\n' in both
    assert '- "Wendle": "said to be striped"\n' in draft_request(noted)[1].content


@pytest.mark.litellm
def test_a_draft_with_pictures_describes_first_and_keeps_it_in_the_log(sketchbook: Path) -> None:
    workspace = Workspace(sketchbook / "tree.json")
    chat = FakeChat(*replies(list(workspace.domain.classes[:7]), list(workspace.domain.classes[7:])), TREE)
    drafted = draft_tree(workspace, chat, tries=1, images=2)
    assert dict(drafted.descriptions)["Abrosk"] == "Abrosk is striped"
    prompt = chat.requests[2][1].content
    data = prompt.partition("<data>")[2].partition("</data>")[0]
    assert '- "Wendle"' in data
    assert 'seen in its pictures: "Wendle is striped"' in data
    calls = calls_of(workspace.path)
    assert [(c.purpose, c.revision) for c in calls] == [("describe", 1), ("describe", 1), ("draft", 1)]
    assert "Abrosk is striped" in (calls[0].reply or "")
    assert all("base64" not in json.dumps(c.messages) for c in calls), "pictures are on the disk already"
    assert len(calls[0].messages[0]["images"]) == 14
    workspace.close()


def is_refused(settings: LlmSettings) -> bool:
    """Whether no pictures are sent to it, because it is known not to see."""
    try:
        refuse_blind(settings)
    except ModelError as error:
        if "does not accept images" not in error.message:
            raise
        return True
    return False


@pytest.mark.litellm
@pytest.mark.parametrize(
    ("model", "refused"),
    [("openai/gpt-3.5-turbo", True), ("openai/gpt-4o-mini", False), ("openai/my-own", False), ("replay/x", False)],
)
def test_a_model_that_is_known_not_to_see_is_refused_and_an_unknown_one_is_tried(model: str, refused: bool) -> None:
    assert is_refused(LlmSettings(model=model)) == refused
    assert not is_refused(LlmSettings(model=model, api_base="http://127.0.0.1:1/v1"))


def test_pictures_cannot_be_pasted() -> None:
    with pytest.raises(InputError, match="cannot be pasted"):
        refuse_blind(LlmSettings(model="manual"))


def test_a_server_that_does_not_take_pictures_is_a_clear_message(domain: Domain) -> None:
    chat: Any = FakeChat(ModelError("openai/x: the provider did not accept the request (400)", code="bad-request"))
    with pytest.raises(ModelError, match="perhaps fake does not accept images") as raised:
        describe(domain, chat, {"Abrosk": [PIXEL]}, tries=1)
    assert "--images" in raised.value.tip
    told = explain(BadRequestError(), model="openai/x").message
    with pytest.raises(ModelError) as raised:
        describe(domain, FakeChat(ModelError(told)), {"Abrosk": [PIXEL]}, tries=1)
    assert raised.value.message == "openai/x: the provider does not accept images with this model (400)"
