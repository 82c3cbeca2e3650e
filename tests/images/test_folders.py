import hashlib
import os
from dataclasses import replace
from pathlib import Path
from unicodedata import normalize

import pytest

from tests.images.test_pictures import gradient
from treegen.config.domain import Domain
from treegen.config.settings import ImageSettings
from treegen.errors import InputError
from treegen.images import ImageSet, list_images
from treegen.images.files import OTHER_SUFFIXES, SUFFIXES, UNREAD_SUFFIXES, is_picture, unread_kind

CLASSES = ("Newt", "Swan")


@pytest.fixture
def domain(tmp_path: Path) -> Domain:
    """Two classes with two images each."""
    for label, name in enumerate(CLASSES):
        (tmp_path / "images" / name).mkdir(parents=True)
        for number in range(2):
            gradient(size=(4 + label, 4 + number)).save(tmp_path / "images" / name / f"{number}.png")
    return Domain(folder=tmp_path, name="pond", classes=CLASSES, images=ImageSettings(folder=tmp_path / "images"))


def found(domain: Domain) -> list[tuple[int, str]]:
    return [(image.label, image.path.name) for image in list_images(domain).images]


def test_images_are_listed_by_class_and_name_with_the_hash_of_their_bytes(domain: Domain) -> None:
    listed = list_images(domain)
    assert found(domain) == [(0, "0.png"), (0, "1.png"), (1, "0.png"), (1, "1.png")]
    assert [i.digest for i in listed.images] == [hashlib.sha256(i.path.read_bytes()).hexdigest() for i in listed.images]
    assert (listed.skipped, listed.unknown_labels) == ((), ())


def test_files_that_are_no_images_and_hidden_ones_are_passed_over(domain: Domain) -> None:
    folder = domain.folder / "images" / "Newt"
    (folder / ".cache").mkdir()
    (folder / "deeper").mkdir()
    (folder / "folder.png").mkdir()
    os.mkfifo(folder / "pipe.png")
    for name in ("notes.txt", ".hidden.png", ".cache/0.png", "deeper/UPPER.JPG"):
        (folder / name).write_bytes(b"x")
    assert [name for label, name in found(domain) if label == 0] == ["0.png", "1.png", "UPPER.JPG"]


def test_folders_that_are_no_class_are_named(domain: Domain) -> None:
    for name in ("newt", "Eel", ".git"):
        (domain.folder / "images" / name).mkdir()
    assert list_images(domain).unknown_labels == (("Eel", 0), ("newt", 0))


def test_a_folder_name_may_be_composed_otherwise_than_the_class_name(domain: Domain) -> None:
    (domain.folder / "images" / "Newt").rename(domain.folder / "images" / normalize("NFD", "Évoli"))
    assert found(replace(domain, classes=(normalize("NFC", "Évoli"), "Swan")))[0] == (0, "0.png")


def test_a_file_that_cannot_be_opened_is_skipped_and_named(domain: Domain) -> None:
    link = domain.folder / "images" / "Newt" / "gone.png"
    link.symlink_to("nowhere.png")
    listed = list_images(domain)
    assert [(s.path, s.reason) for s in listed.skipped] == [(link, "cannot be read: No such file or directory")]
    assert len(listed.images) == 4


def test_a_hash_that_is_known_already_is_not_computed_again(domain: Domain) -> None:
    assert {i.digest for i in list_images(domain, hash_of=lambda image: image.name).images} == {"0.png", "1.png"}


def test_a_domain_without_usable_images_is_refused_with_what_to_do(domain: Domain, tmp_path: Path) -> None:
    cases = [
        (replace(domain, images=None), "'pond' has no images"),
        (replace(domain, images=ImageSettings(folder=tmp_path / "none")), "none: no such image folder"),
        (replace(domain, classes=("Eel", "Olm")), "no image of any of the 2 classes"),
    ]
    for broken, told in cases:
        with pytest.raises(InputError, match=told) as caught:
            list_images(broken)
        assert caught.value.tip


def test_the_digest_of_a_set_depends_on_labels_and_contents_and_not_on_names_or_order(domain: Domain) -> None:
    before = list_images(domain)
    (domain.folder / "images" / "Newt" / "0.png").rename(domain.folder / "images" / "Newt" / "9.png")
    assert list_images(domain).digest == before.digest
    assert ImageSet(images=before.images[::-1]).digest == before.digest
    assert list_images(replace(domain, classes=CLASSES[::-1])).digest != before.digest
    gradient().save(domain.folder / "images" / "Newt" / "9.png")
    assert list_images(domain).digest != before.digest


