from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from treegen.clip.diagnosis.dataset_notes import notes_on
from treegen.clip.evaluator import Evaluator
from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings

Evaluate = Callable[..., Evaluator]


def test_classes_without_images_and_with_one_are_named(make_domain: Callable[..., Domain], evaluate: Evaluate) -> None:
    told = notes_on(evaluate(make_domain({"Abrosk": 4, "Wendle": 1, "Corvane": 4, "Ilmet": 0, "Quill": 0})))
    assert told == (
        "no images of Ilmet, Quill: how well they are classified is unknown",
        "all images of Wendle are in the test split: dev says nothing about them",
    )


def test_more_than_five_are_counted(make_domain: Callable[..., Domain], evaluate: Evaluate) -> None:
    domain = make_domain({"Abrosk": 4, **{f"C{n}": 0 for n in range(8)}})
    assert "no images of C0, C1, C2, C3, C4 and 3 more: " in notes_on(evaluate(domain))[0]


def test_a_set_as_it_should_be_has_no_notes(make_domain: Callable[..., Domain], evaluate: Evaluate) -> None:
    assert notes_on(evaluate(make_domain({"Abrosk": 4, "Wendle": 4}))) == ()


def test_a_manifests_leak_strangers_and_parts_are_told_and_kept(
    make_domain: Callable[..., Domain], evaluate: Evaluate, draw: Any, tmp_path: Path
) -> None:
    """From the table to the parts of the evaluator, whatever was recorded before."""
    domain = make_domain({"Abrosk": 0, "Wendle": 0})
    lines = ["path,label,split"]
    for number in range(6):
        draw(tmp_path / "set" / f"{number}.png", number)
        lines.append(f"{number}.png,{('Abrosk', 'Wendle')[number % 2]},{'train' if number < 4 else 'test'}")
    lines += ["0.png,Abrosk,test", "1.png,Eel,test"]
    (tmp_path / "set" / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    domain = replace(domain, images=ImageSettings(manifest=tmp_path / "set" / "images.csv"))
    evaluator = evaluate(domain)
    assert {name: [i.name for i in part.images] for name, part in evaluator.splits.items()} == {
        "dev": ["1.png", "2.png", "3.png"],
        "test": ["0.png", "4.png", "5.png"],
    }
    assert notes_on(evaluator) == (
        '1 label is not a class and was left out, with the images: "Eel" (1)',
        "1 picture is in both the dev and the test split of the set: left out of dev",
    )
    assert [s.below(tmp_path) for s in evaluator.images.skipped] == ["set/0.png"]


def test_copies_of_a_picture_within_a_class_are_counted_and_told(
    make_domain: Callable[..., Domain], evaluate: Evaluate, draw: Any, tmp_path: Path
) -> None:
    """A table that names a file twice, and the same bytes under another name."""
    domain = make_domain({"Abrosk": 0, "Wendle": 0})
    lines = ["path,label"]
    for number in range(8):
        draw(tmp_path / "set" / f"{number}.png", number)
        lines.append(f"{number}.png,{('Abrosk', 'Wendle')[number % 2]}")
    (tmp_path / "set" / "again.png").write_bytes((tmp_path / "set" / "2.png").read_bytes())
    lines += ["0.png,Abrosk", "again.png,Abrosk"]
    (tmp_path / "set" / "images.csv").write_text("\n".join(lines), encoding="utf-8")
    evaluator = evaluate(replace(domain, images=ImageSettings(manifest=tmp_path / "set" / "images.csv")))
    assert notes_on(evaluator) == (
        "1 image is an exact copy of others of the same class: each counts, so fewer than n are distinct",
        "1 row names a picture again with the same label: each counts once",
    )


def test_damaged_embeddings_are_told(make_domain: Callable[..., Domain], evaluate: Evaluate, tmp_path: Path) -> None:
    import sqlite3

    domain = make_domain({"Abrosk": 4, "Wendle": 4})
    evaluate(domain)
    db = sqlite3.connect(tmp_path / "cache.sqlite")
    with db:
        db.execute("UPDATE embedding SET vector=? WHERE id=2", (b"odd",))
    db.close()
    assert notes_on(evaluate(domain)) == ("1 cached embedding was damaged and recomputed",)
