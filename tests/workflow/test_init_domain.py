"""The first domain.toml: valid as it stands, with paths that hold from where it lies, and told mismatches."""

from pathlib import Path

import pytest
from PIL import Image

from treegen.config.domain import load_domain, read_domain
from treegen.errors import InputError
from treegen.workflow.init_domain import few_images, noun_of, write_domain
from treegen.workflow.init_domain import image_folders as folders_of_images


def class_list(folder: Path, *names: str) -> Path:
    path = folder / "classes.txt"
    path.write_text("\n".join(names) + "\n", encoding="utf-8")
    return path


def image_folders(folder: Path, *names: str) -> Path:
    """Folders with one image each."""
    for name in names:
        (folder / "pictures" / name).mkdir(parents=True)
        Image.new("RGB", (2, 2)).save(folder / "pictures" / name / "1.png")
    return folder / "pictures"


def test_what_was_named_is_what_the_domain_says(tmp_path: Path) -> None:
    """Classes from the list, images from beside it, both relative to the new file."""
    classes, images = class_list(tmp_path, "Newt", "Swan"), image_folders(tmp_path, "Newt", "Swan")
    written = write_domain(
        tmp_path / "a" / "pond", classes=classes, images=images, name="Pond", noun="frogling", encoder="RN50:openai"
    )
    assert (written.path, written.classes, written.notes) == (tmp_path / "a" / "pond" / "domain.toml", 2, ())
    domain = load_domain(written.path)
    assert (domain.name, domain.noun, domain.classes) == ("Pond", "frogling", ("Newt", "Swan"))
    assert (domain.encoder.name, domain.split.dev) == ("RN50:openai", 0.5)
    assert domain.images is not None
    assert domain.images.folder is not None
    assert domain.images.folder.resolve() == images.resolve()
    text = written.path.read_text(encoding="utf-8")
    assert 'classes_file = "../../classes.txt"' in text
    assert 'folder = "../../pictures"' in text


def test_what_was_not_named_has_a_default_and_stays_as_a_comment(tmp_path: Path) -> None:
    """The folder's name, no images, the bundled encoder; examples of everything else stand in the file."""
    written = write_domain(tmp_path / "pond", classes=class_list(tmp_path, "Newt", "Swan"), images=None)
    domain = load_domain(written.path)
    assert (domain.name, domain.noun, domain.images, domain.encoder.name) == ("pond", "object", None, "bundled")
    lines = written.path.read_text(encoding="utf-8").splitlines()
    for commented in ("# [notes]", "# [images]", "# model =", "# name = "):
        assert any(line.startswith(commented) for line in lines)


def test_every_commented_setting_is_valid_once_it_is_uncommented(tmp_path: Path) -> None:
    """An example that is refused would be worse than none."""
    written = write_domain(tmp_path / "pond", classes=class_list(tmp_path, "Newt", "Swan"), images=None)
    lines = written.path.read_text(encoding="utf-8").splitlines()
    text = "\n".join([lines[0], *(line.removeprefix("# ") for line in lines[1:])])
    written.path.write_text(text, encoding="utf-8")
    domain, problems = read_domain(written.path)
    assert problems == ()
    assert domain is not None
    assert (domain.images is not None, domain.notes[0][0], domain.llm.model) == (True, "Newt", "openai/gpt-4o-mini")


@pytest.mark.parametrize("name", ['a "quoted" \\ name', "名前 é", "{braces} {0} %s", "\x7f", "  ", "[x]"])
def test_awkward_names_arrive_as_they_are(tmp_path: Path, name: str) -> None:
    """In the domain's name and noun, and as the folder of a class, where the file is valid at all."""
    written = write_domain(tmp_path / "d", classes=class_list(tmp_path, "Newt", "Swan"), images=None, name=f"x{name}")
    assert load_domain(written.path).name == f"x{name}"
    if name.isprintable() and name.strip():
        images = image_folders(tmp_path, name, "Swan")
        assert name in load_domain(write_domain(tmp_path / "e", classes=None, images=images).path).classes


def test_folders_without_an_image_and_hidden_ones_are_no_classes(tmp_path: Path) -> None:
    images = image_folders(tmp_path, "Swan", "Newt", ".cache")
    (images / "empty").mkdir()
    (images / "notes.txt").write_text("no folder", encoding="utf-8")
    (images / "Eel" / "young").mkdir(parents=True)
    (images / "Eel" / "young" / "1.JPG").write_bytes(b"")
    written = write_domain(tmp_path / "pond", classes=None, images=images)
    assert load_domain(written.path).classes == ("Eel", "Newt", "Swan")


