"""Folders that unknown_labels wrote: no command of theirs runs, and nothing outside is written."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import DOMAIN, ROOT, TREE, Git, Run
from treegen.resources import sketchbook_dir


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


@pytest.mark.slow
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


@pytest.mark.slow
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
