"""Trees in a real repository with real branches: the real `treegen`, git, and pre-commit."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import ROOT, Git
from treegen.tree.changes import (
    Answer,
    Change,
    ClassAdded,
    MutableTree,
    OptionAdded,
    PromptChanged,
    RuleChanged,
    apply,
)
from treegen.tree.document import dump, tree_from
from treegen.tree.model import Tree
from treegen.vcs.versions import tree_of

pytestmark = pytest.mark.slow

POND = tree_from(
    {
        "domain": "pond",
        "classification_groups": {
            "colour": {"prompt": "This creature is mainly {}.", "options": ["white", "brown", "green"]},
            "legs": {"prompt": "This creature has {} legs.", "options": ["no", "two", "four"]},
        },
        "rules": {
            "Newt": {"colour": 1, "legs": 2},
            "Swan": {"colour": 0, "legs": 1},
            "Eel": {"colour": 1, "legs": 0},
            "Frog": {"colour": 2, "legs": 2},
        },
    }
)
#: ours: an option before others, so that every index behind it moves, and one class that has it
GRAY: tuple[Change, ...] = (
    OptionAdded(group="colour", option="gray", after="white"),
    RuleChanged(class_name="Eel", group="colour", old="brown", new="gray"),
)
#: theirs: a class with index 2, which is "green" there
TOAD_ADDED = ClassAdded(class_name="Toad", answers=(("colour", "green"), ("legs", "no")), after="Frog")
TOAD: tuple[Change, ...] = (TOAD_ADDED,)
MERGED = {
    "Newt": ["brown", "four"],
    "Swan": ["white", "two"],
    "Eel": ["gray", "no"],
    "Frog": ["green", "four"],
    "Toad": ["green", "no"],
}


def words(tree: Tree) -> dict[str, list[Answer]]:
    """For each class what it says in every group."""
    draft = MutableTree(tree)
    return {name: [draft.answer(name, group) for group in draft.prompts] for name in draft.rules}


def read(git: Git, name: str = "tree.json") -> Tree:
    return tree_of((git.folder / name).read_text(encoding="utf-8"), name)


def treegen(git: Git, *arguments: str) -> tuple[int, str]:
    """Exit code and all output of the installed command."""
    done = git.run(*arguments, program="treegen")
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def pond(git: Git) -> Git:
    """A repository with the pond on `main`, and nothing set up."""
    git.write("tree.json", dump(POND))
    git.commit("the pond")
    return git


@pytest.fixture
def ready(pond: Git) -> Git:
    """The same after `treegen git-setup`."""
    code, told = treegen(pond, "git-setup")
    assert code == 0, told
    pond.commit("set up")
    return pond


def branch(git: Git, theirs: tuple[Change, ...], ours: tuple[Change, ...], base: Tree = POND) -> None:
    """Makes the branch `other` with their changes and goes back to `main` with ours."""
    git("checkout", "-q", "-b", "other")
    git.write("tree.json", dump(apply(base, theirs)))
    git.commit("theirs")
    git("checkout", "-q", "main")
    git.write("tree.json", dump(apply(base, ours)))
    git.commit("ours")


def test_without_the_driver_the_digest_conflicts_in_the_text(pond: Git) -> None:
    """So that two branches that both changed the content are never merged line by line without a word."""
    branch(pond, TOAD, GRAY)
    assert pond.run("merge", "other").returncode == 1
    text = (pond.folder / "tree.json").read_text(encoding="utf-8")
    before, _, rest = text.partition("<<<<<<< ")
    conflict = rest.partition(">>>>>>> ")[0].splitlines()[1:]
    assert [line.partition(":")[0].strip() for line in conflict if ":" in line] == ['"digest"', '"digest"']
    assert before.endswith('"domain": "pond",\n')
    assert treegen(pond, "check", "tree.json")[0] == 1


def test_lines_alone_would_give_a_class_another_option(pond: Git) -> None:
    """What the digest is there for: with ours of it taken, the text is a tree, and wrong."""
    branch(pond, (replace(TOAD_ADDED, after="Swan"),), GRAY)
    assert pond.run("merge", "-X", "ours", "other").returncode == 0
    assert words(read(pond)) == {**MERGED, "Toad": ["brown", "no"]}
    assert "TG302" in treegen(pond, "check", "tree.json")[1]


def test_with_the_driver_the_same_merge_is_clean_and_every_word_is_right(ready: Git) -> None:
    branch(ready, TOAD, GRAY)
    ready("merge", "-q", "other")
    assert ready("status", "--porcelain") == ""
    assert words(read(ready)) == MERGED
    assert read(ready).groups[0].options == ("white", "gray", "brown", "green")
    code, told = treegen(ready, "check", "tree.json")
    assert (code, "TG3" in told) == (0, False), told
    assert len(ready("log", "-1", "--format=%P").split()) == 2


def test_the_other_direction_says_the_same(ready: Git) -> None:
    branch(ready, GRAY, TOAD)
    ready("merge", "-q", "other")
    assert words(read(ready)) == MERGED


def test_trees_in_folders_with_odd_names_are_merged_too(ready: Git) -> None:
    """Spaces, quotes and other letters reach the driver as they are."""
    name = "bäume & $co/a 'b'/tree.json"
    for where, text in (("main", dump(POND)), ("other", dump(apply(POND, TOAD))), ("main", dump(apply(POND, GRAY)))):
        ready("checkout", "-q", *(["-b"] if where == "other" else []), where)
        ready.write(name, text)
        ready.commit(where)
    ready("merge", "-q", "other")
    assert words(read(ready, name)) == MERGED


def test_a_conflict_leaves_a_tree_that_check_refuses_and_resolve_ends(ready: Git) -> None:
    eel = {"class_name": "Eel", "group": "legs", "old": "no"}
    branch(ready, (*TOAD, RuleChanged(**eel, new="four")), (*GRAY, RuleChanged(**eel, new="two")))
    done = ready.run("merge", "other")
    assert done.returncode == 1
    assert 'conflict: "Eel" in "legs": ours "two", theirs "four", before "no"' in done.stderr
    assert ready("status", "--porcelain") == "UU tree.json"
    assert words(read(ready)) == {**MERGED, "Eel": ["gray", "two"]}
    code, told = treegen(ready, "check", "tree.json")
    assert (code, "TG305 /conflicts/0" in told) == (1, True)
    assert '--take theirs:\n     ~ "Eel" in "legs": "two" became "four"' in treegen(ready, "resolve", "tree.json")[1]
    assert treegen(ready, "resolve", "tree.json", "--take", "theirs")[0] == 0
    assert treegen(ready, "check", "tree.json")[0] == 0
    assert words(read(ready)) == {**MERGED, "Eel": ["gray", "four"]}
    ready.commit("merged")
    assert ready("status", "--porcelain") == ""


def test_errors_that_only_the_merge_brings_are_a_conflict_without_markers(ready: Git) -> None:
    navy, other = (OptionAdded(group="colour", option=word, after="green") for word in ("navy", "Navy"))
    branch(ready, (navy,), (other,))
    done = ready.run("merge", "other")
    assert done.returncode == 1
    assert "TG111" in done.stderr
    assert ready("status", "--porcelain") == "UU tree.json"
    assert "<<<<" not in (ready.folder / "tree.json").read_text(encoding="utf-8")


def test_two_branches_that_both_began_a_tree_are_merged(ready: Git) -> None:
    """There is no base; git gives an empty file."""
    ready("checkout", "-q", "-b", "other")
    ready.write("new/tree.json", dump(apply(POND, TOAD)))
    ready.commit("theirs")
    ready("checkout", "-q", "main")
    ready.write("new/tree.json", dump(POND))
    ready.commit("ours")
    ready("merge", "-q", "other")
    assert words(read(ready, "new/tree.json")) == words(apply(POND, TOAD))


def test_a_side_that_is_no_tree_falls_back_to_conflict_markers(ready: Git) -> None:
    ready("checkout", "-q", "-b", "other")
    ready.write("tree.json", dump(POND).replace('"domain": "pond",', '"domain": "lake" oops'))
    ready.commit("broken")
    ready("checkout", "-q", "main")
    ready.write("tree.json", dump(apply(POND, (*GRAY,))).replace('"domain": "pond"', '"domain": "sea"'))
    ready.commit("ours")
    done = ready.run("merge", "other")
    assert done.returncode == 1
    assert "tree.json: merged line by line instead" in done.stderr
    text = (ready.folder / "tree.json").read_text(encoding="utf-8")
    assert "<<<<<<< ours" in text
    assert '"domain": "lake" oops' in text
    assert ready("status", "--porcelain") == "UU tree.json"
    assert treegen(ready, "check", "tree.json")[0] == 1


def test_a_side_that_is_no_tree_is_a_conflict_also_where_its_lines_would_merge(ready: Git) -> None:
    ready("checkout", "-q", "-b", "other")
    ready.write("tree.json", dump(POND) + "oops\n")
    ready.commit("broken")
    ready("checkout", "-q", "main")
    ready.write("tree.json", dump(POND).replace('"domain": "pond"', '"domain": "sea"'))
    ready.commit("ours")
    assert ready.run("merge", "other").returncode == 1
    assert ready("status", "--porcelain") == "UU tree.json"


def test_rebase_uses_the_driver(ready: Git) -> None:
    branch(ready, TOAD, GRAY)
    ready("checkout", "-q", "other")
    ready("rebase", "-q", "main")
    assert ready("log", "--format=%s") == "theirs\nours\nset up\nthe pond"
    assert words(read(ready)) == MERGED


def test_cherry_pick_and_revert_use_the_driver(ready: Git) -> None:
    branch(ready, TOAD, GRAY)
    ready("cherry-pick", "other")
    assert words(read(ready)) == MERGED
    ready("revert", "--no-edit", "HEAD~1")
    assert words(read(ready)) == words(apply(POND, TOAD))


def test_stash_pop_uses_the_driver(ready: Git) -> None:
    ready.write("tree.json", dump(apply(POND, TOAD)))
    ready("stash", "-q")
    ready.write("tree.json", dump(apply(POND, GRAY)))
    ready.commit("ours")
    ready("stash", "pop", "-q")
    assert words(read(ready)) == MERGED
    assert ready("stash", "list") == ""


@pytest.mark.parametrize("command", [("diff",), ("log", "-p", "-1"), ("show",)])
def test_git_shows_words_and_no_indices(ready: Git, command: tuple[str, ...]) -> None:
    """The class stands in the head of its hunk; lines whose index alone moved are not there."""
    changes = (*GRAY, PromptChanged(group="legs", old=POND.groups[1].prompt, new="It has {} legs."), *TOAD)
    ready.write("tree.json", dump(apply(POND, changes)))
    if command != ("diff",):
        ready.commit("more")
    shown = ready(*command, "-U0")
    lines = [line for line in shown.splitlines() if line.startswith(("+", "-")) and line[1:4] not in ("++ ", "-- ")]
    assert lines == [
        "+  - gray",
        "-group legs: This creature has {} legs.",
        "+group legs: It has {} legs.",
        "-  colour: brown",
        "+  colour: gray",
        "+",
        "+class Toad",
        "+  colour: green",
        "+  legs: no",
    ]
    heads = [line.rpartition("@@ ")[2] for line in shown.splitlines() if line.startswith("@@")]
    assert heads[0] == "group colour: This creature is mainly {}."
    assert "class Eel" in heads
    assert "digest" not in shown


def test_a_line_of_text_can_still_be_staged_from_the_words_that_are_shown(ready: Git) -> None:
    """`git diff` is for people: git itself goes on with the text."""
    ready.write("tree.json", dump(apply(POND, GRAY)))
    assert '"digest"' in ready("diff", "--no-textconv")
    assert '"digest"' in ready("format-patch", "--stdout", "--root", "HEAD")


def test_a_tree_that_is_broken_is_shown_as_it_stands(ready: Git) -> None:
    ready.write("tree.json", dump(POND).replace('"domain"', "oops"))
    shown = ready("diff")
    assert '+  oops: "pond",' in shown
    assert "-class Newt" in shown


def test_after_undo_git_merges_lines_again(ready: Git) -> None:
    assert treegen(ready, "git-setup", "--undo")[0] == 0
    assert ready("ls-files") == ".gitattributes\ntree.json"
    ready.commit("undone")
    assert ready("ls-files") == "tree.json"
    branch(ready, TOAD, GRAY)
    assert ready.run("merge", "other").returncode == 1
    assert "<<<<<<< " in (ready.folder / "tree.json").read_text(encoding="utf-8")


def test_a_clone_has_the_attributes_and_needs_the_setup_once(ready: Git, tmp_path: Path) -> None:
    """Until then git merges lines, and the digest conflicts."""
    branch(ready, TOAD, GRAY)
    clone = Git(tmp_path / "clone")
    ready("clone", "-q", str(ready.folder), str(clone.folder))
    for key, value in (("user.name", "Bob"), ("user.email", "bob@example.org")):
        clone("config", key, value)
    assert clone.run("merge", "origin/other").returncode == 1
    for command in (("check",), ("show",), ("resolve",), ("diff", "HEAD:tree.json")):
        code, told = treegen(clone, *command, "tree.json")
        assert (code, "the file contains git conflict markers, from line " in told) == (1, True)
    clone("merge", "--abort")
    assert treegen(clone, "git-setup")[0] == 0
    assert clone("status", "--porcelain") == ""
    clone("merge", "-q", "origin/other")
    assert words(read(clone)) == MERGED


def test_what_was_merged_as_lines_is_merged_again_by_names(ready: Git) -> None:
    """As the message on git's markers says: the setup, then `git checkout --merge`."""
    branch(ready, TOAD, GRAY)
    ready("config", "--remove-section", "merge.treegen")
    assert ready.run("merge", "other").returncode == 1
    assert treegen(ready, "git-setup")[0] == 0
    ready("checkout", "--merge", "tree.json")
    assert words(read(ready)) == MERGED


