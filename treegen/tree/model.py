"""Groups, rules and the tree, as immutable values."""

from dataclasses import dataclass
from typing import Final

SCHEMA_ID: Final = "urn:treegen:tree:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One question: `prompt` contains exactly one `{}`, the slot for each of the mutually exclusive `options`."""

    name: str
    prompt: str
    options: tuple[str, ...]

    def fill(self) -> tuple[str, ...]:
        """Return the prompt filled with each option, in the order of the options.

        >>> Group(name="legs", prompt="It has {} legs.", options=("no", "four")).fill()
        ('It has no legs.', 'It has four legs.')
        """
        return tuple(self.prompt.replace("{}", option, 1) for option in self.options)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassRule:
    """The expected answers of one class, or of one of its looks.

    Attributes:
        name: of the class, or of the look.
        answers: (group, index of its option), `None` where the group says nothing.
        look_of: the class that it is a look of; empty if it is the class itself.
    """

    name: str
    answers: tuple[tuple[str, int | None], ...]
    look_of: str = ""

    @property
    def class_name(self) -> str:
        """What an image that fits the rule is labelled as."""
        return self.look_of or self.name

    @property
    def title(self) -> str:
        """The name for a person, of a look with its class."""
        return look_title(self.class_name, self.name)

    def get(self, group: str) -> int | None:
        """Return the class's index in `group`; `None` for null and for a group the rule does not name."""
        return dict(self.answers).get(group)


def look_title(class_name: str, look: str) -> str:
    """Return the name of a class and of its look for a person; of a look that names its class, or none, one of the two.

    >>> look_title("Mallard", "female"), look_title("Mallard", "Mallard (female)"), look_title("Mallard", "")
    ('Mallard (female)', 'Mallard (female)', 'Mallard')
    """
    if not look or look.startswith(class_name):
        return look or class_name
    return f"{class_name} ({look})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Who approved what.

    Attributes:
        status: `approved`.
        by: `Name <mail>`.
        at: when, in UTC.
        digest: of the approved content.
        score_json: its score then, as canonical JSON.
        comments: of the reviewers: what each is on, in words, and its text.
    """

    status: str
    by: str
    at: str
    digest: str
    score_json: str = "{}"
    comments: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """What a merge could not decide: in words, and for each side the changes that take it, as canonical JSON."""

    what: str
    ours_json: str = "[]"
    theirs_json: str = "[]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Groups and rules. The order of groups, options and classes is part of the meaning.

    A tree may have problems (an index out of range, a rule for an unknown group): `validation` lists them for a person
    to fix. Only its types are guaranteed.
    """

    domain: str
    groups: tuple[Group, ...]
    rules: tuple[ClassRule, ...]
    review: Review | None = None
    conflicts: tuple[Conflict, ...] = ()

    @property
    def classes(self) -> tuple[str, ...]:
        """Class names in the order of the rules; several looks are one class, at the place of the first."""
        return tuple(dict.fromkeys(rule.class_name for rule in self.rules))

    @property
    def rows(self) -> tuple[str, ...]:
        """The names of the rules, which are those of classes or of the looks of a class."""
        return tuple(rule.name for rule in self.rules)

    @property
    def looks(self) -> dict[str, tuple[str, ...]]:
        """The looks of each class that has some, in the order of the rules."""
        looks: dict[str, tuple[str, ...]] = {}
        for rule in self.rules:
            if rule.look_of:
                looks[rule.look_of] = (*looks.get(rule.look_of, ()), rule.name)
        return looks

    def group(self, name: str) -> Group | None:
        """Return the group with that name, if there is one."""
        return next((g for g in self.groups if g.name == name), None)

    def word(self, rule: ClassRule, group: str) -> str | None:
        """Return the rule's option in the group; `None` for null, a missing answer or an index out of range."""
        index, target = rule.get(group), self.group(group)
        if target is None or index is None or not 0 <= index < len(target.options):
            return None
        return target.options[index]

    def prompts(self) -> tuple[str, ...]:
        """Return all filled prompts (Q), group after group in the order of the tree."""
        return tuple(text for group in self.groups for text in group.fill())
