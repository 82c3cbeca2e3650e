"""What a folder of unknown origin may not do before its user has agreed, through the real commands."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from textwrap import dedent

import pytest
from PIL import Image

from tests.cli.recording_server import RecordingServer, recording
from tests.conftest import DOMAIN, TREE, Run
from treegen.clip.encoders.consent import vetted
from treegen.config.settings import EncoderSettings
from treegen.config.trust import Request, Trust, TrustError, record, recorded, state_folder

KEY = "sk-planted-0123456789abcdef"


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is trusted yet."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordingServer]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with recording() as running:
        yield running


def cloned(tmp_path: Path, text: str) -> Path:
    """A folder that somebody else wrote."""
    folder = tmp_path / "cloned"
    folder.mkdir(exist_ok=True)
    (folder / "domain.toml").write_text(DOMAIN + dedent(text), encoding="utf-8")
    return folder


def pictures(folder: Path) -> Path:
    (folder / "Abrosk").mkdir(parents=True)
    (folder / "Wendle").mkdir()
    for name in ("Abrosk", "Wendle"):
        for number in range(3):
            Image.new("RGB", (8, 8), (number * 50, len(name) * 20, 0)).save(folder / name / f"{number}.png")
    return folder


@pytest.mark.litellm
def test_no_key_goes_to_the_address_of_a_file_before_it_is_trusted(
    run: Run, tmp_path: Path, server: RecordingServer
) -> None:
    """Nothing at all is sent; the message names the address and the way out; afterwards it is asked."""
    folder = cloned(tmp_path, f'[llm]\nmodel = "openai/gpt-4o-mini"\napi_base = "{server.address}"\nretries = 0\n')
    refused = run("draft", folder, "--no-score")
    assert refused.code == 2
    assert server.address in refused.err
    assert f"treegen trust {folder}" in refused.err
    assert server.requests == []
    shown = run("trust", folder, "--yes")
    assert (shown.code, server.address in shown.out) == (0, True)
    asked = run("draft", folder, "--no-score")
    assert f"asking openai/gpt-4o-mini at {server.address}: " in asked.err
    assert any(KEY in json.dumps(request.headers) for request in server.requests)


@pytest.mark.litellm
def test_an_address_that_the_user_names_needs_no_yes(run: Run, tmp_path: Path, server: RecordingServer) -> None:
    folder = cloned(tmp_path, '[llm]\nmodel = "openai/gpt-4o-mini"\napi_base = "http://example.org"\nretries = 0\n')
    asked = run("draft", folder, "--no-score", "--api-base", server.address)
    assert f"asking openai/gpt-4o-mini at {server.address}: " in asked.err
    assert server.requests


def test_another_address_has_to_be_trusted_again(run: Run, tmp_path: Path) -> None:
    folder = cloned(tmp_path, '[llm]\napi_base = "https://one.example.org/v1"\n')
    assert run("trust", folder, "--yes").code == 0
    assert "allowed already" in run("trust", folder, "--list").out
    cloned(tmp_path, '[llm]\napi_base = "https://two.example.org/v1"\n')
    listed = run("trust", folder, "--list").out
    assert "two.example.org" in listed
    assert "allowed already" not in listed
    assert run("trust", folder, "--forget").code == 0
    assert recorded(folder) == {}


def test_no_password_of_an_address_is_recorded(run: Run, tmp_path: Path) -> None:
    folder = cloned(tmp_path, '[llm]\napi_base = "https://ada:planted@example.org/v1?key=planted"\n')
    assert "planted" not in run("trust", folder, "--yes").out
    assert "allowed already" in run("trust", folder, "--list").out
    assert not any("planted" in path.read_text(encoding="utf-8") for path in state_folder().rglob("*.json"))


def test_without_a_terminal_nothing_is_allowed_by_chance(run: Run, tmp_path: Path) -> None:
    folder = cloned(tmp_path, '[llm]\napi_base = "https://one.example.org/v1"\n')
    done = run("trust", folder)
    assert (done.code, "--yes" in done.err, recorded(folder)) == (2, True, {})


def test_a_copy_of_a_trusted_folder_is_not_trusted(run: Run, tmp_path: Path) -> None:
    folder = cloned(tmp_path, '[llm]\napi_base = "https://one.example.org/v1"\n')
    run("trust", folder, "--yes")
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    assert (len(recorded(folder)), recorded(copy)) == (1, {})
    record_of_copy = next((state_folder() / "trust").iterdir())
    assert record_of_copy.stat().st_mode & 0o777 in (0o600, 0o644)


def test_a_class_list_elsewhere_is_not_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "private.txt").write_text("secret one\nsecret two\n", encoding="utf-8")
    folder = tmp_path / "cloned"
    folder.mkdir()
    (folder / "domain.toml").write_text('name = "pond"\nclasses_file = "../private.txt"\n', encoding="utf-8")
    done = run("check", folder / "domain.toml")
    assert (done.code, "secret" in done.out + done.err) == (2, False)
    assert "private.txt" in done.err
    run("trust", folder, "--yes")
    assert run("check", folder / "domain.toml").code == 0


def test_a_class_list_that_is_a_link_is_not_read(run: Run, tmp_path: Path) -> None:
    (tmp_path / "private.txt").write_text("secret one\nsecret two\n", encoding="utf-8")
    folder = tmp_path / "cloned"
    folder.mkdir()
    (folder / "classes.txt").symlink_to(tmp_path / "private.txt")
    (folder / "domain.toml").write_text('name = "pond"\nclasses_file = "classes.txt"\n', encoding="utf-8")
    done = run("check", folder / "domain.toml")
    assert (done.code, "secret" in done.out + done.err) == (2, False)


@pytest.mark.slow
def test_a_template_that_is_a_link_is_not_sent(run: Run, tmp_path: Path) -> None:
    (tmp_path / "answer.txt").write_text(TREE, encoding="utf-8")
    (tmp_path / "private.txt").write_text("my secret", encoding="utf-8")
    folder = cloned(tmp_path, "")
    (folder / "prompts").mkdir()
    (folder / "prompts" / "draft.jinja").symlink_to(tmp_path / "private.txt")
    manual = ("--model", "manual", "--answer", tmp_path / "answer.txt", "--messages", tmp_path / "m")
    arguments = ("draft", folder, "--no-score", *manual)
    done = run(*arguments)
    assert (done.code, "private.txt" in done.err, (tmp_path / "m").exists()) == (2, True, False)
    assert "prompts/draft.jinja" in run("trust", folder, "--yes").out
    run(*arguments)
    assert "my secret" in (tmp_path / "m").read_text(encoding="utf-8")


@pytest.mark.slow
def test_check_of_a_folder_whose_images_are_elsewhere_warns_and_score_says_what_to_do(run: Run, tmp_path: Path) -> None:
    outside = pictures(tmp_path / "outside")
    folder = cloned(tmp_path, '[images]\nfolder = "../outside"\n')
    (folder / "tree.json").write_text(TREE, encoding="utf-8")
    checked = run("check", folder)
    assert (checked.code, "TG411" in checked.out) == (0, True)
    scored = run("score", folder / "tree.json")
    assert scored.code == 2
    assert str(outside) in scored.err
    assert f"treegen trust {folder}" in scored.err


@pytest.mark.parametrize("command", ["report", "compare", "ask", "optimize", "classify"])
def test_no_other_command_reads_images_elsewhere(run: Run, tmp_path: Path, command: str) -> None:
    outside = pictures(tmp_path / "outside")
    folder = cloned(tmp_path, '[images]\nfolder = "../outside"\n')
    (folder / "tree.json").write_text(TREE, encoding="utf-8")
    more = {"report": ("-o", tmp_path / "page.html"), "compare": (folder,), "classify": (outside, "--sets", "0.9")}
    done = run(command, folder, *more.get(command, ()))
    assert (done.code, done.out) == (2, "")
    assert f"not trusted to read {outside}" in done.err
    assert f"treegen trust {folder}" in done.err


def test_pictures_that_are_links_out_of_the_folder_are_left_out_and_counted(run: Run, tmp_path: Path) -> None:
    outside = pictures(tmp_path / "outside")
    folder = cloned(tmp_path, '[images]\nfolder = "images"\n')
    inside = pictures(folder / "images")
    (inside / "Abrosk" / "link.png").symlink_to(outside / "Abrosk" / "0.png")
    (inside / "Quillip").symlink_to(outside / "Wendle")
    out = run("check", folder / "domain.toml").out
    assert "checked 6 of 10 picture files" in out
    assert "4 outside of the domain's folder (treegen trust)" in out
    trusted = run("trust", folder, "--yes").out
    assert str(outside / "Abrosk") in trusted
    assert str(outside / "Wendle") in trusted
    assert "checked 10 of 10 picture files" in run("check", folder / "domain.toml").out


def test_rows_of_a_manifest_that_lead_out_of_the_folder_are_left_out(run: Run, tmp_path: Path) -> None:
    outside = pictures(tmp_path / "outside")
    folder = cloned(tmp_path, '[images]\nmanifest = "list.csv"\n')
    pictures(folder / "own")
    rows = ["own/Abrosk/0.png,Abrosk", "../outside/Abrosk/1.png,Abrosk", f"{outside}/Wendle/1.png,Wendle"]
    (folder / "list.csv").write_text("path,label\n" + "\n".join(rows) + "\n", encoding="utf-8")
    assert "2 outside of the domain's folder" in run("check", folder / "domain.toml").out
    run("trust", folder, "--yes")
    assert "outside of the domain's folder" not in run("check", folder / "domain.toml").out


def test_what_init_is_given_is_the_users_own_word(run: Run, tmp_path: Path) -> None:
    """Images and class list elsewhere are scored and read without another question."""
    pictures(tmp_path / "outside")
    (tmp_path / "names.txt").write_text("Abrosk\nWendle\n", encoding="utf-8")
    options = ("--images", tmp_path / "outside", "--classes", tmp_path / "names.txt")
    assert run("init", tmp_path / "pond", *options).code == 0
    done = run("check", tmp_path / "pond" / "domain.toml")
    assert (done.code, "checked 6 of 6 picture files" in done.out) == (0, True)


def test_a_models_own_code_is_trusted_for_one_model_and_its_content(run: Run, tmp_path: Path) -> None:
    folder = cloned(tmp_path, '[encoder]\nname = "hf:model"\ntrust_remote_code = true\n')
    (folder / "model").mkdir()
    (folder / "model" / "config.json").write_text("{}", encoding="utf-8")
    (folder / "model" / "code.py").write_text("x = 1\n", encoding="utf-8")
    (folder / "tree.json").write_text(TREE, encoding="utf-8")
    refused = run("check", folder / "tree.json", "--encoder", "hf:model")
    settings = EncoderSettings(
        name="hf:model", trust_remote_code=True, from_file=frozenset({"name", "trust_remote_code"})
    )
    with pytest.raises(TrustError, match="run the Python code"):
        vetted(settings, folder)
    assert refused.code in (2, 3)
    assert 'run the Python code of "hf:model" at revision' in run("trust", folder, "--yes").out
    vetted(settings, folder)
    (folder / "model" / "code.py").write_text("x = 2\n", encoding="utf-8")
    with pytest.raises(TrustError, match="changed since"):
        vetted(settings, folder)


def test_the_consent_to_code_is_not_for_what_the_command_line_names(tmp_path: Path) -> None:
    from treegen.config.domain import load_domain
    from treegen.config.overrides import settings_with

    folder = cloned(tmp_path, '[encoder]\nname = "hf:a/model"\ntrust_remote_code = true\n')
    domain = load_domain(folder)
    assert settings_with(domain).trust_remote_code
    assert not settings_with(domain, encoder="hf:stranger/model").trust_remote_code
    assert settings_with(domain, encoder="hf:stranger/model", trust_remote_code=True).trust_remote_code


def test_the_trusted_revision_is_the_one_that_is_loaded(tmp_path: Path) -> None:
    folder = cloned(tmp_path, '[encoder]\nname = "hf:a/model"\ntrust_remote_code = true\n')
    record(folder, [Request(kind="code", value="hf:a/model", content="c" * 40)])
    settings = EncoderSettings(
        name="hf:a/model", trust_remote_code=True, from_file=frozenset({"name", "trust_remote_code"})
    )
    assert vetted(settings, folder).revision == "c" * 40


def test_an_env_file_of_a_folder_sets_nothing_before_it_is_trusted(run: Run, tmp_path: Path) -> None:
    """It could lead the reader's own key elsewhere by OPENAI_API_BASE."""
    folder = cloned(tmp_path, '[llm]\nmodel = "openai/gpt-4o-mini"\nenv_file = ".env"\n')
    (folder / ".env").write_text("OPENAI_API_BASE=http://127.0.0.1:9/v1\n", encoding="utf-8")
    done = run("draft", folder, "--no-score")
    assert (done.code, "set variables of the environment" in done.err) == (2, True)
    assert "OPENAI_API_BASE" not in os.environ