# --- pre-commit


@pytest.fixture
def hooks(pond: Git, tmp_path: Path) -> Git:
    """The repository with pre-commit's own files below the test's folder."""
    if shutil.which("pre-commit", path=pond.environment["PATH"]) is None:
        pytest.skip("pre-commit is not installed")
    pond.environment["PRE_COMMIT_HOME"] = str(tmp_path / "pre-commit")
    return pond


def test_the_hook_stops_a_broken_tree_and_lets_a_sound_one_through(hooks: Git) -> None:
    assert treegen(hooks, "git-setup", "--pre-commit")[0] == 0
    done = hooks.run("install", program="pre-commit")
    assert done.returncode == 0, done.stderr
    hooks("add", "-A")
    commit = hooks.run("commit", "-m", "set up")
    assert commit.returncode == 0, commit.stderr
    assert "treegen check" in commit.stderr + commit.stdout
    for text, told in ((dump(POND).replace('"Eel": {"colour": 1', '"Eel": {"colour": 7'), "TG112"), ("{", "TG101")):
        hooks.write("tree.json", text)
        hooks("add", "-A")
        commit = hooks.run("commit", "-m", "broken")
        assert commit.returncode == 1
        assert told in commit.stderr + commit.stdout
        assert hooks("log", "-1", "--format=%s") == "set up"
    hooks.write("tree.json", dump(apply(POND, GRAY)))
    hooks.write("other.json", "{")
    hooks("add", "-A")
    commit = hooks.run("commit", "-m", "sound")
    assert commit.returncode == 0, commit.stderr + commit.stdout
    assert hooks("log", "-1", "--format=%s") == "sound"


