"""Everything that is read has a limit with its sentence: hostile files end at once, through the real command."""

import io
import json
import os
import shutil
import tarfile
from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import DOMAIN, TREE, Run
from treegen.resources import sketchbook_dir

pytestmark = pytest.mark.slow

TWO = 'name = "pond"\nclasses = ["Eel", "Newt"]\n'


@pytest.mark.parametrize("kind", ["device", "pipe", "folder"])
@pytest.mark.parametrize("name", ["tree.json", "domain.toml", "classes.txt"])
def test_only_regular_files_are_read(run: Run, tmp_path: Path, name: str, kind: str) -> None:
    """A link to /dev/zero is not read for ever, and a pipe is not waited for."""
    (tmp_path / "domain.toml").write_text('name = "pond"\nclasses_file = "classes.txt"\n', encoding="utf-8")
    (tmp_path / "classes.txt").write_text("Eel\nNewt\n", encoding="utf-8")
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    path = tmp_path / name
    path.unlink()
    if kind == "device":
        path.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(path)
    else:
        path.mkdir()
    done = run("check", path if name == "tree.json" else tmp_path / "domain.toml")
    assert done.code in (1, 2)
    assert (name if name != "classes.txt" else "classes_file") in done.out + done.err


def test_a_file_of_notes_that_is_a_pipe_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    (tmp_path / "domain.toml").write_text(f'{TWO}notes_file = "notes.json"\n', encoding="utf-8")
    os.mkfifo(tmp_path / "notes.json")
    done = run("draft", tmp_path, "--no-score", "--model", "manual", "--answer", tmp_path / "domain.toml")
    assert done.code == 2
    assert "notes.json" in done.err


def test_a_tree_of_more_than_64_mib_is_refused_before_it_is_read(run: Run, tmp_path: Path) -> None:
    with (tmp_path / "tree.json").open("wb") as file:
        file.write(b" " * 5000)  # it begins like a text, as only its beginning is looked at before
        file.truncate(2**40)
    done = run("check", tmp_path / "tree.json")
    assert (done.code, "larger than 64 MiB" in done.err) == (2, True)


@pytest.mark.parametrize(
    "text",
    [
        "a" + ".a" * 50_000 + " = 1\n",
        "[a" + ".a" * 50_000 + "]\n",
        "x = " + "{a = " * 2_500 + "1" + "}" * 2_500 + "\n",
        "x = " + "[" * 2_500 + "]" * 2_500 + "\n",
        "x = {" + "a." * 5_000 + "b = 1}\n",
    ],
)
def test_toml_that_is_nested_beyond_use_ends_at_once(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "domain.toml").write_text(TWO + text, encoding="utf-8")
    done = run("check", tmp_path / "domain.toml")
    assert (done.code, "line 3: nested deeper than 32 levels" in done.err) == (2, True)


def test_dots_and_brackets_in_texts_nest_nothing(run: Run, tmp_path: Path) -> None:
    dots = "." * 100 + "[" * 100
    text = f'{TWO}description = "{dots}"\nhints = ["""{dots}\n"{dots}"\n""", \'{dots}\'] # {dots}\n'
    (tmp_path / "domain.toml").write_text(text, encoding="utf-8")
    assert run("check", tmp_path / "domain.toml").code == 0


def test_more_classes_than_any_use_are_refused(run: Run, tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("".join(f"class {n}\n" for n in range(300_000)), encoding="utf-8")
    (tmp_path / "domain.toml").write_text('name = "pond"\nclasses_file = "classes.txt"\n', encoding="utf-8")
    done = run("check", tmp_path / "domain.toml")
    assert (done.code, "at most 50000 classes" in done.out) == (1, True)


@pytest.mark.parametrize(
    ("what", "groups", "rules"),
    [
        ("classes", {"a": {"prompt": "{}", "options": ["b"]}}, {f"c{n}": {"a": 0} for n in range(60_000)}),
        ("groups", {f"g{n}": {"prompt": "{}", "options": ["b"]} for n in range(2_001)}, {"c": {}}),
        ("options", {"a": {"prompt": "{}", "options": [str(n) for n in range(60_000)]}}, {"c": {"a": 0}}),
    ],
)
def test_a_tree_beyond_every_use_is_refused_with_its_counts(
    run: Run, tmp_path: Path, what: str, groups: dict[str, object], rules: dict[str, object]
) -> None:
    document = {"domain": "pond", "classification_groups": groups, "rules": rules}
    (tmp_path / "tree.json").write_text(json.dumps(document), encoding="utf-8")
    done = run("check", tmp_path / "tree.json")
    assert done.code == 1
    assert f" {what}; at most " in done.out
    assert "TG108" in done.out


def picture() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (4, 4)).save(file, "PNG")
    return file.getvalue()


