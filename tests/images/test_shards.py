"""Webdataset shards, written by webdataset itself and by hand."""

import io
import json
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from tests.images.conftest import Make, colour_of
from treegen.errors import InputError
from treegen.images import hash_image, list_images, open_picture, read_bytes
from treegen.images.shards import shard_paths


def picture(number: int) -> bytes:
    raw = io.BytesIO()
    Image.new("RGB", (6, 4), colour_of(number)).save(raw, "PNG")
    return raw.getvalue()


def write_tar(path: Path, members: dict[str, bytes]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as tar:
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))


def test_what_webdataset_writes_is_read_member_by_member(tmp_path: Path, pond: Make) -> None:
    """The layout that clip_benchmark reads: folders of parts, numbered tars, numbers as labels, names beside."""
    webdataset = pytest.importorskip("webdataset")
    (tmp_path / "classnames.txt").write_text("Swan\nNewt\n", encoding="utf-8")
    number = 0
    for part, shards in (("train", 2), ("test", 1)):
        (tmp_path / part).mkdir()
        for shard in range(shards):
            with webdataset.TarWriter(str(tmp_path / part / f"{shard}.tar")) as writer:
                for _ in range(3):
                    writer.write({"__key__": f"s{number:07d}", "png": picture(number), "cls": number % 2})
                    number += 1
    found = list_images(pond(shards=tmp_path / "*" / "*.tar"))
    assert [(i.path.parent.name, i.member, i.label, i.split) for i in found.images] == [
        ("test", f"s000000{n}.png", 1 - n % 2, "test") for n in (6, 7, 8)
    ] + [("train", f"s000000{n}.png", 1 - n % 2, "dev") for n in range(6)]
    for image in found.images:
        number = int(image.member[1:8])
        assert read_bytes(image) == picture(number)
        assert image.digest == hash_image(image)
        assert open_picture(image).getpixel((0, 0)) == colour_of(number)
    assert found.images[0].below(tmp_path) == "test/0.tar/s0000006.png"
    only = list_images(pond(shards=tmp_path / "train" / "{0..1}.tar"))
    assert ([i.split for i in only.images], {i.label for i in only.images}) == ([None] * 6, {0, 1})


def test_labels_are_texts_numbers_or_json(tmp_path: Path, pond: Make) -> None:
    write_tar(
        tmp_path / "a.tar",
        {
            "x/1.png": picture(1),
            "x/1.txt": b"Swan\n",
            "x/2.JPG": picture(2),
            "x/2.json": b'{"label": "Newt", "a": 1}',
            "x/3.left.png": picture(3),
            "x/3.cls": b"2",
            "x/3.txt": b"a caption",
            "x/4.png": picture(4),
            "x/4.json": json.dumps({"class_name": "water monster"}).encode(),
        },
    )
    found = list_images(pond(shards=tmp_path / "a.tar"))
    assert [(i.name, i.label) for i in found.images] == [("1.png", 1), ("2.JPG", 0), ("3.left.png", 2), ("4.png", 2)]
    assert found.skipped == ()


def test_what_cannot_be_used_is_named_and_counted(tmp_path: Path, pond: Make) -> None:
    good = {"1.png": picture(1), "1.cls": b"0"}
    write_tar(
        tmp_path / "a.tar",
        {
            **good,
            "2.png": picture(2),
            "3.cls": b"1",
            "4.png": picture(4),
            "4.cls": b"17",
            "5.png": picture(5),
            "5.json": b"{",
            "6.png": picture(6),
            "6.txt": b"\xff",
        },
    )
    (tmp_path / "b.tar").write_bytes(b"no tar" * 200)
    with tarfile.open(tmp_path / "c.tar", "w:gz"):
        pass
    write_tar(tmp_path / "d.tar", {f"{n}.{e}": d for n in range(3) for e, d in (("png", picture(n)), ("cls", b"1"))})
    write_tar(tmp_path / "e.tar", {})
    whole = (tmp_path / "d.tar").read_bytes()
    (tmp_path / "d.tar").write_bytes(whole[:2600])
    found = list_images(pond(shards=tmp_path / "?.tar"))
    assert [(i.path.name, i.name) for i in found.images] == [("a.tar", "1.png"), ("d.tar", "0.png")]
    assert found.unknown_labels == (("17", 1),)
    told = {(s.path.name, s.member): s.reason for s in found.skipped}
    assert told.pop(("a.tar", "2.png")).startswith("no label")
    assert told.pop(("a.tar", "3")) == "a label without a picture"
    assert told.pop(("a.tar", "5.png")).startswith("its label cannot be read")
    assert told.pop(("a.tar", "6.png")).startswith("its label cannot be read")
    assert told.pop(("b.tar", "")).startswith("not an uncompressed tar")
    assert told.pop(("c.tar", "")) == "a gzip archive, not an uncompressed tar"
    assert told.pop(("e.tar", "")) == "the tar is empty"
    assert all(name == "d.tar" for name, _ in told)
    assert told