def test_classes_and_folders_that_do_not_match_are_noted_with_what_may_be_meant(tmp_path: Path) -> None:
    classes, images = class_list(tmp_path, "Newt", "Swan"), image_folders(tmp_path, "Swan", "Newts")
    notes = write_domain(tmp_path / "pond", classes=classes, images=images).notes
    assert len(notes) == 3
    assert '"Newts": did you mean Newt? Then add below [aliases]: Newt = ["Newts"]' in notes
    assert 'no image folder for the class "Newt"; did you mean the folder "Newts"?' in notes
    assert 'the folder "Newts" is not a class' in notes


def test_of_many_mismatches_the_first_are_noted_and_the_rest_counted(tmp_path: Path) -> None:
    names = [f"Class {number}" for number in range(25)]
    written = write_domain(
        tmp_path / "pond", classes=class_list(tmp_path, *names), images=image_folders(tmp_path, "Swan")
    )
    assert len(written.notes) == 13
    assert written.notes[-2] == "and 15 more like these"
    assert "no image of any of the 25 classes" in written.notes[-1]


def test_what_cannot_become_a_domain_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    """Nothing named, one class, a class twice, no such file or folder."""
    one = class_list(tmp_path, "Newt")
    (tmp_path / "twice.txt").write_text("Newt\nSwan\nNewt\n", encoding="utf-8")
    for classes, images, told in (
        (None, None, "no classes"),
        (one, None, "1 class; at least 2"),
        (tmp_path / "twice.txt", None, '"Newt" is a duplicate'),
        (tmp_path / "none.txt", None, "no such file"),
        (None, tmp_path / "none", "no such folder"),
    ):
        with pytest.raises(InputError, match=told) as caught:
            write_domain(tmp_path / "pond", classes=classes, images=images)
        assert caught.value.tip
    assert not (tmp_path / "pond").exists()


def test_a_domain_that_is_there_is_never_replaced(tmp_path: Path) -> None:
    classes = class_list(tmp_path, "Newt", "Swan")
    path = write_domain(tmp_path, classes=classes, images=None).path
    path.write_text("mine", encoding="utf-8")
    with pytest.raises(InputError, match="exists"):
        write_domain(tmp_path, classes=classes, images=None)
    assert path.read_text(encoding="utf-8") == "mine"


def test_a_folder_that_cannot_be_made_is_refused_by_name(tmp_path: Path) -> None:
    classes = class_list(tmp_path, "Newt", "Swan")
    with pytest.raises(InputError, match="cannot be created"):
        write_domain(classes / "pond", classes=classes, images=None)
    assert classes.read_text(encoding="utf-8") == "Newt\nSwan\n"


def test_few_images_are_noted_in_one_line_with_the_class_that_has_fewest() -> None:
    few = few_images(["Newt", "Swan", "Carp"], {0: 100, 1: 18, 2: 2})
    assert few.startswith('2 of 3 classes have fewer than 20 pictures (fewest: 2 of "Carp")')
    assert few_images(["Newt", "Swan"], {0: 12, 1: 20}).startswith('1 of 2 classes has fewer than 20 pictures (12 of "')
    assert few_images(["Newt", "Swan"], {0: 20, 1: 20}) == ""


@pytest.mark.parametrize(
    ("images", "noun"),
    [
        ("butterflies", "butterfly"),
        ("trading_cards.csv", "trading card"),
        ("mushrooms/photos", "mushroom"),
        ("downloads/pictures", "object"),
        ("set2", "object"),
        ("glass", "object"),
        ("Vögel", "object"),
        *((name, "object") for name in ("my pics", "pictures", "images", "img", "data", "train", "my birds", "Photos")),
        ("butterflies/my pics", "object"),
        ("butterflies/pics", "butterfly"),
        ("wading birds/train", "wading bird"),
    ],
)
def test_a_noun_is_taken_from_a_plural_alone(images: str, noun: str, tmp_path: Path) -> None:
    assert noun_of(tmp_path / "files" / images) == noun


def test_the_folders_that_may_be_meant_are_usual_names_and_those_of_class_folders(tmp_path: Path) -> None:
    for name in ("photos/Newt", "shapes/Swan", "shapes/Carp", "tree/.treegen", "one/Swan"):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "1.png").touch()
    assert [path.name for path in folders_of_images(tmp_path)] == ["photos", "shapes"]
