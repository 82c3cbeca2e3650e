"""Feedback to a language model: by hand and over HTTP, in a small sketchbook with the real bundled encoder."""

import json
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import trust_all
from tests.llm.chat.server import OpenAIServer
from tests.llm.conftest import openai_server
from tests.review.conftest import Open, Player
from tests.review.test_keys import KEYS
from treegen.tree.document import content_of
from treegen.workflow.auto_feedback import compose

pytestmark = pytest.mark.anyio
__all__ = ["openai_server"]

Change = Callable[[dict[str, Any]], None]


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No model and no key but those a test names."""
    for name in [name for name in os.environ if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def served(unseen: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A tree whose domain names a model on a server of this machine."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-a-secret-key")
    domain = unseen.with_name("domain.toml")
    llm = f'[llm]\nmodel = "openai/some-model"\napi_base = "{openai_server.url}"\n'
    domain.write_text(domain.read_text() + llm)
    trust_all(domain.parent)
    return unseen


def answer_of(player: Player, *changes: Change) -> str:
    """What a language model sends: the tree, changed."""
    data = content_of(player.tree)
    for change in changes:
        change(data)
    return f"Here it is:\n```json\n{json.dumps(data)}\n```\n"


def reword_form(data: dict[str, Any]) -> None:
    data["classification_groups"]["form"]["prompt"] = "It looks like {}."


def rename_gray(data: dict[str, Any]) -> None:
    options = data["classification_groups"]["colour"]["options"]
    options[options.index("gray")] = "grey"


def whiten_zandoor(data: dict[str, Any]) -> None:
    data["rules"]["Zandoor"]["colour"] = 0


def unprompt(data: dict[str, Any]) -> None:
    data["classification_groups"]["form"]["prompt"] = "no place for an option"


def talk(player: Player) -> str:
    return str(player.app.query_one("#talk").render())


def units(player: Player) -> list[list[str]]:
    grid = player.grid("proposal")
    return [grid.row_texts(row) for row in range(grid.count)]


def is_tried(player: Player, times: int) -> bool:
    """The reply is in the store, and if another is needed, its request is out."""
    tried = len(player.app.review.session.store.calls()) == times
    return tried and ("a request to fix it" in talk(player) or not player.app.feedback.running)


async def ask(player: Player, feedback: str) -> None:
    await player.press("escape", "F")
    await player.write(feedback)
    await player.press("ctrl+g")


async def ask_by_hand(player: Player, feedback: str) -> str:
    """Returns the request."""
    await ask(player, feedback)
    await player.until(lambda: "paste the answer above" in talk(player))
    return player.app.clipboard


async def hand_in(player: Player, answer: str) -> None:
    await player.write(answer)
    await player.press("ctrl+g")


async def proposed(player: Player, *changes: Change, feedback: str = "make it better") -> None:
    await ask_by_hand(player, feedback)
    await hand_in(player, answer_of(player, *changes))
    await player.until(lambda: not player.app.feedback.running)


async def go_to(player: Player, words: str) -> None:
    """The cursor on the change that holds the words."""
    (row,) = [n for n, texts in enumerate(units(player)) if words in texts[4]]
    player.grid("proposal").put_cursor(row)
    await player.pilot.pause()


@pytest.mark.slow
async def test_by_hand_with_images_units_appear_with_what_they_do(play: Open, tree_file: Path) -> None:
    domain = tree_file.with_name("domain.toml")
    domain.write_text(re.sub(r"^model = .*$", 'model = "manual"', domain.read_text(), flags=re.MULTILINE))
    async with play(tree_file, (120, 40)) as player:
        await player.until(lambda: player.app.review.measured)
        await player.press("j", "j", "L", "k")  # scene is locked, form under the cursor
        await player.press("F")
        assert player.at == "feedback"
        await player.press("ctrl+t")
        assert 'about the group "form"' in player.screen
        await player.write("shorter, please")
        await player.press("ctrl+g")
        await player.until(lambda: "paste the answer above" in talk(player))
        request = player.app.clipboard
        assert "shorter, please" in request
        assert 'the group "form"' in request
        assert 'the group "scene"' in request
        assert (tree_file.parent / ".treegen/request.txt").read_text() == request
        assert "paste the answer here" in player.screen

        def rescene(data: dict[str, Any]) -> None:
            data["classification_groups"]["scene"]["prompt"] = "Behind it is {}."

        await hand_in(player, answer_of(player, reword_form, whiten_zandoor, rescene))
        await player.until(lambda: player.app.feedback.proposal_review and player.app.feedback.proposal_review.previews)
        reviewed = player.app.feedback.proposal_review
        assert reviewed
        found = {next(w for w in ("form", "Zandoor", "scene") if w in t[4]): t for t in units(player)}
        assert [found[w][0] for w in ("form", "Zandoor", "scene")] == ["", "outside", "locked"]
        assert found["Zandoor"][1] == "none" or float(found["Zandoor"][1]) <= 0
        assert found["Zandoor"][3].startswith("-")
        assert found["scene"][1] == "-", "what cannot be taken is not measured"
        await go_to(player, "Zandoor")
        preview = next(p for u, p in zip(reviewed.units, reviewed.previews, strict=True) if "Zandoor" in u.sentences[0])
        told = f"{len(preview.to_right)} images won, {len(preview.to_wrong)} lost of {preview.n}"
        await player.until(lambda: told in player.screen and f"McNemar p = {preview.p:.2g}" in player.screen)
        await go_to(player, "scene")
        before = player.tree
        await player.press("enter")
        assert "locked" in player.said
        await player.until(lambda: "refused: the group" in player.screen)
        assert "McNemar" not in player.screen
        assert player.tree == before
        await player.press("A")
        assert player.tree.groups[1].prompt == "It looks like {}."
        assert player.word("Zandoor", "colour") == "blue", "outside is not part of all"
        await player.until(lambda: not player.app.review.stale)
        assert "dev" in player.screen.splitlines()[-2]


@pytest.mark.slow
async def test_one_is_taken_one_left_one_worded_otherwise_and_the_next_request_tells(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await proposed(player, reword_form, rename_gray, whiten_zandoor)
        assert player.at == "proposal"
        await go_to(player, "gray")
        await player.press("enter")
        assert "grey" in player.options("colour")
        await go_to(player, "Zandoor")
        await player.press("x")
        await player.answer("Zandoor is never white")
        await go_to(player, "form")
        await player.press("e")
        await player.answer("One sees {}.")
        assert player.tree.groups[1].prompt == "One sees {}."
        assert sorted(texts[0] for texts in units(player)) == ["left", "taken", "taken"]
        assert player.word("Zandoor", "colour") == "blue"
        request = await ask_by_hand(player, "go on")
        assert "Zandoor is never white" in request
        assert "grey" in request
        assert "One sees {}." in request
        await player.press("ctrl+x")
        await player.until(lambda: not player.app.feedback.running)


async def test_undo_opens_a_taken_change_again(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        before = player.tree
        await proposed(player, reword_form)
        await player.press("enter")
        assert units(player)[0][0] == "taken"
        await player.press("enter", "x")
        assert "taken already" in player.said
        assert len(player.app.screen_stack) == 1
        await player.press("u")
        assert player.tree == before
        assert units(player)[0][0] == ""
        await player.press("enter")
        assert player.tree.groups[1].prompt == "It looks like {}."
        await player.press("u", "U")
        assert units(player)[0][0] == "taken"


@pytest.mark.slow
async def test_leaving_the_reason_out_by_escape_leaves_the_change_open(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await proposed(player, reword_form, whiten_zandoor)
        await player.press("x", "escape")
        assert [texts[0] for texts in units(player)] == ["", ""]
        await go_to(player, "Zandoor")
        await player.press("e")
        assert '"Zandoor" in "colour"' in player.screen, "a rule is worded by choosing another option"
        await player.press("escape", "A", "A")
        assert "nothing of what was asked is open" in player.said
        assert len(player.labels) == 1


async def test_a_rule_is_taken_with_another_option_and_an_order_is_taken_or_left(play: Open, unseen: Path) -> None:
    def turn(data: dict[str, Any]) -> None:
        data["classification_groups"] = dict(reversed(data["classification_groups"].items()))

    async with play(unseen) as player:
        await proposed(player, whiten_zandoor, turn)
        await go_to(player, '"Zandoor" in "colour"')
        await player.press("e")
        await player.answer("pink")
        assert player.word("Zandoor", "colour") == "pink"
        first = player.tree.groups[0]
        await go_to(player, "groups moved")
        await player.press("e", "down", "enter")
        await player.answer("it is seen well")
        assert sorted(texts[0] for texts in units(player)) == ["", "left", "taken"]
        assert player.tree.groups[0] == first


async def test_the_cursor_goes_on_to_the_next_open_change_and_the_list_can_be_cleared(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await proposed(player, reword_form, rename_gray, whiten_zandoor)
        await player.press("enter", "enter", "enter")
        assert [texts[0] for texts in units(player)] == ["taken"] * 3
        await player.press("u")
        assert [texts[0] for texts in units(player)].count("") == 1
        await player.press("c")
        assert "still open" in player.screen
        await player.press("down", "enter")
        assert player.grid("proposal").count == 3
        await player.press("c", "enter")
        assert player.grid("proposal").count == 0
        await player.press("q")
    async with play(unseen) as player:
        await player.press("7")
        assert player.grid("proposal").count == 0, "nor is it there in the next review"


@pytest.mark.slow
async def test_thirteen_proposals_are_decided_by_thirteen_keys(play: Open, unseen: Path) -> None:
    def reword(data: dict[str, Any]) -> None:
        for group, count in zip(data["classification_groups"].values(), (3, 3, 3, 2, 2), strict=True):
            for number in range(count):
                group["options"][number] += " indeed"

    async with play(unseen) as player:
        await proposed(player, reword)
        assert len(units(player)) == 13
        await player.press(*KEYS["through 13 proposals"])
        assert [texts[0] for texts in units(player)] == ["taken"] * 13


async def test_a_lock_taken_off_frees_what_it_refused_and_a_new_one_refuses(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("L")
        await proposed(player, rename_gray, reword_form)
        await go_to(player, "gray")
        assert "locked" in units(player)[player.grid("proposal").row]
        await player.press("1")
        player.grid("groups").focus()
        await player.press("L", "j", "L", "7")
        await go_to(player, "gray")
        await player.press("enter")
        assert "grey" in player.options("colour")
        await go_to(player, "form")
        assert "locked" in units(player)[player.grid("proposal").row]
        await player.press("enter")
        assert player.tree.groups[1].prompt != "It looks like {}."


@pytest.mark.slow
async def test_the_effects_are_those_on_the_tree_as_it_is(play: Open, tree_file: Path) -> None:
    domain = tree_file.with_name("domain.toml")
    domain.write_text(re.sub(r"^model = .*$", 'model = "manual"', domain.read_text(), flags=re.MULTILINE))
    async with play(tree_file, (120, 40)) as player:
        await player.until(lambda: not player.app.review.stale)

        def is_computed() -> bool:
            reviewed = player.app.feedback.proposal_review
            return bool(
                reviewed and reviewed.previews and not reviewed.previewing and reviewed.previewed is player.tree
            )

        await proposed(player, whiten_zandoor, rename_gray)
        await player.until(is_computed)
        await go_to(player, "gray")
        await player.press("enter")
        reviewed = player.app.feedback.proposal_review
        assert reviewed
        await player.until(is_computed)
        (number,) = [u.number for u in reviewed.units if "Zandoor" in u.sentences[0]]
        await player.until(lambda: not player.app.review.stale)
        measured = player.app.review.measured
        assert measured
        assert reviewed.previews[number].before == measured.dev["correct"], "of the tree with the change that was taken"
        await go_to(player, "Zandoor")
        await player.press("enter")
        await player.until(lambda: not player.app.review.stale)
        assert player.app.review.measured
        assert reviewed.previews[number].after == player.app.review.measured.dev["correct"]


async def test_the_up_arrow_brings_back_what_was_sent(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        for text in ("first", "second\nof two lines"):
            await ask_by_hand(player, text)
            await player.press("ctrl+x")
            await player.until(lambda: not player.app.feedback.running)
        await player.write("")
        player.app.feedback.field.text = "draft"
        field = player.app.feedback.field
        await player.press("up")
        assert field.text == "second\nof two lines"
        await player.press("up")
        assert field.text == "first"
        await player.press("up")
        assert field.text == "first", "there is nothing before it"
        await player.press("down", "down", "down")
        assert field.text == "draft"


async def test_feedback_is_loaded_from_a_file_beside_the_tree(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await player.press("F", "ctrl+o")
        assert "there is no feedback" in player.said
        unseen.with_name("feedback.txt").write_text("make it better\n", encoding="utf-8")
        await player.press("ctrl+o")
        assert player.app.feedback.field.text == "make it better"
        unseen.with_name("feedback-2.txt").write_text("and now\n", encoding="utf-8")
        await player.press("ctrl+o")
        assert "feedback-2.txt: and now" in player.screen
        await player.press("enter")
        assert player.app.feedback.field.text == "and now"


async def test_a_request_that_waits_is_cancelled_and_what_was_written_is_there_again(play: Open, unseen: Path) -> None:
    async with play(unseen, (160, 40)) as player:
        before = player.tree
        await player.press("7")
        assert "ctrl+x cancel" not in player.screen
        await ask_by_hand(player, "make it better")
        assert player.app.feedback.field.text == ""
        await player.until(lambda: "ctrl+x cancel" in player.screen.splitlines()[-1])
        await player.press("ctrl+x")
        await player.until(lambda: not player.app.feedback.running)
        assert "cancelled; nothing was changed" in talk(player)
        assert "ctrl+x cancel" not in player.screen
        assert player.app.feedback.field.text == "make it better"
        assert player.tree == before
        await proposed(player, reword_form)
        assert len(units(player)) == 1


async def test_a_broken_answer_brings_the_request_to_mend_it(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await ask_by_hand(player, "make it better")
        await hand_in(player, "I am sorry, I cannot do that.")
        await player.until(lambda: "a request to fix it" in talk(player))
        assert "no usable tree" in talk(player)
        first = player.app.clipboard
        assert "I am sorry" in first
        await hand_in(player, answer_of(player, unprompt))
        await player.until(lambda: player.app.clipboard != first)
        assert "no usable tree" in talk(player)
        assert "no place for an option" in player.app.clipboard
        await hand_in(player, answer_of(player, reword_form))
        await player.until(lambda: not player.app.feedback.running)
        assert "It looks like {}." in units(player)[0][4]


async def test_answers_that_stay_broken_end_with_what_was_wrong(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await ask_by_hand(player, "make it better")
        for _ in range(2):
            tried = len(player.app.review.session.store.calls())
            await hand_in(player, "nothing of use")
            await player.until(partial(is_tried, player, tried + 1))
        await player.until(lambda: not player.app.feedback.running)
        assert "the same problems came back" in talk(player)
        assert "treegen log" in talk(player)
        assert player.app.feedback.field.text == "make it better"


async def test_an_empty_answer_and_an_empty_feedback_say_what_to_do(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await ask(player, "  ")
        assert "write what to change" in player.said
        await ask_by_hand(player, "make it better")
        await hand_in(player, " ")
        assert "the answer is empty" in player.said
        assert player.app.feedback.running
        await player.press("ctrl+x")
        await player.until(lambda: not player.app.feedback.running)


@pytest.mark.slow
async def test_an_answer_that_proposes_nothing_says_so(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await proposed(player)
        assert "no change proposed" in talk(player)
        assert "it proposes no change" in player.screen
        await player.press("escape", "enter", "x", "A", "e")
        assert player.labels == []
        assert len(player.app.screen_stack) == 1


async def test_without_a_domain_it_says_what_is_missing(play: Open, unseen: Path) -> None:
    unseen.with_name("domain.toml").unlink()
    async with play(unseen) as player:
        await ask(player, "make it better")
        assert "domain.toml" in player.said
        assert not player.app.feedback.running
        assert player.app.feedback.field.text == "make it better"


async def test_without_images_the_changes_have_no_deltas(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await proposed(player, reword_form)
        assert units(player)[0][1] == "-"


@pytest.mark.slow
async def test_open_changes_and_unsent_feedback_are_there_after_a_restart(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await proposed(player, reword_form, whiten_zandoor)
        await go_to(player, "form")
        await player.press("enter", "F")
        await player.write("and now the colours")
        await player.press("escape", "q")
    async with play(unseen) as player:
        await player.until(lambda: "1 change still open" in player.said)
        await player.press("7")
        assert player.at == "proposal"
        assert sorted(texts[0] for texts in units(player)) == ["", "taken"]
        assert player.app.feedback.field.text == "and now the colours"
        await go_to(player, "Zandoor")
        await player.press("enter")
        assert player.word("Zandoor", "colour") == "white"
        await player.press("u", "u")
        assert [texts[0] for texts in units(player)] == ["", ""]


async def test_quitting_while_an_answer_is_awaited_keeps_what_was_sent(play: Open, unseen: Path) -> None:
    async with play(unseen) as player:
        await ask_by_hand(player, "make it better")
        await player.press("escape", "q")
    async with play(unseen) as player:
        assert player.app.feedback.field.text == "make it better"


async def test_what_is_longer_than_a_line_can_be_read_whole_and_copied(play: Open, unseen: Path) -> None:
    long = f"It is, {'as far as one can see, ' * 5}much like {{}}."

    def lengthen(data: dict[str, Any]) -> None:
        data["classification_groups"]["form"]["prompt"] = long

    async with play(unseen, (80, 24)) as player:
        await player.press("7")
        assert "from a file" in player.screen, "the keys have two lines"
        await proposed(player, lengthen)
        assert "much like {}." in player.screen
        await player.press("y")
        assert long in player.app.clipboard


@pytest.mark.litellm
async def test_the_text_appears_as_it_arrives_with_tokens_and_cost(
    play: Open, served: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with play(served, (120, 40)) as player:
        answer = answer_of(player, reword_form)
        pieces = [answer[n : n + 200] for n in range(0, len(answer), 200)]
        openai_server.will_stream("One moment. ", *pieces, held=1 + len(pieces) // 2)
        told: list[str] = []
        monkeypatch.setattr("treegen.review.flows.feedback._PAUSE", -1.0)  # every piece is shown
        say = player.app.feedback._say

        def heard(text: str) -> None:
            told.append(text)
            say(text)

        monkeypatch.setattr(player.app.feedback, "_say", heard)
        await ask(player, "make it better")
        await player.until(lambda: any(" characters, " in text and " groups, " in text for text in told))
        (first, *_) = [text for text in told if " groups, " in text]
        assert "colour: This creature's body is mainly {}." in first
        (sent,) = [text for text in told if "sent to openai/some-model: about" in text]
        assert "tokens, cost unknown" in sent
        assert player.app.feedback.running
        await player.press("escape", "1", "J")
        assert player.labels, "the reviewer goes on meanwhile"
        await ask(player, "one more")
        assert "one request at a time" in player.said
        openai_server.go_on.set()
        await player.until(lambda: not player.app.feedback.running)
        assert "reply 1: 7 + 3 tokens" in talk(player)
        assert "1 change proposed" in talk(player)
        assert len(openai_server.requests) == 1
        await player.press("escape", "enter")
        assert next(g.prompt for g in player.tree.groups if g.name == "form") == "It looks like {}."


@pytest.mark.litellm
async def test_a_wrong_key_is_one_clear_message_and_the_text_stays(
    play: Open, served: Path, openai_server: OpenAIServer
) -> None:
    async with play(served, (120, 40)) as player:
        openai_server.will_fail(401, "Incorrect API key provided", code="invalid_api_key")
        await ask(player, "make it better")
        await player.until(lambda: not player.app.feedback.running)
        assert "refused the key (401)" in talk(player)
        assert "check the key" in talk(player)
        assert "Traceback" not in player.screen
        assert "sk-a-secret-key" not in player.screen
        assert player.app.feedback.field.text == "make it better"
        assert len(openai_server.requests) == 1


@pytest.mark.litellm
async def test_a_stream_is_cancelled_and_another_request_is_made(
    play: Open, served: Path, openai_server: OpenAIServer
) -> None:
    async with play(served, (120, 40)) as player:
        openai_server.will_drip("never ending ")
        await ask(player, "make it better")
        await player.until(lambda: "never ending" in talk(player))
        await player.press("ctrl+x")
        await player.until(lambda: not player.app.feedback.running)
        assert "cancelled; nothing was changed" in talk(player)
        (call,) = player.app.review.session.store.calls()
        assert call.finish == "cancelled"
        assert "never ending" in (call.reply or "")
        openai_server.will_stream(answer_of(player, reword_form))
        await ask(player, "make it better")
        await player.until(lambda: units(player))
        assert player.app.feedback.field.text == "", "it was answered"


@pytest.mark.slow
async def test_feedback_is_composed_from_the_mistakes_behind_what_is_written(play: Open, tree_file: Path) -> None:
    """ctrl+l writes what `revise --auto` says; the reviewer changes it before it is sent."""
    async with play(tree_file, (120, 40)) as player:
        review = player.app.review
        await player.until(lambda: review.measured is not None and not review.stale)
        assert review.measured is not None
        await player.press("F")
        await player.write("Mind the fish.")
        await player.press("ctrl+l")
        told = compose(review.tree, review.measured.dev, review.measured.mistakes)
        assert player.app.feedback.field.text == f"Mind the fish.\n\n{told}"
        assert "confused most often" in told


@pytest.mark.slow
async def test_nothing_is_composed_before_the_tree_is_scored(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        player.app.review.measured = None
        await player.press("F", "ctrl+l")
        assert "being scored" in player.said
        assert player.app.feedback.field.text == ""