def test_patterns_are_a_shells_and_webdatasets(tmp_path: Path) -> None:
    for name in ("b-001.tar", "b-000.tar", "b-010.tar"):
        write_tar(tmp_path / name, {})
    assert [p.name for p in shard_paths(tmp_path / "b-*.tar")] == ["b-000.tar", "b-001.tar", "b-010.tar"]
    assert [p.name for p in shard_paths(tmp_path / "b-{000..001}.tar")] == ["b-000.tar", "b-001.tar"]
    assert len(shard_paths(tmp_path / "{a..b}-{8..11}.tar")) == 4


def test_missing_tars_are_an_input_error_or_named(tmp_path: Path, pond: Make) -> None:
    with pytest.raises(InputError, match="no such tars"):
        list_images(pond(shards=tmp_path / "*.tar"))
    with pytest.raises(InputError, match=r"no image of any of the 3 classes; 2 cannot be used, first .*no such tar"):
        list_images(pond(shards=tmp_path / "{0..1}.tar"))


def test_a_tar_that_shrank_after_listing_says_so(tmp_path: Path, pond: Make) -> None:
    write_tar(tmp_path / "a.tar", {"1.png": picture(1), "1.cls": b"0"})
    (image,) = list_images(pond(shards=tmp_path / "a.tar")).images
    (tmp_path / "a.tar").write_bytes((tmp_path / "a.tar").read_bytes()[: image.offset + 5])
    with pytest.raises(ValueError, match="cannot be read: the file ends after 5 of"):
        open_picture(image)


def test_a_link_within_a_tar_has_the_bytes_of_its_target(tmp_path: Path, pond: Make) -> None:
    """GNU tar stores the second name of a file as a link; a link that leads nowhere is named."""
    write_tar(tmp_path / "a.tar", {"dir/1.png": picture(1), "dir/1.cls": b"Newt"})
    with tarfile.open(tmp_path / "a.tar", "a") as tar:
        links = [("2.png", tarfile.LNKTYPE, "dir/1.png"), ("dir/3.png", tarfile.SYMTYPE, "./1.png")]
        links += [("2.cls", tarfile.LNKTYPE, "dir/1.cls"), ("dir/3.cls", tarfile.SYMTYPE, "../2.cls")]
        links += [("4.png", tarfile.SYMTYPE, "4.png"), ("5.png", tarfile.LNKTYPE, "gone.png")]
        for name, kind, target in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, target
            tar.addfile(info)
    found = list_images(pond(shards=tmp_path / "a.tar"))
    assert [(i.member, i.label, read_bytes(i) == picture(1)) for i in found.images] == [
        ("dir/1.png", 0, True),
        ("2.png", 0, True),
        ("dir/3.png", 0, True),
    ]
    assert {(s.member, s.reason) for s in found.skipped} == {
        ("4.png", 'a link to "4.png", which is not a file of the tar'),
        ("5.png", 'a link to "gone.png", which is not a file of the tar'),
    }


def test_names_and_labels_that_utf_8_cannot_hold_are_shown_escaped(tmp_path: Path, pond: Make) -> None:
    members = {"1.png": picture(1), "1.cls": b"Newt", "b\udcff.png": picture(2), "b\udcff.cls": b"Newt"}
    members |= {"3.png": picture(3), "3.json": b'"\\ud800"', "4.png": picture(4), "4.cls": b"\xff\xfe"}
    write_tar(tmp_path / "a.tar", members)
    found = list_images(pond(shards=tmp_path / "a.tar"))
    assert [image.below(tmp_path) for image in found.images] == ["a.tar/1.png", "a.tar/b\\xff.png"]
    assert found.unknown_labels == (("\ufffd", 1),)
    assert [s.reason for s in found.skipped] == ["its label cannot be read: not UTF-8"]