def test_class_folders_may_lie_below_others_and_bear_other_names(domain: Domain, tmp_path: Path) -> None:
    """images/amphibians/eft/1.png is a newt; what lies beside the class folders is counted as no class."""
    folder = tmp_path / "images" / "amphibians"
    (folder / "eft" / "deep").mkdir(parents=True)
    gradient(size=(9, 9)).save(folder / "eft" / "deep" / "x.png")
    gradient(size=(9, 8)).save(folder / "loose.png")
    listed = list_images(replace(domain, aliases=(("Newt", ("eft",)),)))
    newts = [i.name for i in listed.images if i.label == 0]
    assert newts == ["0.png", "1.png", "x.png"]
    assert listed.unknown_labels == (("amphibians", 1),)


def test_folders_called_train_and_test_divide_the_set_unless_they_are_classes(tmp_path: Path) -> None:
    """Above the class folders or below them, as benchmarks lay them out; a picture outside of them is left out."""
    for number, name in enumerate(("train/Newt", "test/Newt", "Swan/train", "Swan/Test", "Newt")):
        (tmp_path / "set" / name).mkdir(parents=True)
        gradient(size=(4, 4 + number)).save(tmp_path / "set" / name / f"{number}.png")
    domain = Domain(folder=tmp_path, name="pond", classes=CLASSES, images=ImageSettings(folder=tmp_path / "set"))
    listed = list_images(domain)
    splits = {image.name: image.split for image in listed.images}
    assert splits == {"0.png": "dev", "1.png": "test", "2.png": "dev", "3.png": "test"}
    assert [each.path.name for each in listed.passed_over] == ["4.png"]
    other = list_images(replace(domain, classes=(*CLASSES, "train", "test", "Test")))
    assert {image.split for image in other.images} == {None}


def test_a_folder_that_cannot_be_read_is_called_one(domain: Domain, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> object:
        if Path(path).name == "Swan":
            raise PermissionError(13, "Permission denied", path)
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listed = list_images(domain)
    assert [(s.path.name, s.reason) for s in listed.skipped] == [
        ("Swan", "the folder cannot be read: Permission denied")
    ]


def test_every_ending_that_pillow_knows_is_read_or_counted() -> None:
    """Its other formats are no pictures: data of weather and of measurements, documents, films."""
    from PIL import Image

    Image.init()
    others = {".h5", ".hdf", ".grib", ".bufr", ".pdf", ".ps", ".mpg", ".mpeg"}
    assert set(Image.EXTENSION) - SUFFIXES - UNREAD_SUFFIXES == others
    assert others <= OTHER_SUFFIXES


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.sgi", ".sgi"),
        ("a.j2c", ".j2c"),
        ("a.emf", ".emf"),
        ("a.x3f", ".x3f"),
        ("PPM", "PPM without an ending"),
        ("ICO", "ICO without an ending"),
        ("JPEG2000", "JPEG 2000 without an ending"),
        ("SGI", "SGI without an ending"),
        ("TGA", "TGA without an ending"),
        ("PCX", "PCX without an ending"),
        ("DDS", "DDS without an ending"),
        ("TIFF", None),
    ],
)
def test_pictures_of_formats_that_are_not_read_are_counted(domain: Domain, name: str, kind: str | None) -> None:
    gradient(size=(24, 24)).save(domain.folder / "images" / "Newt" / name, "PNG" if "." in name else name)
    files = list_images(domain).files
    assert [(each.kind, each.count) for each in files.left_out] == ([(kind, 1)] if kind else [])
    assert files.found == 5


@pytest.mark.parametrize("head", [b"II+\0\x08\0\0\0", b"\0\0\0\x18ftyphevc", b"\0\0\0\x18ftypmsf1"])
def test_files_without_an_ending_are_read_by_their_first_bytes(head: bytes) -> None:
    assert is_picture(head.ljust(64, b"\0"))


@pytest.mark.parametrize("text", [b"P1 is the first plot", b"DDS is a format", b"", b"\0" * 64, b"8BPS is Photoshop"])
def test_other_files_without_an_ending_are_no_pictures(text: bytes) -> None:
    assert unread_kind(text, "") == ""
