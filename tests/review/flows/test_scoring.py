"""Scores in the background, by the real bundled encoder on a small sketchbook."""

from pathlib import Path
from threading import Event
from typing import Any

import pytest

from tests.review.conftest import Open, Player
from tests.waiting import PATIENCE
from treegen.review.app import open_app
from treegen.review.widgets.images import ImagesPane
from treegen.tree.document import digest_of
from treegen.workflow import review_model
from treegen.workflow.check import check_tree_file, measured_problems

pytestmark = pytest.mark.anyio


async def scored(player: Player) -> None:
    await player.until(lambda: not player.app.review.stale)


@pytest.mark.slow
async def test_the_tree_is_scored_without_asking_and_every_pane_shows_it(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        await scored(player)
        review = player.app.review
        assert review.measured
        status = player.screen.splitlines()[-2]
        assert f"dev {100 * review.measured.dev['accuracy']:.1f} %" in status
        assert f"n={review.measured.dev['n']}" in status
        assert "stale" not in status
        groups = "\n".join(line[:36] for line in player.screen.splitlines())
        for group in review.measured.dev["groups"]:
            assert f"{100 * group['accuracy']:.0f} %" in groups
        await player.press("4")
        assert "dev split" in player.screen
        assert "━" in player.screen
        await player.press("5")
        assert "dev accuracy" not in player.screen, "one score is no line"


@pytest.mark.slow
async def test_after_a_change_the_score_is_stale_until_it_is_there_again(
    play: Open, tree_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on, measure = Event(), review_model._measure

    def measure_when_allowed(*arguments: Any) -> Any:
        go_on.wait(PATIENCE)
        return measure(*arguments)

    async with play(tree_file, (120, 40)) as player:
        await scored(player)
        monkeypatch.setattr(review_model, "_measure", measure_when_allowed)
        await player.press("J")
        assert player.app.review.stale
        assert "(stale)" in player.screen.splitlines()[-2]
        go_on.set()
        await scored(player)
        assert "(stale)" not in player.screen.splitlines()[-2]
        assert len(player.app.review.scores) == 2
        await player.press("5")
        assert "dev accuracy" in player.screen


@pytest.mark.slow
async def test_keys_work_while_it_scores_and_only_the_last_state_is_scored(play: Open, tree_file: Path) -> None:
    async with play(tree_file) as player:
        await scored(player)
        first = player.tree
        await player.press("J", "J", "J", "K")
        assert len(player.labels) == 4
        await scored(player)
        assert player.tree != first
        assert player.app.review.measured
        assert player.app.review.measured.tree is player.tree


@pytest.mark.slow
async def test_a_tree_that_gets_errors_keeps_its_last_score_and_is_scored_when_they_are_gone(
    play: Open, tree_file: Path
) -> None:
    async with play(tree_file) as player:
        await scored(player)
        await player.press("2", "a", "enter")
        await player.answer("Sorrel")
        assert not player.app.review.can_score
        status = player.screen.splitlines()[-2]
        assert "(stale)" in status
        assert "2 errors: no score" in status, "it says why"
        assert "~" in player.grid("groups").text_at(0, 1), "old numbers are marked"
        await player.press("u")
        assert not player.app.review.stale, "this tree has been scored"
        assert "~" not in player.grid("groups").text_at(0, 1)
        assert player.screen.splitlines()[-2].rstrip().endswith("n=52")


@pytest.mark.slow
async def test_the_stored_score_is_there_at_once_and_is_computed_again(play: Open, tree_file: Path) -> None:
    async with play(tree_file) as player:
        await scored(player)
        await player.press("s")
        await player.until(lambda: player.app.review.tested)
        measured, tested = player.app.review.measured, player.app.review.tested
        assert measured
    app = open_app(tree_file)
    with app.review as review:
        assert review.measured
        assert review.measured.is_stored
        assert review.measured.dev["accuracy"] == measured.dev["accuracy"]
        assert review.tested == tested
        assert {p.code for p in review.problems} >= {p.code for p in review.measured.problems}
    async with play(tree_file) as player:
        assert f"dev {100 * measured.dev['accuracy']:.1f} %" in player.screen.splitlines()[-2]
        await player.until(lambda: player.app.review.measured and player.app.review.measured.observations)
        assert "+0.0" not in player.screen


@pytest.mark.slow
async def test_what_the_check_finds_in_the_file_is_among_the_problems(play: Open, tree_file: Path) -> None:
    """Digest, approval and what the score says against the tree too."""
    async with play(tree_file) as player:
        await scored(player)
        await player.press("s")
        await player.until(lambda: player.app.review.tested)
        review = player.app.review
        with review.workspace() as work:
            scores = work.store.scores_of(digest_of(player.tree))
            measured = measured_problems(scores, player.tree, work.encoder.fingerprint)
        found = {(problem.code, problem.pointer) for problem in review.problems}
        assert {(problem.code, problem.pointer) for problem in measured} <= found
        assert {(p.code, p.pointer) for p in check_tree_file(tree_file, review.domain).problems} == found


@pytest.mark.slow
async def test_a_broken_encoder_is_told_in_the_status_line_and_edits_go_on(play: Open, tree_file: Path) -> None:
    domain = tree_file.parent / "domain.toml"
    text = domain.read_text()
    assert 'name = "bundled"' in text
    domain.write_text(text.replace('name = "bundled"', 'name = "no-such-model"'))
    async with play(tree_file) as player:
        await player.until(lambda: "not scored" in player.screen)
        await player.press("d")
        assert len(player.labels) == 1


@pytest.mark.slow
async def test_leaving_while_it_scores_ends_at_once(play: Open, tree_file: Path) -> None:
    async with play(tree_file) as player:
        await player.until(lambda: player.app.scoring.running)
        await player.press("q")
        assert not player.app.is_running or player.app._exit


@pytest.mark.slow
async def test_the_test_part_is_scored_on_request_once_the_work_is_saved(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (120, 40)) as player:
        await scored(player)
        await player.press("J", "s")
        assert "save first" in player.said
        await player.press("ctrl+s")
        await player.until(lambda: "saved" in player.said)
        await player.press("4", "s")
        await player.until(lambda: player.app.review.tested)
        await player.until(lambda: "name baseline" in player.screen)
        for told in ("test split", "shuffled rules", "random words", "chance", "evaluated 1 time"):
            assert told in player.screen


@pytest.mark.slow
async def test_the_score_pane_says_what_could_be_done(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (160, 40)) as player:
        await scored(player)
        assert player.app.review.measured
        advice = player.app.review.measured.dev["advice"]
        assert advice
        await player.press("4")
        assert advice[0]["sentence"][:60] in player.screen


@pytest.mark.slow
async def test_a_sealed_test_part_stays_sealed_and_the_pane_says_what_opens_it(play: Open, tree_file: Path) -> None:
    domain = tree_file.parent / "domain.toml"
    domain.write_text(domain.read_text().replace("[split]\n", "[split]\nsealed = true\n"))
    async with play(tree_file, (140, 40)) as player:
        await scored(player)
        await player.press("4", "s")
        await player.until(lambda: player.app.review.tested)
        await player.until(lambda: "score --unseal" in player.screen)
        assert player.app.review.tested
        assert "test" not in player.app.review.tested
        assert "name baseline" not in player.screen


@pytest.mark.slow
async def test_the_images_pane_shows_the_mistake_its_picture_and_the_rule_at_fault(play: Open, tree_file: Path) -> None:
    async with play(tree_file, (140, 50)) as player:
        await scored(player)
        await player.press("6")
        pane = player.app.query_one("#images", ImagesPane)
        mistakes = pane.mistakes
        if not mistakes:  # make one: two classes that trade their colours
            await player.press("2", "l", "j", "j", "enter")
            await player.answer("blue")
            await scored(player)
            await player.press("6")
            mistakes = pane.mistakes
        one = mistakes[0]
        assert one.true in player.screen
        assert one.predicted in player.screen
        assert one.image.name in player.screen
        at = player.app.query_one("#picture").region
        drawn = player.screen.splitlines()[at.y : at.bottom]
        assert any(line[at.x : at.right].strip() for line in drawn), "the picture itself"
        await player.press("enter")
        assert player.at == "rules"
        assert player.app.selection.class_name == one.true
        assert player.app.selection.rule_group
        assert player.app.selection.rule_group.name == one.at_fault.group


@pytest.mark.slow
async def test_the_score_pane_names_a_decision_rule_other_than_the_sum(play: Open, tree_file: Path) -> None:
    domain = tree_file.with_name("domain.toml")
    domain.write_text(f'{domain.read_text()}\n[decision]\nrule = "vote"\n')
    async with play(tree_file) as player:
        await player.until(lambda: player.app.review.measured)
        await player.press("4")
        assert "decision rule vote" in player.screen