def test_a_merge_with_conflicts_cannot_be_committed_past_the_hook(hooks: Git) -> None:
    assert treegen(hooks, "git-setup", "--pre-commit")[0] == 0
    assert hooks.run("install", program="pre-commit").returncode == 0
    hooks.commit("set up")
    swan = {"class_name": "Swan", "group": "legs", "old": "two"}
    branch(hooks, (RuleChanged(**swan, new="four"),), (RuleChanged(**swan, new="no"),))
    assert hooks.run("merge", "other").returncode == 1
    hooks("add", "-A")
    commit = hooks.run("commit", "-m", "merged")
    assert commit.returncode == 1
    assert "TG305" in commit.stderr + commit.stdout
    assert treegen(hooks, "resolve", "tree.json", "--take", "ours")[0] == 0
    hooks("add", "-A")
    commit = hooks.run("commit", "-m", "merged")
    assert commit.returncode == 0, commit.stderr + commit.stdout


def test_the_hooks_that_this_repository_offers_run(hooks: Git) -> None:
    """As somebody else's configuration would name them; pre-commit takes the files as they are, committed or not."""
    if hooks.run("rev-parse", "--verify", "HEAD:.pre-commit-hooks.yaml", folder=ROOT).returncode:
        pytest.skip("not a git checkout with .pre-commit-hooks.yaml in its commit")
    for text, code, told in ((dump(POND), 0, "Passed"), (dump(POND).replace('"legs": 0', '"legs": 9'), 1, "TG112")):
        hooks.write("tree.json", text)
        done = hooks.run("try-repo", str(ROOT), "treegen-check-system", "--files", "tree.json", program="pre-commit")
        assert done.returncode == code, done.stdout + done.stderr
        assert told in done.stdout
