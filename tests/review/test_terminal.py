"""The real program in a real terminal."""

import sys
from pathlib import Path

from tests.review.terminal import NEEDS_TMUX, Terminal
from treegen.files import read_text
from treegen.tree.document import dump
from treegen.vcs.versions import tree_of

pytestmark = NEEDS_TMUX


def test_an_option_is_fixed_and_saved_and_can_be_taken_back_after_a_restart(
    terminal: Terminal, tree_file: Path
) -> None:
    """The file holds exactly the edit, and the next start still knows the step."""
    before = tree_of(read_text(tree_file), "tree")
    program = (sys.executable, "-m", "treegen", "review", str(tree_file))
    terminal.start(*program)
    terminal.shows("? keys")
    terminal.press("Enter")
    terminal.shows("m merge")
    terminal.press("j", "r")
    terminal.shows("Name of the option")
    terminal.press("C-u")
    terminal.press("-l", "leaf green")
    terminal.press("Enter")
    terminal.until(lambda screen: "leaf green" in screen and "unsaved" in screen)
    terminal.press("C-s")
    terminal.until(lambda screen: screen.splitlines()[0].rstrip().endswith(" saved"))
    saved = tree_of(read_text(tree_file), "tree")
    assert dump(saved) == read_text(tree_file)
    assert (
        dump(saved).replace("leaf green", "green").split("classification")[1] == dump(before).split("classification")[1]
    )
    terminal.press("q")
    terminal.shows("ended with 0")
    terminal.stop()
    terminal.start(*program)
    terminal.shows("? keys")
    terminal.press("u")
    terminal.shows("unsaved")
    terminal.press("C-s")
    terminal.until(lambda screen: screen.splitlines()[0].rstrip().endswith(" saved"))
    assert read_text(tree_file) == dump(before)
    terminal.press("q")
    terminal.shows("ended with 0")


def test_the_first_score_of_a_fresh_clone_embeds_all_pictures_beside_the_screen(
    terminal: Terminal, tree_file: Path
) -> None:
    """No `.treegen` comes with a clone. Processes for pictures could not start under Textual: the review ended."""
    assert not (tree_file.parent / ".treegen").exists()
    terminal.start(sys.executable, "-m", "treegen", "review", str(tree_file))
    terminal.shows("n=52")  # the dev split of 104 pictures
    terminal.press("q")
    terminal.shows("ended with 0")
