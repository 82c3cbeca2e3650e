"""Settings of more computation, compared on a tree and the name baseline, chosen, frozen and used."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Run
from tests.workflow.test_workspace import SCORING, loaded_by
from treegen.cli.display_compute import show_compute
from treegen.config.domain import load_domain
from treegen.config.settings import ComputeSettings
from treegen.errors import InputError
from treegen.tree.validation.schema import schema_problems
from treegen.workflow.compute import SETTINGS, ComputeComparison, _best, freeze_compute, settings_named
from treegen.workflow.workspace import Workspace

ALL = [
    "plain",
    *("4/embeddings", "4/probabilities", "4/vote", "4/embeddings+prompt"),
    *("16/embeddings", "16/probabilities", "16/vote", "16/embeddings+prompt", "4/embeddings+lora"),
]


def test_settings_are_named_by_what_they_cost_and_one_view_is_always_compared() -> None:
    assert [settings.words for settings in settings_named("all")] == ALL
    assert settings_named("16/vote, 4/vote+lora,plain") == (
        ComputeSettings(),
        ComputeSettings(views=16, join="vote"),
        ComputeSettings(views=4, join="vote", adapt="lora"),
    )
    with pytest.raises(InputError) as caught:
        settings_named("8/vote")
    assert caught.value.message.startswith("there is no compute setting 8/vote")


def _section(correct: int, difference: float, p: float) -> dict[str, Any]:
    return {"correct": correct, "against": {"difference": difference, "p_holm": p}}


def test_only_what_is_significantly_better_is_chosen_and_the_best_of_that() -> None:
    first = {"correct": 50, "against": None}
    assert _best([first, _section(60, 0.1, 0.06), _section(40, -0.1, 0.001)]) == 0
    assert _best([first, _section(60, 0.1, 0.04), _section(62, 0.12, 0.03), _section(62, 0.12, 0.02)]) == 2


def comparison(settings: ComputeSettings, **parameters: float) -> ComputeComparison:
    return ComputeComparison(document={}, chosen=settings, parameters=parameters)


def test_freezing_writes_the_table_and_leaves_everything_else(tree_file: Path) -> None:
    path = tree_file.parent / "domain.toml"
    before = path.read_text()
    chosen = ComputeSettings(views=4, join="vote", adapt="lora")
    with Workspace(tree_file) as workspace:
        assert freeze_compute(workspace, comparison(ComputeSettings())) == "plain"
        assert path.read_text() == before  # nothing to write where nothing is asked for
        assert freeze_compute(workspace, comparison(chosen)) == "4/vote+lora"
    assert path.read_text() == f'{before}\n[compute]\nviews = 4\njoin = "vote"\nadapt = "lora"\n'
    path.write_text(f'{before}\n[compute]\nviews = 16  # for now\nexclude = {{ mark = ["flip"] }}\n')
    with Workspace(tree_file) as workspace:
        freeze_compute(workspace, comparison(ComputeSettings()))
    assert path.read_text() == f'{before}\n[compute]\nviews = 1  # for now\nexclude = {{mark = ["flip"]}}\n'
    assert load_domain(path).compute == ComputeSettings(exclude=(("mark", ("flip",)),))


@pytest.mark.slow
def test_a_frozen_decision_rule_gets_what_it_learns_with_the_frozen_setting(tree_file: Path) -> None:
    path = tree_file.parent / "domain.toml"
    path.write_text(path.read_text() + '\n[decision]\nrule = "temperature"\nparameters = { temperature = 2.5 }\n')
    with Workspace(tree_file) as workspace:
        freeze_compute(workspace, comparison(ComputeSettings(views=4), temperature=1.5))
        fingerprint = workspace.encoder.fingerprint
    decision = load_domain(path).decision
    assert (decision.parameters, decision.encoder) == ((("temperature", 1.5),), fingerprint)


@pytest.mark.slow
def test_the_table_of_the_bundled_domain(run: Run, tree_file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """Each setting once, with honest figures: they are those of the score once the setting is frozen."""
    for folder in (tree_file.parent / "images").iterdir():
        for picture in sorted(folder.iterdir())[3:]:
            picture.unlink()
    few = "4/embeddings,4/probabilities,4/vote,4/embeddings+prompt,4/embeddings+lora"
    done = run("score", tree_file, "--compute", few, "--freeze", "--json")
    assert done.code == 0, done.err
    assert "[compute] is " in done.err
    document = json.loads(done.out)
    compared = document.pop("compute_comparison")
    show_compute(compared)
    out = capfd.readouterr().out
    for name in (*few.split(","), "plain"):
        assert sum(line.startswith(f"{name} ") for line in out.splitlines()) >= 2  # the tree and the names
    assert "compute (name baseline)" in out
    assert schema_problems(document, "score") == []
    assert [entry["setting"] for entry in compared["entries"]] == ["plain", *few.split(",")]
    passes = [(entry["forward_passes"], entry["backward_passes"]) for entry in compared["entries"]]
    assert passes == [(1, 0), (4, 0), (4, 0), (4, 0), (4, 0), (12, 8)]
    assert all(entry["seconds"] > 0 for entry in compared["entries"])
    plain = compared["entries"][0]
    assert plain["tree"]["test"]["accuracy"] == document["test"]["accuracy"]
    assert plain["names"]["test"]["accuracy"] == document["baseline"]["accuracy"]
    domain = tree_file.parent / "domain.toml"
    text = domain.read_text()
    for entry, settings in zip(compared["entries"][1:], settings_named(few)[1:], strict=True):
        adapt = f'\nadapt = "{settings.adapt}"' if settings.adapt != "none" else ""
        domain.write_text(f'{text}\n[compute]\nviews = 4\njoin = "{settings.join}"{adapt}\n')
        with Workspace(tree_file) as workspace:
            evaluator, tree = workspace.evaluator, workspace.load()[0]
            test = evaluator.splits["test"]
            for subject, found in (("tree", evaluator.predict_test(tree)), ("names", evaluator.baseline(test))):
                right = sum(a == b for a, b in zip(found, test.labels, strict=True))
                assert entry[subject]["test"]["correct"] == right
    domain.write_text(f'{text}\n[compute]\nviews = 4\njoin = "vote"\n')
    score = json.loads(run("score", tree_file, "--json").out)
    assert schema_problems(score, "score") == []
    assert score["compute"] == {"views": 4, "join": "vote"}
    assert score["test"]["accuracy"] == compared["entries"][3]["tree"]["test"]["accuracy"]


@pytest.mark.slow
def test_classify_embed_and_report_use_what_is_frozen(run: Run, tree_file: Path, tmp_path: Path) -> None:
    import pyarrow.parquet

    domain = tree_file.parent / "domain.toml"
    domain.write_text(domain.read_text() + '\n[compute]\nviews = 4\njoin = "probabilities"\n')
    with Workspace(tree_file) as workspace:
        tree, _ = workspace.load()
        evaluator = workspace.evaluator
        part = evaluator.splits["dev"]
        answers = evaluator.answer(tree, evaluator.features(tree, "dev"))
        expected = {
            image.path: (evaluator.domain.classes[k], float(answers.scores[row].max()))
            for row, (image, k) in enumerate(zip(part.images, answers.predictions, strict=True))
        }
        stored = sum(1 for _ in workspace.cache.keys(evaluator.encoder.fingerprint))
    assert run("score", tree_file).code == 0
    assert loaded_by("score", str(tree_file)) <= SCORING  # cached views need no model either
    paths = list(expected)[:12]
    for each in json.loads(run("classify", tree_file, *paths, "--json").out):
        name, score = expected[Path(each["path"])]
        assert each["ranking"][0] == [name, pytest.approx(score, abs=2e-3)]
    done = run("embed", tree_file.parent, "-o", tmp_path / "table")
    assert "embedded" in done.out
    assert done.code == 0, done.err
    rows = pyarrow.parquet.read_table(tmp_path / "table").to_pylist()
    by_name = {path.relative_to(tree_file.parent / "images").as_posix(): found for path, found in expected.items()}
    assert sum(row["path"] in by_name for row in rows) == len(expected)
    for row in rows:
        if row["path"] in by_name:
            name, score = by_name[row["path"]]
            assert (row["predicted"], row["score"]) == (name, pytest.approx(score, abs=1e-5))
    with Workspace(tree_file) as workspace:  # all of it was in the cache
        assert sum(1 for _ in workspace.cache.keys(workspace.encoder.fingerprint)) == stored
    page = tmp_path / "report.md"
    assert run("report", tree_file, "--dev", "-o", page).code == 0
    assert "4 of each image, joined by probabilities" in page.read_text()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("views = 3", "must be one of [1, 4, 16]: 3"),
        ('adapt = "lora"', "[compute] adapt: lora trains on the views of an image, and views is 1"),
        ('views = 4\njoin = "max"', "embeddings"),
        ('views = 4\nexclude = { mark = ["mirror"] }', "flip"),
    ],
)
def test_a_wrong_table_is_reported_in_one_sentence(run: Run, tree_file: Path, table: str, message: str) -> None:
    domain = tree_file.parent / "domain.toml"
    domain.write_text(f"{domain.read_text()}\n[compute]\n{table}\n")
    done = run("score", tree_file)
    assert done.code in (1, 2)
    assert message in done.err
    assert "Traceback" not in done.err


def test_wrong_options_are_reported_before_anything_is_embedded(run: Run, tree_file: Path) -> None:
    done = run("score", tree_file, "--compute", "4/embedding")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        'error: there is no compute setting 4/embedding; did you mean "4/embeddings"?',
    )
    done = run("score", tree_file, "--freeze")
    assert (done.code, done.err.splitlines()[0]) == (2, "error: --freeze writes what --rules or --compute chooses")


def test_a_setting_is_named_by_its_words_alone() -> None:
    assert len({settings.words for settings in SETTINGS}) == len(SETTINGS)
    assert replace(SETTINGS[1], exclude=(("g", ("flip",)),)).words == "4/embeddings"
