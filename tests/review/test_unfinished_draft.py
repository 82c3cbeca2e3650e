"""The best attempt of a draft that failed opens in the review, which shows its errors."""

import json
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, TREE
from tests.review.conftest import Open
from treegen.workflow.recording import write_draft

pytestmark = pytest.mark.anyio


async def test_the_review_opens_a_draft_with_errors(play: Open, tmp_path: Path) -> None:
    """Two equal rules and an index that the group does not have; its domain is beside it."""
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    content = json.loads(TREE)
    del content["domain"]
    content["rules"]["Torvane"] = content["rules"]["Wendle"]
    content["rules"]["Zandoor"]["form"] = 9
    file = write_draft(tmp_path / "tree.json", "sketchbook", {**content, "alike": [["Wendle", "Torvane"]]})
    assert file.name == "tree.draft.json"
    async with play(file, size=(120, 40)) as player:
        codes = {p.code for p in player.app.review.problems if p.severity == "error"}
        assert codes == {"TG112", "TG204"}
        assert "tree.draft.json" in player.screen