def shards(folder: Path, pattern: str = "*.tar") -> None:
    (folder / "domain.toml").write_text(f'{TWO}[images]\nshards = "{pattern}"\n', encoding="utf-8")


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))


def octal(number: int) -> bytes:
    """A number of a header, in octal or in base 256."""
    return b"%011o\0" % number if number < 8**11 else b"\x80" + number.to_bytes(11, "big")


def sparse_header(name: str, size: int) -> bytes:
    """An old GNU sparse file of one byte at the end of a hole."""
    header = bytearray(tarfile.TarInfo(name).tobuf(tarfile.GNU_FORMAT))
    header[156:157] = tarfile.GNUTYPE_SPARSE
    header[124:136] = b"00000001000\0"
    header[386:398], header[398:410] = octal(size - 512), octal(512)
    header[483:495] = octal(size)
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    return bytes(header) + b"\0" * 512


def test_a_member_that_claims_an_absurd_size_is_left_out_and_the_others_are_read(run: Run, tmp_path: Path) -> None:
    shards(tmp_path)
    with tarfile.open(tmp_path / "good.tar", "w") as tar:
        for name in ("Eel", "Newt"):
            add(tar, f"{name}.png", picture())
            add(tar, f"{name}.cls", name.encode())
    with tarfile.open(tmp_path / "huge.tar", "w") as tar:
        add(tar, "a.png", picture())
        add(tar, "a.cls", b"Eel")
        member = tarfile.TarInfo("b.png")
        member.size = 2**62
        assert tar.fileobj is not None
        tar.fileobj.write(member.tobuf(tarfile.GNU_FORMAT))
    (tmp_path / "sparse.tar").write_bytes(sparse_header("c.cls", 8 * 2**30) + b"\0" * 10_240)
    done = run("check", tmp_path / "domain.toml")
    assert done.code == 0, done.err
    assert "checked 3 of " in done.out


@pytest.mark.parametrize("pattern", ["{0..99999999999}.tar", "{0..9999}-{0..9999}.tar"])
def test_a_range_of_shards_without_end_is_refused(run: Run, tmp_path: Path, pattern: str) -> None:
    shards(tmp_path, pattern)
    done = run("check", tmp_path / "domain.toml")
    assert done.code in (1, 2)
    assert "more than 100000 tars" in done.out + done.err


def test_a_picture_of_gigabytes_is_left_out_by_its_size(run: Run, tmp_path: Path) -> None:
    """It is not read to be hashed; a file that holds nothing but a hole takes no disk either."""
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "good.png").write_bytes(picture())
    with (tmp_path / "set" / "huge.png").open("wb") as file:
        file.truncate(6 * 2**30)
    done = run("embed", tmp_path / "set", "--cache", tmp_path / "cache.sqlite")
    assert done.code == 0, done.err
    assert "1 embedded" in done.out
    assert "larger than 512 MiB" in done.out


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% set x = namespace(v='xxxxxxxxxxxxxxxx') %}{% for a in range(60) %}{% set x.v = x.v ~ x.v %}{% endfor %}",
        "{{ 'x' | center(10 ** 10) }}",
        "{{ 'x' * 5 * 10 ** 6 }}",
    ],
)
def test_a_template_that_does_not_end_or_fills_the_memory_is_ended(run: Run, tmp_path: Path, template: str) -> None:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (tmp_path / "answer.txt").write_text(TREE, encoding="utf-8")
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "draft.jinja").write_text(template, encoding="utf-8")
    done = run("draft", tmp_path, "--no-score", "--model", "manual", "--answer", tmp_path / "answer.txt")
    assert done.code == 2
    assert str(tmp_path / "prompts") in done.err


