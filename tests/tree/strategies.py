"""Random trees, and random branches of a tree of which it is known what became of each group and class."""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from treegen.tree.changes import ChangeError, MutableTree, apply
from treegen.tree.changes.classes import (
    ClassAdded,
    ClassesReordered,
    ClassRemoved,
    ClassRenamed,
    LookChanged,
    RuleChanged,
)
from treegen.tree.changes.groups import GroupAdded, GroupRemoved, GroupRenamed, GroupsReordered, PromptChanged
from treegen.tree.changes.interface import Change, whole_class, whole_group
from treegen.tree.changes.options import OptionAdded, OptionRemoved, OptionRenamed, OptionsReordered
from treegen.tree.model import ClassRule, Group, Tree

WORDS = ("red", "blue", "green", "navy", "gray", "gold")
GROUPS, CLASSES = ("g", "h", "i", "j"), ("X", "Y", "Z", "W", "V")
LOOKS_OF = ("", "", "", "M", "N")  # most rules are of classes, some of the looks of M and N


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """A tree in which every class has an answer in every group, or null; no option stands twice."""
    several = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4, unique=True)
    groups = tuple(
        Group(name=n, prompt=draw(st.sampled_from(["a {}", "b {}"])), options=tuple(draw(several)))
        for n in draw(st.lists(st.sampled_from(GROUPS), min_size=1, max_size=3, unique=True))
    )
    rules = tuple(
        ClassRule(
            name=c,
            answers=tuple((g.name, draw(st.none() | st.integers(0, len(g.options) - 1))) for g in groups),
            look_of=draw(st.sampled_from(LOOKS_OF)),
        )
        for c in draw(st.lists(st.sampled_from(CLASSES), min_size=1, max_size=4, unique=True))
    )
    return Tree(domain="d", groups=groups, rules=rules)


@st.composite
def wild_trees(draw: st.DrawFn) -> Tree:
    """A tree with any errors that its types allow: options twice, indices out of range, answers for unknown groups."""
    texts = st.lists(st.sampled_from(["red", "blue", "a red", "gray"]), max_size=4)
    groups = tuple(
        Group(name=n, prompt=draw(st.sampled_from(["p {}", "q"])), options=tuple(draw(texts)))
        for n in draw(st.lists(st.sampled_from(GROUPS), max_size=4, unique=True))
    )
    keys = st.lists(st.sampled_from(GROUPS), max_size=4, unique=True)
    rules = tuple(
        ClassRule(
            name=c,
            answers=tuple((k, draw(st.none() | st.integers(0, 5))) for k in draw(keys)),
            look_of=draw(st.sampled_from((*LOOKS_OF, *CLASSES))),
        )
        for c in draw(st.lists(st.sampled_from(CLASSES), max_size=4, unique=True))
    )
    return Tree(domain=draw(st.sampled_from(["d", "e"])), groups=groups, rules=rules)


@dataclass(frozen=True, kw_only=True)
class Branch:
    """A tree that came from another: what each of its groups and classes was called there (itself if it is new)."""

    tree: Tree
    groups: dict[str, str] = field(default_factory=dict)
    classes: dict[str, str] = field(default_factory=dict)


def _change(draw: st.DrawFn, tree: Tree) -> Change:
    """Any change; it need not fit."""
    draft = MutableTree(tree)
    group, name = draw(st.sampled_from(GROUPS)), draw(st.sampled_from(CLASSES))
    word, second = draw(st.sampled_from(WORDS)), draw(st.sampled_from(WORDS))
    options, before = draft.options.get(group, []), draft.rules.get(name)
    answers = tuple((g, draw(st.sampled_from([*o, None]))) for g, o in draft.options.items())
    makers: list[Callable[[], Change]] = [
        lambda: PromptChanged(group=group, old=draft.prompts.get(group, ""), new=f"{word} {{}}"),
        lambda: OptionAdded(group=group, option=word, after=draw(st.sampled_from([None, *options]))),
        lambda: OptionRemoved(group=group, option=word, after=None),
        lambda: OptionRenamed(group=group, old=word, new=second),
        lambda: OptionsReordered(group=group, old=tuple(options), new=tuple(reversed(options))),
        lambda: RuleChanged(
            class_name=name,
            group=group,
            old=draft.answer(name, group) if before else None,
            new=draw(st.sampled_from([*options, None])),
        ),
        lambda: ClassAdded(class_name=name, answers=answers, after=None, look_of=draw(st.sampled_from(LOOKS_OF))),
        lambda: LookChanged(
            class_name=name, old=draft.look_of.get(name, ""), new=draw(st.sampled_from(("", "M", "N")))
        ),
        lambda: ClassRemoved(**whole_class(draft, name, None)),
        lambda: ClassRenamed(old=name, new=draw(st.sampled_from(CLASSES))),
        lambda: ClassesReordered(old=tree.rows, new=tree.rows[::-1]),
        lambda: GroupAdded(
            group=group,
            prompt="new {}",
            options=(word, f"not {word}"),
            after=None,
            answers=tuple((c, draw(st.sampled_from([word, None]))) for c in tree.rows),
        ),
        lambda: GroupRemoved(**whole_group(draft, group)),
        lambda: GroupRenamed(old=group, new=draw(st.sampled_from(GROUPS))),
        lambda: GroupsReordered(old=tuple(draft.prompts), new=tuple(draft.prompts)[::-1]),
    ]
    return draw(st.sampled_from(makers))()


@st.composite
def changed(draw: st.DrawFn, tree: Tree, most: int = 5, renames: bool = True) -> Branch:
    """The tree after up to `most` changes that fit; without `renames`, groups and classes keep their names."""
    groups, classes = {g.name: g.name for g in tree.groups}, {c: c for c in tree.rows}
    for _ in range(draw(st.integers(0, most))):
        try:
            change = _change(draw, tree)
            if isinstance(change, GroupRenamed | ClassRenamed) and not renames:
                continue
            if isinstance(change, RuleChanged) and tree.group(change.group) is None:
                continue
            tree = apply(tree, (change,))
        except (ChangeError, KeyError, ValueError):
            continue
        for names, kind in ((groups, GroupRenamed), (classes, ClassRenamed)):
            if isinstance(change, kind):
                names[change.new] = names.pop(change.old, change.old)
    return Branch(tree=tree, groups=groups, classes=classes)
