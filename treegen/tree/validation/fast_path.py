"""Fast paths around the checks: a plain test proves most groups and rules valid, and most changes harmless.

All rules have the same schema, and a thousand rules for thirty groups cost JSON Schema 0.18 s, here 2 ms. What
passes here has no finding there, which a test compares; the full checks judge everything else.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from treegen.tree.document import unwritable
from treegen.tree.model import SCHEMA_ID, Tree
from treegen.tree.validation.normalise import normalise

_KEYS: Final = frozenset({"$schema", "domain", "digest", "classification_groups", "rules"})
_GROUP_KEYS: Final = frozenset({"prompt", "options"})
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")


def doubtful_part(data: dict[str, Any]) -> dict[str, Any] | None:
    """Return the document without valid groups and rules: same findings, less work. `None` if it is valid.

    One group and one rule are kept if none is doubtful, since a tree without any is invalid.
    """
    groups, rules = data.get("classification_groups"), data.get("rules")
    if not isinstance(groups, dict) or not isinstance(rules, dict) or not groups or not rules:
        return data
    lengths = {name: len(g["options"]) for name, g in groups.items() if _has_options(g)}
    doubtful_rules = {name: rule for name, rule in rules.items() if not _sound_rule(name, rule, lengths)}
    doubtful_groups = {name: group for name, group in groups.items() if not _sound_group(name, group)}
    if not doubtful_rules and not doubtful_groups and _sound_head(data):
        return None
    # the schema's keyword indexInto needs every group that a doubtful rule may refer to
    kept_groups = groups if doubtful_rules else doubtful_groups or dict([next(iter(groups.items()))])
    kept_rules = doubtful_rules or dict([next(iter(rules.items()))])
    return {**data, "classification_groups": kept_groups, "rules": kept_rules}


def still_valid(valid: Tree, changed: Tree) -> bool:
    """Whether a changed tree certainly has no errors; if not, only `check_data` knows. Conflicts are not looked at.

    Args:
        valid: the tree before the change, without errors.
        changed: the tree after it. Only what differs is tested, so a group added or removed is never certain.
    """
    before, after = ({g.name: len(g.options) for g in tree.groups} for tree in (valid, changed))
    if before != after or valid.domain != changed.domain or valid.rows != changed.rows:
        return False
    if valid.looks != changed.looks:
        return False
    groups = {g.name: {"prompt": g.prompt, "options": list(g.options)} for g in set(changed.groups) - set(valid.groups)}
    rules = {new.name: dict(new.answers) for old, new in zip(valid.rules, changed.rules, strict=True) if old != new}
    return (
        all(_sound_group(name, group) for name, group in groups.items())
        and not any(unwritable(groups))
        and all(_answers_all(name, rule, after) for name, rule in rules.items())
        and (not rules or _all_differ(changed))
    )


def _answers_all(name: str, rule: Mapping[str, int | None], lengths: Mapping[str, int]) -> bool:
    """Whether the rule is valid, answers each group or says null, and answers at least one."""
    return (
        rule.keys() == lengths.keys()
        and _sound_rule(name, rule, lengths)
        and any(index is not None for index in rule.values())
    )


def _all_differ(tree: Tree) -> bool:
    """Whether no two classes have the same answers; every rule answers every group."""
    names = [group.name for group in tree.groups]
    return len({tuple(map(dict(rule.answers).get, names)) for rule in tree.rules}) == len(tree.rules)


def _has_options(group: Any) -> bool:
    return isinstance(group, dict) and isinstance(group.get("options"), list)


def _sound_head(data: dict[str, Any]) -> bool:
    """Whether everything but groups and rules is valid; a review is left to the schema."""
    if not data.keys() <= _KEYS or not _is_text(data.get("domain")) or data.get("$schema", SCHEMA_ID) != SCHEMA_ID:
        return False
    digest = data.get("digest")
    return "digest" not in data or (isinstance(digest, str) and _DIGEST.fullmatch(digest) is not None)


def _sound_group(name: Any, group: Any) -> bool:
    if not _is_text(name) or not isinstance(group, dict) or group.keys() != _GROUP_KEYS:
        return False
    prompt, options = group["prompt"], group["options"]
    return (
        isinstance(prompt, str)
        and prompt.count("{}") == 1
        and isinstance(options, list)
        and len(options) >= 2
        and all(_is_text(option) and "{}" not in option for option in options)
        and len(set(map(normalise, options))) == len(options)
    )


def _sound_rule(name: Any, rule: Any, lengths: Mapping[str, int]) -> bool:
    """Whether the rule is valid; for a group with an unknown number of options, any index is."""
    if not _is_text(name) or not isinstance(rule, dict):
        return False
    for group, index in rule.items():
        if index is not None and (type(index) is not int or not 0 <= index < lengths.get(group, index + 1)):
            return False
    return True


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())
