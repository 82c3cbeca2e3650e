"""Classes with two looks through the commands: pairs of the sketchbook's creatures as one class each."""

import csv
import json
import shutil
from io import StringIO
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import TREE, Git, Run
from treegen.tree.document import save, tree_from

pytestmark = pytest.mark.slow

LOOKS = {
    "Tarn": ("Abrosk", "Wendle"),
    "Morrel": ("Quillip", "Orlith"),
    "Sedge": ("Nubbet", "Ulvar"),
    "Brindle": ("Draquen", "Fennoch"),
}
OWNERS = {look: name for name, looks in LOOKS.items() for look in looks}


@pytest.fixture
def pairs(drawn: Path, tmp_path: Path) -> Path:
    """A domain of nine classes, of which four have two looks, with the tree of the looks and one of a rule each."""
    data: dict[str, Any] = json.loads(TREE)
    rules = data["rules"]
    classes = list(dict.fromkeys(OWNERS.get(name, name) for name in rules))
    folder = Path(shutil.copytree(drawn / "images", tmp_path / "pairs" / "images")).parent
    with (folder / "images.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["path", "label", "look"])
        for name in rules:
            for picture in sorted((folder / "images" / name).iterdir()):
                label, look = OWNERS.get(name, name), name if name in OWNERS else ""
                table.writerow([picture.relative_to(folder).as_posix(), label, look])
    (folder / "domain.toml").write_text(
        f'name = "pairs"\nnoun = "creature"\nname_template = "a drawing of a {{noun}} called {{name}}"\n'
        f"classes = {json.dumps(classes)}\n"
        '[images]\nmanifest = "images.csv"\n[split]\ndev = 0.3\nby = "rank"\n[encoder]\nname = "bundled"\n',
        encoding="utf-8",
    )
    whole = {**data, "domain": "pairs"}
    save(folder / "looks.json", tree_from({**whole, "looks": LOOKS}))
    first = {OWNERS.get(name, name): rules[name] for name in reversed(list(rules))}  # the first look of each
    save(folder / "one.json", tree_from({**whole, "rules": {name: first[name] for name in classes}}))
    return folder


def test_looks_raise_the_accuracy_of_classes_that_have_two(pairs: Path, run: Run) -> None:
    """The same groups and pictures; the one tree has the rule of the first look, the other both."""
    compared = json.loads(run("compare", pairs / "one.json", pairs / "looks.json", "--json").out)
    one, looks = (entry["test"] for entry in compared["entries"])
    (paired,) = compared["pairs"]
    assert (one["n"], looks["n"]) == (74, 74)
    assert looks["accuracy"] - one["accuracy"] > 0.15
    assert looks["interval"][0] > one["accuracy"]
    assert paired["wins"] > 5 * paired["losses"]
    assert paired["p"] < 0.001


def test_the_score_has_the_recall_of_each_look(pairs: Path, run: Run) -> None:
    score = json.loads(run("score", pairs / "one.json", "--json").out)
    recalls = {(each["name"], each["look"]): each for each in score["dev"]["looks"]}
    assert {key[::-1] for key in recalls} == set(OWNERS.items())
    assert sum(each["n"] for each in recalls.values()) == sum(
        each["n"] for each in score["dev"]["classes"] if each["name"] in LOOKS
    )
    first = sum(recalls[name, looks[0]]["recall"] for name, looks in LOOKS.items())
    second = sum(recalls[name, looks[1]]["recall"] for name, looks in LOOKS.items())
    assert second < 1 < first  # the look without a rule is hardly ever recognised
    shown = run("score", pairs / "looks.json", "--full", "--rules", "all").out
    assert "look (dev split)" in shown
    assert "Tarn: Wendle" in shown


def test_a_label_names_the_look(pairs: Path, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = sorted((pairs / "images" / "Orlith").iterdir())
    done = run("classify", pairs / "looks.json", *pictures)
    assert "Morrel (Orlith)" in done.out
    plain = json.loads(run("classify", pairs / "one.json", *pictures, "--json").out)
    assert not any("look" in each for each in plain)
    labels = json.loads(run("classify", pairs / "looks.json", *pictures, "--json").out)
    named = {each["path"]: each["look"] for each in labels if each["ranking"][0][0] == "Morrel"}
    assert set(named.values()) == {"Orlith"}
    assert len(named) > len(pictures) / 2
    monkeypatch.setattr("sys.stdin", StringIO('{"quit": true}\n'))
    asked = json.loads(run("ask", pairs / "looks.json", next(iter(named)), "--json").out.splitlines()[-1])
    assert asked.get("look", "") in LOOKS.get(asked["class"], ("",))


def test_exports_have_the_looks_or_say_what_becomes_of_them(pairs: Path, run: Run) -> None:
    tree = pairs / "looks.json"
    table = list(csv.reader(run("export", tree, "--to", "csv").out.splitlines()))
    assert table[0][:2] == ["class", "look"]
    assert [row[:2] for row in table[1:4]] == [["Tarn", "Abrosk"], ["Abrosk G", ""], ["Tarn", "Wendle"]]
    prompts = run("export", tree, "--to", "descriptors")
    assert "those of its looks are joined" in prompts.err
    assert set(LOOKS) <= json.loads(prompts.out).keys()
    assert not OWNERS.keys() & json.loads(prompts.out).keys()
    module: dict[str, Any] = {}
    exec(run("export", tree, "--to", "python").out, module)
    sure = {group: [0.9] + [0.1 / (len(o) - 1)] * (len(o) - 1) for group, (_, o) in module["GROUPS"].items()}
    scores = module["class_scores"](sure)
    assert next(iter(scores)) == "Tarn"
    assert len(scores) == 9
    article = pairs / "article.py"
    article.write_text(run("export", tree, "--to", "article").out, encoding="utf-8")
    assert run("import", article, "-o", pairs / "again.json").code == 0
    assert (pairs / "again.json").read_bytes() == tree.read_bytes()


def test_tensors_have_a_row_for_each_look(pairs: Path, run: Run) -> None:
    from safetensors import safe_open

    assert run("export", pairs / "looks.json", "--to", "safetensors", "-o", pairs / "t.safetensors").code == 0
    with safe_open(pairs / "t.safetensors", "np") as file:
        about = json.loads(file.metadata()["treegen"])
        assert file.get_tensor("rules").shape[0] == len(about["rows"]) == 13
    assert about["rows"][:2] == [{"class": "Tarn", "look": "Abrosk"}, {"class": "Tarn", "look": "Wendle"}]
    assert (about["format"], len(about["classes"])) == (2, 9)


def test_the_other_commands_take_a_tree_with_looks(pairs: Path, run: Run) -> None:
    tree = pairs / "looks.json"
    assert run("check", tree).code == 0
    assert "class Wendle, a look of Tarn" in run("show", tree).out
    assert 'look "Wendle" of "Tarn" added' in run("diff", pairs / "one.json", tree).out
    assert run("approve", tree, "--by", "Ada <ada@example.org>").code == 0
    assert run("check", tree, "--require-approved").code == 0
    assert run("log", tree).code == 0
    assert run("report", tree, "-o", pairs / "r.html").code == 0
    assert "Tarn (Wendle)" in (pairs / "r.html").read_text(encoding="utf-8")
    assert run("score", tree, "--adaptive").code == 0
    assert run("export", tree, "--to", "predictions", "-o", pairs / "p.csv").code == 0
    rows = list(csv.DictReader((pairs / "p.csv").read_text(encoding="utf-8").splitlines()))
    right = {(row["look"], row["predicted_look"]) for row in rows if row["class"] == row["predicted"] in LOOKS}
    assert right <= {(look, look) for look in OWNERS}
    assert len(right) >= 6
    refused = run("optimize", tree)
    assert refused.code == 2
    assert 'the search knows one rule for each class, and "Tarn" has looks' in refused.err


def test_git_merges_edits_of_two_looks(git: Git, run: Run, pairs: Path) -> None:
    text = (pairs / "looks.json").read_text(encoding="utf-8")
    git.write("tree.json", text)
    git.run("git-setup", program="treegen")
    git("add", "-A")
    git("commit", "-qm", "base")
    base = json.loads(text)
    for branch, look in (("one", "Abrosk"), ("two", "Wendle")):
        git("checkout", "-q", "-b", branch, "main")
        edited = {**base, "rules": {**base["rules"], look: {**base["rules"][look], "colour": 8}}}
        save(git.folder / "tree.json", tree_from(edited))
        git("commit", "-qam", branch)
    git("merge", "-q", "one")
    merged = json.loads((git.folder / "tree.json").read_text(encoding="utf-8"))
    assert merged["rules"]["Abrosk"]["colour"] == merged["rules"]["Wendle"]["colour"] == 8
    assert merged["looks"] == {name: list(looks) for name, looks in LOOKS.items()}
    assert "conflicts" not in merged