@pytest.mark.parametrize(
    "wrong",
    [{"size": "big"}, {"size": [8, 8, 8]}, {"mean": [0.5]}, {"mean": "x"}, {"std": [0, 0, 0]}],
)
def test_a_wrong_preprocessing_is_an_error_of_the_encoder(run: Run, tree_file: Path, wrong: dict[str, object]) -> None:
    from treegen.resources import sketchbook_dir

    model = tree_file.parent / "model"
    model.mkdir()
    for path in (sketchbook_dir() / "clip").iterdir():
        (model / path.name).write_bytes(path.read_bytes())
    config = json.loads((model / "open_clip_config.json").read_text(encoding="utf-8"))
    config["preprocess_cfg"] = {**config.get("preprocess_cfg", {}), **wrong}
    (model / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    done = run("score", tree_file, "--encoder", f"local-dir:{model}")
    assert done.code == 3, done.err
    assert str(model) in done.err


@pytest.mark.parametrize("kind", ["device", "pipe", "folder", "broken link"])
def test_a_domain_beside_a_tree_that_cannot_be_read_is_reported(run: Run, tmp_path: Path, kind: str) -> None:
    """It is there, so the tree is not checked as if it were not."""
    (tmp_path / "tree.json").write_text(TREE, encoding="utf-8")
    path = tmp_path / "domain.toml"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "folder":
        path.mkdir()
    else:
        path.symlink_to("/dev/zero" if kind == "device" else "nowhere")
    for words in (("check",), ("export", "--to", "csv"), ("score", "--dev")):
        done = run(*words, tmp_path / "tree.json")
        assert (done.code, "domain.toml" in done.err) == (2, True), done
    for folder in (("check", tmp_path), ("draft", tmp_path, "--model", "manual")):
        done = run(*folder)
        assert (done.code, "domain.toml" in done.err) == (2, True), done


@pytest.mark.parametrize("name", ["feedback.txt", ".laid-out.json", "images/Grelm/0001.png"])
def test_the_demo_does_not_wait_for_a_pipe_among_its_files(run: Run, tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(tmp_path / name)
    done = run("demo", tmp_path)
    assert (done.code, f"{tmp_path / name}: not a regular file" in done.err) == (2, True), done


def test_a_recording_or_a_leftover_that_is_a_pipe_is_not_waited_for(run: Run, tmp_path: Path) -> None:
    (tmp_path / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (tmp_path / "answer.txt").write_text(TREE, encoding="utf-8")
    os.mkfifo(tmp_path / ".tree.json.0123456789ab.tmp")
    os.mkfifo(tmp_path / "calls.jsonl")
    words = ("draft", tmp_path, "--no-score", "--model", "manual", "--answer", tmp_path / "answer.txt")
    done = run(*words, "--record", tmp_path / "calls.jsonl")
    assert (done.code, "calls.jsonl: cannot be written: not a regular file" in done.err) == (2, True), done
    assert run(*words).code == 0
    assert (tmp_path / "tree.json").is_file()


def test_a_tar_that_is_a_pipe_is_left_out_and_counted(run: Run, tree_file: Path) -> None:
    domain = tree_file.parent / "domain.toml"
    text = domain.read_text(encoding="utf-8").replace('folder = "images"', 'shards = "images.tar"')
    domain.write_text(text, encoding="utf-8")
    os.mkfifo(tree_file.parent / "images.tar")
    done = run("score", tree_file, "--dev")
    assert done.code == 2, done
    assert "images.tar" in done.out + done.err


def test_a_picture_that_is_a_pipe_is_left_out_and_named(run: Run, tree_file: Path) -> None:
    os.mkfifo(tree_file.parent / "images" / "Grelm" / "pipe.png")
    note = "1 entry of the set is not used: pipe.png: not a regular file"
    assert note in run("check", tree_file.parent).err
    embedded = json.loads(run("embed", tree_file.parent, "--json").out)
    assert (embedded["skipped"], embedded["first_skipped"][0]["reason"]) == (1, "not a regular file")


@pytest.mark.parametrize("name", ["open_clip_model.safetensors", "tokenizer.json"])
def test_a_model_folder_with_a_pipe_is_an_error_of_the_encoder(
    run: Run, tree_file: Path, tmp_path: Path, name: str
) -> None:
    model = tmp_path / "model"
    shutil.copytree(sketchbook_dir() / "clip", model)
    (model / name).unlink(missing_ok=True)
    os.mkfifo(model / name)
    done = run("score", tree_file, "--dev", "--encoder", f"local-dir:{model}")
    assert (done.code, f"{name}: not a regular file" in done.err) == (3, True), done
