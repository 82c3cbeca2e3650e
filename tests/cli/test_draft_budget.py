"""What a draft will cost is said before it costs anything, and a cap holds whatever a server reports."""

import json
import re
import shlex
from pathlib import Path

import pytest

from tests.conftest import Run, calls_of
from tests.llm.chat.asked import sketchbook as asked_sketchbook
from tests.llm.chat.asked import waits, write_domain
from tests.llm.chat.cases import GOOD, WRONG
from tests.llm.chat.server import OpenAIServer
from tests.llm.conftest import openai_server
from tests.llm.tasks.parts_server import Honest, serving
from treegen.tree.validation.checks import check_file

__all__ = ["asked_sketchbook", "openai_server", "waits"]  # fixtures
THINGS = [f"Thing {number}" for number in range(1, 91)]


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """A domain of 90 classes, which is drafted in parts."""
    (tmp_path / "classes.txt").write_text("\n".join(THINGS), encoding="utf-8")
    text = 'name = "things"\nnoun = "thing"\nclasses_file = "classes.txt"\n[llm]\nprice_in = 1.0\nprice_out = 4.0\n'
    (tmp_path / "domain.toml").write_text(text + "concurrency = 1\n", encoding="utf-8")
    return tmp_path


@pytest.mark.litellm
@pytest.mark.usefixtures("waits")
@pytest.mark.parametrize("watched", [False, True], ids=["whole", "streamed"])
def test_a_cap_on_cost_holds_for_a_server_that_reports_no_usage(
    watched: bool, run: Run, asked_sketchbook: Path, openai_server: OpenAIServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was written is estimated and priced: two replies of 900 tokens cost more than the cap, so one is sent."""
    if watched:
        monkeypatch.setattr("treegen.cli.partial_reply.is_watched", lambda: True)
    for reply in (WRONG, GOOD):
        openai_server.will_answer(reply, usage=None)
    domain = write_domain(asked_sketchbook, openai_server)
    done = run("draft", domain, "--no-score", "--max-cost", "0.005")
    assert done.code == 3, done.err
    assert "--max-cost 0.005" in done.err
    assert len(openai_server.requests) == 1
    spent = re.search(r"spent: .*cost of 1 request unknown \(about \$(\d\.\d{4})\)", done.err)
    assert spent
    assert 0.003 < float(spent[1]) < 0.005


@pytest.mark.litellm
@pytest.mark.usefixtures("waits")
def test_a_run_of_several_requests_is_estimated_as_a_whole_before_the_first(run: Run, things: Path) -> None:
    """Four requests; a repair is one more; a second run knows what is finished."""
    honest = Honest(slips={"index": 1})
    with serving(honest) as url:
        draft = ("draft", things, "--model", "openai/m", "--api-base", url, "--no-score", "--force")
        done = run(*draft)
        assert done.code == 0, done.err
        lines = done.err.splitlines()
        plan = next(n for n, line in enumerate(lines) if line.startswith("this draft takes about 4 requests: about "))
        first = next(n for n, line in enumerate(lines) if "asking openai/m" in line)
        assert plan < first
        assert re.search(r"about \d+ \+ about \d+ tokens, \$0\.\d{4} in all", lines[plan])
        numbered = re.findall(r"^request (\d of about \d): asking", done.err, re.MULTILINE)
        assert numbered == ["1 of about 4", "2 of about 4", "3 of about 5", "4 of about 5", "5 of about 5"]
        (things / "classes.txt").write_text("\n".join(THINGS[:80]), encoding="utf-8")
        assert "this draft takes about 3 requests:" in run(*draft).err


@pytest.mark.parametrize(
    ("change", "code", "told"),
    [
        (('name = "bundled"', 'name = "local-dir:nowhere"'), 3, "nowhere"),
        (("[split]\ndev = 0.5", "[split]\ndev = 0.9999999"), 2, "the test split has no images"),
        (('folder = "images"', 'folder = "pictures"'), 2, "pictures"),
    ],
    ids=["encoder", "split", "images"],
)
def test_images_split_and_encoder_are_checked_before_anything_is_asked(
    run: Run, sketchbook: Path, change: tuple[str, str], code: int, told: str
) -> None:
    """With --messages the request would be in a file."""
    domain, messages = sketchbook / "domain.toml", sketchbook / "ask.txt"
    text = domain.read_text(encoding="utf-8")
    text = text if "[split]" in text else f"{text}\n[split]\ndev = 0.5\n"
    assert change[0] in text
    domain.write_text(text.replace(*change), encoding="utf-8")
    done = run("draft", sketchbook, "--model", "manual", "--messages", messages, "--answer", sketchbook / "a.txt")
    assert (done.code, told in done.err) == (code, True), done.err
    assert not messages.exists()


def follow(run: Run, command: list[object], *replies: str) -> list[str]:
    """Does what each run says: puts the reply where it is wanted, and gives the answers that are named."""
    said = []
    base, folder = command[: command.index("--answer")], Path(str(command[1]))
    for number, reply in enumerate([*replies, None]):
        done = run(*command)
        said.append(done.err)
        if reply is None:
            assert done.code == 0, done.err
            return said
        assert done.code == 0, done.err
        assert "error" not in done.err.splitlines()[-2]
        answers = re.findall(r"--answer (\S+)", done.err)
        new = folder / f"reply{number}.txt"
        command = [*base, *(part for name in answers[:-1] for part in ("--answer", name)), "--answer", new]
        if answers[-1] != "FILE":
            new = Path(shlex.split(answers[-1])[0])
            command[-1] = new
        new.write_text(reply, encoding="utf-8")
    return said


def test_each_step_by_hand_says_what_to_copy_where_and_how_many_there_are(run: Run, things: Path) -> None:
    """The first run is no error; whoever follows what is said gets a tree, and gives no finished answer again."""
    honest, messages = Honest(), things / "ask.txt"
    command: list[object] = ["draft", things, "--model", "manual", "--no-score", "--messages", messages]
    command += ["--answer", things / "a.txt"]
    first = run(*command)
    assert first.code == 0
    assert "error" not in first.err
    assert "this draft takes about 4 requests\n" in first.err
    assert "request 1 of about 4 is waiting for its answer" in first.err
    assert f"copy all of {messages} into the chat window, put the reply into {things / 'a.txt'}" in first.err
    groups = honest.groups()
    wrong = json.dumps({"rules": {name: {"colour": 0, "form": 99, "size": 0, "edge": 0} for name in THINGS[:40]}})
    batches = []
    for names in (THINGS[:40], THINGS[40:80], THINGS[80:]):
        listed = "".join(f'- "{name}"\n' for name in names)
        asked = "Give the rules\n<data>\n"
        for name, size in (("colour", 8), ("form", 7), ("size", 4), ("edge", 5)):
            asked += f'- "{name}": "x"\n' + "".join(f'  {n}: "y"\n' for n in range(size))
        batches.append(honest.rules(f"{asked}\nclasses (1):\n{listed}</data>")[0])
    said = follow(run, command, groups, wrong, *batches)
    assert [re.findall(r"request (\d of about \d) is", err) for err in said] == [
        ["1 of about 4"],
        ["2 of about 4"],
        ["3 of about 5"],
        ["4 of about 5"],
        ["4 of about 4"],
        [],
    ]
    assert check_file(things / "tree.json", classes=THINGS).document is not None
    assert [c.purpose for c in calls_of(things / "tree.json")].count("draft-groups") == 1


@pytest.mark.litellm
@pytest.mark.usefixtures("waits")
def test_a_model_without_vision_is_refused_before_anything_is_asked(run: Run, sketchbook: Path) -> None:
    done = run("draft", sketchbook, "--model", "openai/gpt-3.5-turbo", "--images", 1, "--no-score")
    assert done.code == 3
    assert "does not accept images" in done.err