def test_an_address_in_the_name_of_a_model_is_an_address_too(run: Run, tmp_path: Path) -> None:
    """Some providers take it for the model, and send their key there."""
    name = "huggingface/https://evil.example.org/v1"
    folder = cloned(tmp_path, f'[llm]\nmodel = "{name}"\n[encoder]\nname = "{name}"\n')
    done = run("draft", folder, "--no-score")
    assert (done.code, "https://evil.example.org/v1" in done.err) == (2, True)
    with pytest.raises(TrustError, match=r"evil\.example\.org"):
        vetted(EncoderSettings(name=name, from_file=frozenset({"name"})), folder)
    assert run("trust", folder, "--yes").code == 0
    vetted(EncoderSettings(name=name, from_file=frozenset({"name"})), folder)


def test_a_key_is_not_sent_in_the_open_even_when_trusted(tmp_path: Path) -> None:
    settings = EncoderSettings(name="jina_ai/x", api_base="http://example.org/v1", from_file=frozenset({"api_base"}))
    with pytest.raises(TrustError):
        vetted(settings, tmp_path)
    record(tmp_path, [Request(kind="address", value="http://example.org/v1")])
    assert vetted(settings, tmp_path).keyless


def test_folders_below_the_variable_are_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request = Request(kind="address", value="https://example.org")
    assert not Trust(tmp_path / "a").allows(request)
    monkeypatch.setenv("TREEGEN_TRUST", f"/elsewhere:{tmp_path}")
    assert Trust(tmp_path / "a").allows(request)


