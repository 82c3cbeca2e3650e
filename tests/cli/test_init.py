"""`treegen init`: a domain.toml that is valid as it stands."""

from pathlib import Path

from tests.conftest import Run


def test_init_from_a_class_list_writes_a_valid_commented_domain(run: Run, tmp_path: Path) -> None:
    """The file is valid as it stands and explains itself."""
    (tmp_path / "classes.txt").write_text("# birds\nwren\n\nrobin\n", encoding="utf-8")
    done = run("init", tmp_path / "birds", "--classes", tmp_path / "classes.txt", "--noun", "bird")
    assert done.code == 0
    text = (tmp_path / "birds" / "domain.toml").read_text(encoding="utf-8")
    assert 'noun = "bird"' in text
    assert 'classes_file = "../classes.txt"' in text
    assert run("check", tmp_path / "birds" / "domain.toml").code == 0
    again = run("init", tmp_path / "birds", "--classes", tmp_path / "classes.txt")
    assert again.code == 2
    assert "exists" in again.err


def test_init_from_images_takes_folder_names_as_classes(run: Run, drawn: Path, tmp_path: Path) -> None:
    """With images alone the folders are the classes; a class list that differs is told apart."""
    done = run("init", tmp_path / "new", "--images", drawn / "images", "--noun", "creature")
    assert done.code == 0
    assert '"Abrosk G",' in (tmp_path / "new" / "domain.toml").read_text(encoding="utf-8")
    (tmp_path / "classes.txt").write_text("Abrosk\nUnicorn\n", encoding="utf-8")
    both = run("init", tmp_path / "both", "--images", drawn / "images", "--classes", tmp_path / "classes.txt")
    assert both.code == 0
    assert 'no image folder for the class "Unicorn"' in both.err


def test_init_without_anything_is_wrong_usage(run: Run, tmp_path: Path) -> None:
    """Nothing is written."""
    done = run("init", tmp_path / "x")
    assert done.code == 2
    assert not (tmp_path / "x").exists()


def test_the_encoder_that_is_named_is_written(run: Run, tmp_path: Path) -> None:
    """--encoder stands in the file uncommented, and the file is valid."""
    (tmp_path / "classes.txt").write_text("wren\nrobin\n", encoding="utf-8")
    done = run("init", tmp_path / "birds", "--classes", tmp_path / "classes.txt", "--encoder", "ViT-B-32:openai")
    assert done.code == 0
    assert '\nname = "ViT-B-32:openai" ' in (tmp_path / "birds" / "domain.toml").read_text(encoding="utf-8")
    assert run("check", tmp_path / "birds").code == 0


def test_a_folder_without_class_folders_is_written_with_a_note(run: Run, tmp_path: Path) -> None:
    """The pictures may come later: the domain is written, and each class without a folder is named."""
    (tmp_path / "classes.txt").write_text("Newt\nSwan\n", encoding="utf-8")
    (tmp_path / "images").mkdir()
    done = run("init", tmp_path / "new", "--classes", tmp_path / "classes.txt", "--images", tmp_path / "images")
    assert done.code == 0, done.err
    assert 'no image folder for the class "Newt"' in done.out + done.err
