"""One group as editable text: its prompt, its options, and each class's answer in words."""

import json

from treegen.errors import ProblemsError
from treegen.text import show
from treegen.tree.changes import MutableTree
from treegen.tree.document import parse_json
from treegen.tree.model import Tree


def group_text(tree: Tree, group: str) -> str:
    """Return the group as JSON, one class per line; null where a class has no answer."""
    draft = MutableTree(tree)
    answers = {name: draft.answer(name, group) for name, rule in draft.rules.items() if group in rule}
    lines = [f"    {_text(name)}: {_text(answer)}" for name, answer in answers.items()]
    head = [f'  "prompt": {_text(draft.prompts[group])},', '  "options": [']
    options = ",\n".join(f"    {_text(option)}" for option in draft.options[group])
    return "\n".join(["{", *head, options, "  ],", '  "answers": {', ",\n".join(lines), "  }", "}"]) + "\n"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def with_group(tree: Tree, group: str, text: str) -> Tree:
    """Return the tree with the group as edited. Classes left out of the text get null.

    Raises:
        ProblemsError: the text is not such a group, or an answer is not one of its options; the message says which.
    """
    data, problems = parse_json(text)
    if problems or not isinstance(data, dict) or set(data) != {"prompt", "options", "answers"}:
        reason = problems[0].message if problems else 'expected an object with "prompt", "options" and "answers"'
        raise ProblemsError(f"the group cannot be read: {reason}", "keep its three keys as they were")
    prompt, options, answers = data["prompt"], data["options"], data["answers"]
    if not isinstance(prompt, str) or not isinstance(answers, dict) or not _are_texts(options):
        raise ProblemsError("the prompt must be a string, the options a list of strings, the answers an object")
    draft = MutableTree(tree)
    draft.prompts[group], draft.options[group] = prompt, options
    for name, answer in answers.items():
        rule = draft.need_class(name)
        if answer is not None and answer not in options:
            raise ProblemsError(f"{show(name)} has {show(answer)}, which is not one of the options", "use one of them")
        rule[group] = None if answer is None else options.index(answer)
    for name in draft.rules.keys() - answers.keys():
        draft.rules[name][group] = None
    return draft.frozen(tree)


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(entry, str) for entry in value)