def test_demo_asks_no_model_that_an_edited_sketchbook_names(run: Run, tmp_path: Path, drawn: Path) -> None:
    folder = Path(shutil.copytree(drawn, tmp_path / "demo"))
    text = (folder / "domain.toml").read_text(encoding="utf-8")
    (folder / "domain.toml").write_text(text.replace("replay/conversation.jsonl", "openai/o1-pro"), encoding="utf-8")
    done = run("demo", folder)
    assert (done.code, "openai/o1-pro" in done.err, (folder / "tree.json").exists()) == (2, True, False)


def test_demo_refuses_a_domain_of_ones_own(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "domain.toml").write_text('name = "pond"\nclasses = ["Eel", "Newt"]\n', encoding="utf-8")
    (folder / "tree.json").write_text("{}", encoding="utf-8")
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    done = run("demo", folder)
    assert (done.code, "a domain of your own" in done.err) == (2, True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


@pytest.mark.parametrize("name", ["domain.toml", "tree.json"])
def test_a_domain_or_tree_that_is_a_link_out_of_the_folder_needs_a_yes(run: Run, tmp_path: Path, name: str) -> None:
    """It would be read there, and written there by `draft --force`."""
    folder = cloned(tmp_path, "")
    (folder / "tree.json").write_text(TREE, encoding="utf-8")
    (tmp_path / "outside").mkdir()
    (folder / name).rename(tmp_path / "outside" / name)
    (folder / name).symlink_to(tmp_path / "outside" / name)
    before = (tmp_path / "outside" / name).read_bytes()
    answer = tmp_path / "answer.txt"
    answer.write_text(TREE, encoding="utf-8")
    draft = ("draft", folder, "--no-score", "--force", "--model", "manual", "--answer", answer)
    for words in (("check", folder), ("show", folder), draft):
        if (name, words[0]) == ("domain.toml", "show"):
            continue  # which reads no domain
        done = run(*words)
        assert (done.code, f"{name} is a link" in done.err, "treegen trust" in done.err) == (2, True, True), done
    assert (tmp_path / "outside" / name).read_bytes() == before
    assert f"{name} is a link" in run("trust", folder, "--yes").out
    assert run("check", folder).code == 0


def test_a_link_within_the_folder_needs_no_yes(run: Run, tmp_path: Path) -> None:
    folder = cloned(tmp_path, "")
    (folder / "of-2026.json").write_text(TREE, encoding="utf-8")
    (folder / "tree.json").symlink_to("of-2026.json")
    assert run("check", folder).code == 0
    assert "asks for nothing" in run("trust", folder).out


def test_nothing_is_written_where_a_broken_link_leads_out_of_the_folder(run: Run, tmp_path: Path) -> None:
    """A shell would run the names of classes in a new ~/.bash_profile."""
    folder = cloned(tmp_path, "")
    (folder / "tree.json").symlink_to(tmp_path / "profile")
    (folder / "page.html").symlink_to(tmp_path / "profile")
    (tmp_path / "answer.txt").write_text(TREE, encoding="utf-8")
    manual = ("--no-score", "--model", "manual", "--answer", tmp_path / "answer.txt")
    done = run("draft", folder, *manual)
    assert (done.code, "a broken link out of its folder" in done.err) == (2, True), done
    done = run("draft", folder, "-o", folder / "page.html", *manual)
    assert done.code == 2
    assert not (tmp_path / "profile").exists()


@pytest.mark.parametrize("target", ["file", "folder"])
def test_a_link_in_a_models_folder_needs_a_yes(run: Run, tmp_path: Path, target: str) -> None:
    folder = cloned(tmp_path, '[encoder]\nname = "local-dir:model"\n')
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "weights").write_bytes(b"mine")
    (folder / "model" / "inner").mkdir(parents=True)
    leads = tmp_path / "outside" / ("weights" if target == "file" else "")
    (folder / "model" / "inner" / "model.safetensors").symlink_to(leads)
    settings = EncoderSettings(name="local-dir:model", from_file=frozenset({"name"}))
    with pytest.raises(TrustError, match="outside"):
        vetted(settings, folder)
    assert "a link in it" in run("trust", folder, "--yes").out
    assert vetted(settings, folder).name == "local-dir:model"
