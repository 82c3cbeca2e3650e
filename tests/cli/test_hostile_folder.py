"""Folders that unknown_labels wrote: no command of theirs runs, and nothing outside is written."""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, ROOT, TREE, Git, Run
from treegen.files import ChangedFileError, state_of, write_atomically
from treegen.resources import sketchbook_dir

pytestmark = pytest.mark.slow


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "ran"


def test_a_repository_among_the_files_runs_nothing(git: Git, run: Run, marker: Path) -> None:
    """What a bare repository needs is committed as plain files; its configuration names programs."""
    inner = git.folder / "birds"
    inner.mkdir()
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull}
    subprocess.run(["git", "init", "-q", "--bare", inner], check=True, env=environment)
    config = (
        f'[core]\n\trepositoryformatversion = 0\n\tbare = false\n\tworktree = .\n\tfsmonitor = "touch {marker};false"\n'
    )
    (inner / "config").write_text(config, encoding="utf-8")
    (inner / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (inner / "tree.json").write_text(TREE, encoding="utf-8")
    for words in (
        ("doctor", inner),
        ("check", inner, "--against", "HEAD"),
        ("show", f"HEAD:{inner / 'tree.json'}"),
        ("diff", f"HEAD:{inner / 'tree.json'}", inner / "tree.json"),
    ):
        run(*words)
    assert not marker.exists()
    subprocess.run(["git", "status"], cwd=inner, env=environment, capture_output=True, check=False)
    assert marker.exists(), "git itself runs it: the folder is as hostile as it should be"


@pytest.mark.parametrize("name", ["near-duplicates.json", "store.sqlite", ".gitignore", ""])
def test_a_link_where_treegen_keeps_its_history_is_refused(
    run: Run, tree_file: Path, tmp_path: Path, name: str
) -> None:
    """Writing to it would write to any file of the user."""
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").write_text("mine", encoding="utf-8")
    state = tree_file.parent / ".treegen"
    if state.exists():
        shutil.rmtree(state)
    if name:
        state.mkdir()
        (state / name).symlink_to(outside / "file")
    else:
        state.symlink_to(outside)
    done = run("score", tree_file, "--dev")
    assert (done.code, "a link" in done.err) == (2, True), done
    assert [(path.name, path.read_text()) for path in outside.iterdir()] == [("file", "mine")]


def bring_a_tokenizer(model: Path, marker: Path) -> None:
    """Put a tokenizer of transformers into a model's folder whose code makes a file."""
    tokenizer = {"tokenizer_class": "T", "auto_map": {"AutoTokenizer": ["evil.T", "evil.T"]}}
    (model / "tokenizer_config.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    (model / "vocab.txt").write_text("[UNK]\n[CLS]\n[SEP]\n[PAD]\na\n", encoding="utf-8")
    code = f"from pathlib import Path\nPath({str(marker)!r}).touch()\nclass T: pass\n"
    (model / "evil.py").write_text(code, encoding="utf-8")


@pytest.mark.parametrize("asks", [{"trust_remote_code": True}, {}], ids=["asked for", "not asked for"])
def test_a_tokenizer_with_code_of_its_own_is_refused(
    run: Run, tree_file: Path, tmp_path: Path, marker: Path, asks: dict[str, bool]
) -> None:
    """open_clip's configuration file may name a tokenizer of transformers, whose folder may bring Python code."""
    model = tmp_path / "model"
    shutil.copytree(sketchbook_dir() / "clip", model)
    config = json.loads((model / "open_clip_config.json").read_text(encoding="utf-8"))
    config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "x/y", "tokenizer_kwargs": asks}
    (model / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    bring_a_tokenizer(model, marker)
    done = run("score", tree_file, "--dev", "--encoder", f"local-dir:{model}")
    assert done.code == 3, done
    assert not marker.exists()


@pytest.mark.parametrize("form", ["hf-hub", "hf-hub that asks for it", "hf-hub with a text tower", "hf"])
def test_a_model_of_the_hub_runs_no_code_of_its_own(tree_file: Path, tmp_path: Path, marker: Path, form: str) -> None:
    """As the hub's cache holds it: the code of its tokenizer, of its text tower, and of a model of transformers."""
    snapshot = tmp_path / "hub" / "models--x--y" / "snapshots" / ("0123456789" * 4)
    shutil.copytree(sketchbook_dir() / "clip", snapshot)
    (tmp_path / "hub" / "models--x--y" / "refs").mkdir()
    (tmp_path / "hub" / "models--x--y" / "refs" / "main").write_text(snapshot.name, encoding="utf-8")
    bring_a_tokenizer(snapshot, marker)
    config = json.loads((snapshot / "open_clip_config.json").read_text(encoding="utf-8"))
    config["model_cfg"]["text_cfg"] |= {"hf_tokenizer_name": "x/y"}
    if form == "hf-hub that asks for it":
        config["model_cfg"]["text_cfg"] |= {"tokenizer_kwargs": {"trust_remote_code": True}}
    if form == "hf-hub with a text tower":
        config["model_cfg"]["text_cfg"] |= {"hf_model_name": "x/y", "hf_pooler_type": "mean_pooler"}
    (snapshot / "open_clip_config.json").write_text(json.dumps(config), encoding="utf-8")
    mapped = {"AutoConfig": "evil.T", "AutoModel": "evil.T", "AutoProcessor": "evil.T", "AutoImageProcessor": "evil.T"}
    settings = {"model_type": "strange", "auto_map": mapped, "architectures": ["T"]}
    for name in ("config.json", "preprocessor_config.json", "processor_config.json"):
        (snapshot / name).write_text(json.dumps(settings), encoding="utf-8")
    environment = {**os.environ, "HF_HUB_CACHE": str(tmp_path / "hub"), "HF_HUB_OFFLINE": "1"}
    environment |= {"HF_MODULES_CACHE": str(tmp_path / "modules"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "treegen", "score", str(tree_file), "--dev", "--encoder", f"{form.split()[0]}:x/y"]
    done = subprocess.run(command, env=environment, input="y\n" * 9, capture_output=True, text=True, check=False)
    assert done.returncode == 3, done
    assert form != "hf-hub that asks for it" or "Python code of its own, which is not run" in done.stderr
    assert not marker.exists()


@pytest.mark.parametrize("name", ["feedback.txt", ".laid-out.json", "images", "images/Grelm", "images/Grelm/0001.png"])
def test_the_demo_writes_over_no_link(run: Run, tmp_path: Path, name: str) -> None:
    """The list of what an earlier demo has copied is the folder's own, and so may say that a file is an old copy."""
    folder, outside = tmp_path / "demo", tmp_path / "outside"
    (folder / name).parent.mkdir(parents=True)
    outside.write_text("mine", encoding="utf-8")
    digest = hashlib.sha256(b"mine").hexdigest()
    (folder / ".laid-out.json").write_text(json.dumps({"files": {"feedback.txt": digest}}), encoding="utf-8")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(outside)
    done = run("demo", folder)
    assert (done.code, f"{folder / name}: a link" in done.err) == (2, True), done
    assert outside.read_text(encoding="utf-8") == "mine"


def test_a_recording_is_not_begun_where_a_broken_link_leads(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    folder.mkdir()
    (folder / "domain.toml").write_text(DOMAIN, encoding="utf-8")
    (folder / "answer.txt").write_text(TREE, encoding="utf-8")
    (folder / "calls.jsonl").symlink_to(tmp_path / "profile")
    words = ("draft", folder, "--no-score", "--model", "manual", "--answer", folder / "answer.txt")
    done = run(*words, "--record", folder / "calls.jsonl")
    assert (done.code, "a broken link out of its folder" in done.err) == (2, True), done
    assert not (tmp_path / "profile").exists()


@pytest.mark.parametrize("name", [".gitattributes", ".pre-commit-config.yaml"])
def test_git_setup_writes_over_no_link(git: Git, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.write_text("repos:\n", encoding="utf-8")
    (git.folder / name).symlink_to(outside)
    for option in ("--pre-commit", "--undo"):
        done = git.run("git-setup", option, program="treegen")
        assert (done.returncode, f"{name}: a link" in done.stderr) == (2, True), done
    assert outside.read_text(encoding="utf-8") == "repos:\n"


def test_a_working_tree_elsewhere_gets_no_files(git: Git, tmp_path: Path) -> None:
    """A repository's configuration, which an archive may bring along, names the folder of its working tree."""
    (git.folder / "tree.json").write_text(TREE, encoding="utf-8")
    for other in (tmp_path / "home", git.folder.parent):
        other.mkdir(exist_ok=True)
        git("config", "core.worktree", str(other))
        done = git.run("git-setup", program="treegen")
        assert (done.returncode, "core.worktree" in done.stderr) == (2, True), done
        assert not (other / ".gitattributes").exists()
        done = git.run("check", "tree.json", "--against", "HEAD", program="treegen")
        assert done.returncode == 2, done


def test_a_result_is_kept_beside_a_link_and_not_beside_its_target(tmp_path: Path) -> None:
    folder, outside = tmp_path / "birds", tmp_path / "outside"
    folder.mkdir()
    outside.mkdir()
    (outside / "other.json").write_text("theirs", encoding="utf-8")
    (folder / "tree.json").symlink_to(outside / "other.json")
    with pytest.raises(ChangedFileError, match=re.escape(str(folder / "tree.result.json"))):
        write_atomically(folder / "tree.json", "mine", before="as it was")
    assert [path.name for path in outside.iterdir()] == ["other.json"]
    assert (folder / "tree.result.json").read_text(encoding="utf-8") == "mine"


@pytest.mark.ray
def test_workers_of_ray_import_nothing_of_the_current_folder(drawn: Path, tmp_path: Path, marker: Path) -> None:
    """Ray would put the folder in which it is started before all others."""
    folder = tmp_path / "birds"
    shutil.copytree(drawn, folder)
    for name in ("numpy", "pandas", "pyarrow", "pydantic", "torch", "treegen", "sitecustomize"):
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text(f"open({str(marker)!r}, 'w')", encoding="utf-8")
    program = Path(sysconfig.get_path("scripts")) / "treegen"
    command = [str(program), "embed", "images", "--cache", "new.sqlite", "--engine", "ray", "--workers", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert not marker.exists()
    assert done.returncode == 0, done
    assert "104 embedded" in done.stdout, done


def test_a_link_that_comes_between_reading_and_writing_is_not_followed(tmp_path: Path) -> None:
    """Also where it leads to a file with the same content."""
    folder, outside = tmp_path / "birds", tmp_path / "outside.json"
    folder.mkdir()
    for path in (folder / "tree.json", outside):
        path.write_text("as it was", encoding="utf-8")
    before = state_of(folder / "tree.json")
    (folder / "tree.json").unlink()
    (folder / "tree.json").symlink_to(outside)
    with pytest.raises(ChangedFileError):
        write_atomically(folder / "tree.json", "mine", before=before)
    assert outside.read_text(encoding="utf-8") == "as it was"
    assert (folder / "tree.result.json").read_text(encoding="utf-8") == "mine"
