"""`treegen score` with rules, seals and looks; what log, check, approve and classify make of it."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.conftest import TREE, Run
from treegen.clip.decisions import RULES
from treegen.clip.metrics.statistics import holm
from treegen.config.domain import load_domain
from treegen.config.settings import DecisionSettings
from treegen.history.store import Store
from treegen.tree.validation.schema import schema_problems
from treegen.workflow.review_model import ReviewModel


def seal(tree_file: Path) -> None:
    domain = tree_file.parent / "domain.toml"
    domain.write_text(domain.read_text().replace("[split]\n", "[split]\nsealed = true\n"))
    assert load_domain(domain).split.sealed


def document(run: Run, *arguments: object) -> dict[str, Any]:
    done = run("score", *arguments, "--json")
    assert done.code == 0, done.err
    found: dict[str, Any] = json.loads(done.out)
    assert schema_problems(found, "score") == []
    return found


@pytest.mark.slow
def test_each_new_look_at_the_test_part_is_counted_and_told_and_the_dev_part_is_free(run: Run, tree_file: Path) -> None:
    """The same tree again is no new look; neither is any score of the dev split alone."""
    done = run("score", tree_file, "--full")
    assert "the test split was evaluated 1 time (" in done.out
    assert "(no interval: a class has 4 test images, and 5 are needed in each)" in done.out
    assert document(run, tree_file)["test_looks"] == 1
    tree_file.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    alone = run("score", tree_file, "--dev", "--full")
    assert "the test split was not evaluated" in alone.out
    assert "name baseline" not in alone.out
    assert "group (dev split)" in alone.out
    assert "test" not in document(run, tree_file, "--dev")
    assert document(run, tree_file)["test_looks"] == 2
    assert document(run, tree_file, "--rules", "vote,max")["test_looks"] == 4
    assert "the test split was evaluated 4 times" in run("log", tree_file).out


@pytest.mark.slow
def test_a_sealed_test_part_is_only_looked_at_when_that_is_asked_for(run: Run, tree_file: Path) -> None:
    """Also by the log and by a sign-off."""
    seal(tree_file)
    for arguments in ((), ("--dev",), ("--rules", "all")):
        found = document(run, tree_file, *arguments)
        assert not {"test", "baseline", "controls", "mcnemar", "test_looks"} & set(found)
    told = run("log", tree_file)
    assert "not evaluated" in told.out
    signed = run("approve", tree_file, "--by", "Ada")
    assert signed.code == 0, signed.err
    assert "no accuracy was recorded" in signed.err
    assert json.loads(tree_file.read_text())["review"]["score"] == {}
    opened = document(run, tree_file, "--unseal")
    assert opened["test_looks"] == 1
    assert "not evaluated" not in run("log", tree_file).out
    assert run("approve", tree_file, "--by", "Ada").code == 0
    assert json.loads(tree_file.read_text())["review"]["score"]["accuracy"] == opened["test"]["accuracy"]


def test_options_that_contradict_each_other_are_refused(run: Run, tree_file: Path) -> None:
    assert run("score", tree_file, "--dev", "--unseal").code == 2
    done = run("score", tree_file, "--freeze")
    assert done.code == 2
    assert "--rules" in done.err
    unknown = run("score", tree_file, "--rules", "median")
    assert unknown.code == 2
    assert "log-product" in unknown.err


@pytest.mark.slow
def test_rules_are_compared_chosen_on_dev_and_frozen_with_the_files_comments_kept(run: Run, tree_file: Path) -> None:
    """Then scores, previews and labels are made with it, and the log goes on."""
    domain = tree_file.parent / "domain.toml"
    before = domain.read_text()
    done = run("score", tree_file, "--rules", "all", "--freeze")
    assert done.code == 0, done.err
    for name in RULES:
        assert re.search(rf"^{name}\b", done.out, re.MULTILINE)
    assert "5-fold cross-validation" in done.out
    assert "least margin" in done.out
    with Store(tree_file) as store:
        score = store.scores()[1]
    chosen = score["rules"]["chosen"]
    assert domain.read_text().startswith(before)
    entry = next(e for e in score["rules"]["entries"] if e["rule"] == chosen)
    settings = load_domain(domain).decision
    assert (settings.rule, dict(settings.parameters)) == (chosen, entry["parameters"])
    again = document(run, tree_file)
    assert (again["decision_rule"], again.get("decision_parameters", {})) == (chosen, entry["parameters"])
    assert again["test"] == entry["test"]
    image = next((tree_file.parent / "images").rglob("*.png"))
    assert json.loads(run("classify", tree_file, image, "--json").out)[0]["rule"] == chosen


@pytest.mark.slow
def test_nulls_are_a_handicap_by_the_sum_and_none_by_the_mean(run: Run, tree_file: Path) -> None:
    """18 of 65 answers are null, three of them colours of classes that share their other answers with a neighbour.

    By the sum their null is worth 1 in 9 where the neighbour's colour is worth nearly 1, so it takes their images.
    """
    content = json.loads(TREE)
    nulls = ("Torvane", "Nubbet", "Fennoch")
    for name in nulls:
        content["rules"][name]["colour"] = None
    assert sum(list(rule.values()).count(None) for rule in content["rules"].values()) == 18
    tree_file.write_text(json.dumps(content), encoding="utf-8")
    domain = tree_file.parent / "domain.toml"
    before = domain.read_text(encoding="utf-8")
    recalls = dict[str, list[float]]()
    for rule in ("mean", "sum"):
        domain.write_text(f'{before}\n[decision]\nrule = "{rule}"\n', encoding="utf-8")
        scored = document(run, tree_file, "--rules", "mean,sum")
        assert scored["decision_rule"] == rule
        by_class = {each["name"]: each["recall"] for each in scored["dev"]["classes"]}
        recalls[rule] = [by_class[name] for name in nulls]
        assert scored["test"]["correct"] == pytest.approx({"mean": 47, "sum": 42}[rule], abs=1)  # of 52
    assert recalls == {"mean": [0.75, 0.75, 0.5], "sum": [0.25, 0.25, 0.5]}
    against = next(entry for entry in scored["rules"]["entries"] if entry["rule"] == "sum")["test_against"]
    assert (against["wins"], against["losses"]) in [(0, 4), (0, 5), (0, 6)]


@pytest.mark.slow
@pytest.mark.parametrize("rule", ["temperature", "gated", "vote"])
def test_a_rule_that_the_domain_names_is_used_without_being_frozen(run: Run, tree_file: Path, rule: str) -> None:
    """One that learns does so on the dev split, for labels too."""
    domain = tree_file.parent / "domain.toml"
    domain.write_text(f'{domain.read_text()}\n[decision]\nrule = "{rule}"\n')
    assert document(run, tree_file, "--dev")["decision_rule"] == rule
    assert ("was fitted to these images" in run("score", tree_file, "--dev").out) == (rule != "vote")
    assert f"decision rule {rule}" in run("score", tree_file).out
    done = run("classify", tree_file, next((tree_file.parent / "images").rglob("*.png")))
    assert done.code == 0, done.err
    assert f" by {rule}; next " in done.out


@pytest.mark.slow
def test_a_rule_that_learns_needs_images_or_to_be_frozen(run: Run, tree_file: Path) -> None:
    domain, image = tree_file.parent / "domain.toml", next((tree_file.parent / "images").rglob("*.png"))
    text = re.sub(r"\[images\]\n(?:.+\n)*", "", domain.read_text())
    domain.write_text(f'{text}\n[decision]\nrule = "temperature"\n')
    done = run("classify", tree_file, image)
    assert done.code == 2
    assert "learns from the dev split" in done.err
    domain.write_text(f'{text}\n[decision]\nrule = "temperature"\nparameters = {{ temperature = 0.8 }}\n')
    assert run("classify", tree_file, image).code == 0


@pytest.mark.slow
def test_the_log_corrects_p_for_all_revisions_compared_on_the_same_test_part(run: Run, tree_file: Path) -> None:
    for words in ('"tiny"', '"small"', '"minute"'):
        tree_file.write_text(TREE.replace('"tiny"', words), encoding="utf-8")
        assert run("score", tree_file).code == 0
    shown = run("log", tree_file).out
    assert shown.count(", Holm ") == 2
    assert "p corrected for all 5 comparisons on the same test split" in shown
    told = {r["id"]: r for r in json.loads(run("log", tree_file, "--json").out)["revisions"]}
    plain = [told[number]["score"]["mcnemar"]["parent"]["p"] for number in (2, 3)]
    bases = [told[number]["score"]["mcnemar"]["baseline"]["p"] for number in (1, 2, 3)]
    assert told[1]["p_holm"] is None
    assert [told[2]["p_holm"], told[3]["p_holm"]] == list(holm([*plain, *bases])[:2])
    assert run("score", tree_file, "--rules", "all").code == 0  # a score of revision 3, which is no comparison less
    again = run("log", tree_file).out
    assert f"p corrected for all {5 + len(RULES) - 1} comparisons" in again
    assert run("score", tree_file).code == 0  # the latest score of the revision compares no rules
    assert f"p corrected for all {5 + len(RULES) - 1} comparisons" in run("log", tree_file).out


@pytest.mark.slow
@pytest.mark.parametrize("change", ["image", "seed"])
def test_the_counter_of_looks_survives_one_more_image_and_another_seed(run: Run, tree_file: Path, change: str) -> None:
    assert document(run, tree_file)["test_looks"] == 1
    if change == "image":
        picture = tree_file.parent / "images" / "Wendle" / "001.png"
        with Image.open(picture) as drawn:
            drawn.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(picture.with_name("999.png"))
    else:
        domain = tree_file.parent / "domain.toml"
        domain.write_text(domain.read_text().replace("seed = 0", "seed = 5"))
    tree_file.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    assert document(run, tree_file)["test_looks"] == 2


@pytest.mark.slow
def test_check_tells_what_the_last_score_advises_as_the_review_does(run: Run, tree_file: Path) -> None:
    """Without a score, and after an edit, there is nothing to tell; severities can be set."""

    def in_review() -> list[str]:
        with ReviewModel(tree_file) as review:
            return sorted(f"{p.code} {p.pointer} {p.severity} {p.message}" for p in review.problems)

    def in_check() -> list[str]:
        (found,) = json.loads(run("check", tree_file, "--json").out)
        return sorted("{code} {pointer} {severity} {message}".format(**p) for p in found["problems"])

    def codes(*arguments: str) -> list[str]:
        (found,) = json.loads(run("check", tree_file, "--format", "json", *arguments).out)
        return [p["code"] for p in found["problems"] if p["code"] in MEASURED]

    assert codes() == codes("--encoder", "bundled") == []
    assert in_check() == in_review()
    advice = [a for a in document(run, tree_file)["dev"]["advice"] if a["shown"]]
    assert len(advice) > 0
    assert codes() == codes("--encoder", "bundled")
    assert len(codes()) >= len(advice)
    assert in_check() == in_review()
    domain = tree_file.parent / "domain.toml"
    off = ", ".join(f'{code} = "off"' for code in MEASURED)
    domain.write_text(f"{domain.read_text()}\n[check]\nseverity = {{ {off} }}\n")
    assert codes() == codes("--encoder", "bundled") == []
    assert in_check() == in_review()
    domain.write_text(domain.read_text().replace('"off"', '"error"'))
    assert run("check", tree_file).code == run("check", tree_file, "--encoder", "bundled").code == 1
    assert in_check() == in_review()
    domain.write_text(domain.read_text().replace('name = "bundled"', 'name = "ViT-B-32"'))
    assert codes() == []
    tree_file.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    assert codes("--encoder", "bundled") == []
    assert in_check() == in_review()


MEASURED = ("TG703", "TG704", "TG705", "TG706")


@pytest.mark.slow
def test_every_group_is_told_in_full_when_asked(run: Run, tree_file: Path) -> None:
    assert "ECE" not in run("score", tree_file, "--dev").out
    shown = run("score", tree_file, "--dev", "--groups").out
    head = next(line for line in shown.splitlines() if "ECE" in line)
    for told in ("balanced", "bits", "shares most with", "without it", "prompts", "fire together"):
        assert told in head


@pytest.mark.slow
def test_an_image_whose_best_scores_are_close_is_called_unsure(run: Run, tree_file: Path) -> None:
    """As close as the domain says; a rule that is frozen again keeps that, and one with another scale does not."""
    domain, image = tree_file.parent / "domain.toml", next((tree_file.parent / "images").rglob("*.png"))
    text = domain.read_text()
    for margin, unsure in ((0, False), (1000, True)):
        domain.write_text(f'{text}\n[decision]\nrule = "mean"\nleast_margin = {margin}\n')
        assert json.loads(run("classify", tree_file, image, "--json").out)[0]["unsure"] is unsure
    assert ": unsure, perhaps " in run("classify", tree_file, image).out
    assert run("score", tree_file, "--dev", "--rules", "mean", "--freeze").code == 0
    assert load_domain(domain).decision.least_margin == 1000
    domain.write_text(f'{text}\n[decision]\nrule = "vote"\nleast_margin = 1\n')
    assert run("score", tree_file, "--dev", "--rules", "mean", "--freeze").code == 0
    assert load_domain(domain).decision == DecisionSettings()


def test_no_command_and_no_screen_has_the_word_for_what_only_a_test_can_show() -> None:
    """In no text of theirs."""
    root = Path(__file__).parents[2]
    texts = [path for part in ("treegen/cli", "treegen/review", "treegen/clip") for path in (root / part).rglob("*.py")]
    assert len(texts) > 50
    for path in [*texts, *(root / "prompts").glob("*.jinja")]:
        assert not re.search(r"\bbetter\b", path.read_text(encoding="utf-8"), re.IGNORECASE), path


@pytest.mark.slow
def test_nothing_is_called_better_than_anything(run: Run, tree_file: Path) -> None:
    """Not in any score, comparison, log, check or list of changes: p-values and intervals are told instead."""
    printed = [run("score", tree_file, "--rules", "all", "--groups", "--full")]
    tree_file.write_text(TREE.replace('"tiny"', '"small"'), encoding="utf-8")
    printed += [run("score", tree_file, "--full"), run("score", tree_file, "--json"), run("log", tree_file)]
    printed += [run("check", tree_file, "--encoder", "bundled"), run("approve", tree_file, "--by", "Ada")]
    for done in printed:
        assert done.code in (0, 1)
        assert len(done.out) > 40
        assert not re.search(r"\bbetter\b", done.out + done.err, re.IGNORECASE)
