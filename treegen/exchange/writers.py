"""A tree as text in other projects' formats."""

import csv
import json
from collections.abc import Callable, Sequence
from io import StringIO
from typing import Final

from treegen.errors import InputError
from treegen.llm.reading.parser import parse_reply
from treegen.text import show
from treegen.tree.document import content_of, tree_from
from treegen.tree.model import ClassRule, Tree

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also full-width


def article_text(tree: Tree) -> str:
    """Return the article's Python dict, with the index next to each option and the option next to each answer.

    Raises:
        InputError: a text in it (such as one with a control character) would not be read back unchanged.
    """
    content = content_of(tree)
    lines = [f"{_identifier(tree.domain)}_system = {{", '    "classification_cot": {']
    for group in tree.groups:
        lines += [f"        {_quoted(group.name)}: {{", f'            "prompt": {_quoted(group.prompt)},']
        lines += ['            "options": [']
        lines += [f"                {_quoted(option)},  # {index}" for index, option in enumerate(group.options)]
        lines += ["            ],", "        },"]
    lines.append("    },")
    if tree.looks:
        lines.append(f'    "looks": {json.dumps(content["looks"], ensure_ascii=False)},')
    lines.append(f"    {_quoted(tree.domain + '_rules')}: {{")
    for rule in tree.rules:
        lines.append(f"        {_quoted(rule.name)}: {{")
        lines += [f"            {_quoted(name)}: {index},{_remark(tree, rule, name)}" for name, index in rule.answers]
        lines.append("        },")
    text = "\n".join([*lines, "    },", "}"]) + "\n"
    # read back first: some texts, such as those with control characters, do not survive the format
    read = parse_reply(text)
    if read.data is None or tree_from({**read.data, "domain": tree.domain}) != tree_from(content):
        why = read.problems[0].message if read.problems else "it would be read differently"
        raise InputError(
            f"the tree cannot be written as the article's dict: {why}", "fix that text, or use another format"
        )
    return text


def _quoted(text: str) -> str:
    """Quote a text so that Python and JSON read it alike."""
    return json.dumps(text, ensure_ascii=False)


def _remark(tree: Tree, rule: ClassRule, group: str) -> str:
    """Return the option as a comment, without characters that would end or change it."""
    word = tree.word(rule, group)
    plain = "" if word is None else "".join(c if c.isprintable() and c != '"' else " " for c in word).strip()
    return f"  # {plain}" if plain and not plain.startswith(("...", "…")) else ""


def _identifier(name: str) -> str:
    """Turn the name into a Python identifier, with underscores for invalid characters."""
    identifier = "".join(c if c.isascii() and c.isalnum() else "_" for c in name.casefold()).strip("_") or "tree"
    return f"tree_{identifier}" if identifier[0].isdigit() else identifier


def prompts_of(tree: Tree) -> dict[str, list[str]]:
    """Return class -> its filled prompts, one per answer that is not null; those of all its looks, each once."""
    filled = {group.name: group.fill() for group in tree.groups}
    prompts: dict[str, dict[str, None]] = {name: {} for name in tree.classes}
    for rule in tree.rules:
        answers = ((group.name, rule.get(group.name)) for group in tree.groups)
        prompts[rule.class_name] |= dict.fromkeys(filled[name][index] for name, index in answers if index is not None)
    return {name: list(texts) for name, texts in prompts.items()}


def descriptors_text(tree: Tree) -> str:
    """Return class -> filled prompts, the format of DCLIP and CuPL: an option alone ("white") says nothing."""
    return json.dumps(prompts_of(tree), ensure_ascii=False, indent=2) + "\n"


def csv_text(tree: Tree) -> str:
    """Return one line per class and one column per group, with options in the cells (RFC 4180); null is empty.

    If a class has looks, a second column names them, with a line for each.

    A cell that a spreadsheet would take for a formula starts with an apostrophe, which the import removes. Prompts are
    not included.
    """
    out = StringIO(newline="")
    writer = csv.writer(out)  # CRLF, and quotation marks only where needed, as in RFC 4180
    look = ("look",) if tree.looks else ()
    writer.writerow(["class", *look, *(safe_cell(group.name) for group in tree.groups)])
    for rule in tree.rules:
        words = (tree.word(rule, group.name) or "" for group in tree.groups)
        names = (rule.class_name, rule.name if rule.look_of else "") if look else (rule.name,)
        writer.writerow([*map(safe_cell, names), *map(safe_cell, words)])
    return out.getvalue()


def safe_cell(cell: str) -> str:
    """Return a cell of CSV that no spreadsheet takes for a formula."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def clip_benchmark_files(tree: Tree, order: Sequence[str] = ()) -> dict[str, str]:
    """Return the files for clip_benchmark's --custom_template_file and --custom_classname_file, by name.

    Both have the domain's name as key: the dataset is `wds/NAME`. clip_benchmark averages the prompts of a class, which
    is another decision rule than treegen's. Its labels are numbers that count the names in classnames.json, so that
    these have the given order of classes; those that are not in it follow.
    """
    found = prompts_of(tree)
    prompts = {name: found[name] for name in dict.fromkeys((*order, *found)) if name in found}
    return {
        "templates.json": json.dumps({tree.domain: prompts}, ensure_ascii=False, indent=2) + "\n",
        "classnames.json": json.dumps({tree.domain: list(prompts)}, ensure_ascii=False, indent=2) + "\n",
    }


_MODULE: Final = '''\
# ruff: noqa: E501
"""Classification tree of the domain {domain}: {digest}.

For an image, embed it and every filled prompt with a CLIP, multiply the cosines by the model's logit scale, take the
softmax within each group, and give the probabilities to `class_scores`: the class with the highest score is the label.
"""

from collections.abc import Mapping, Sequence

DOMAIN: str = {domain_text}
DIGEST: str = {digest_text}

#: group -> (prompt with one {{}}, options)
GROUPS: dict[str, tuple[str, tuple[str, ...]]] = {{
{groups}
}}

#: class{or_look} -> index of its option in every group, None where the group says nothing about it
RULES: dict[str, dict[str, int | None]] = {{
{rules}
}}
{looks}

def filled_prompts() -> dict[str, list[str]]:
    """The texts to embed, by group, in the order of the options."""
    return {{name: [prompt.replace("{{}}", o, 1) for o in options] for name, (prompt, options) in GROUPS.items()}}


def class_scores(probabilities: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """Scores of all classes, from 0 to 1.

    Args:
        probabilities: for every group the probabilities of its options, which sum to 1.

    Returns:
        For every class the mean of the probability of its option over the groups that say something about it; 0 if
        none does.

    Raises:
        ValueError: a group is missing, or has another number of probabilities than options.
    """
    for name, (_, options) in GROUPS.items():
        if name not in probabilities or len(probabilities[name]) != len(options):
            raise ValueError(f"the group {{name!r}} needs {{len(options)}} probabilities")
    scores{annotation} = {{}}
    for label, rule in RULES.items():
        given = [probabilities[name][i] for name in GROUPS if (i := rule.get(name)) is not None]
        {reduction}
    return scores
'''


_BEST: Final = """\
name, score = LOOKS.get(label, label), sum(given) / max(1, len(given))
        scores[name] = max(score, scores.get(name, 0.0))  # the best look of a class is its score"""


def python_text(tree: Tree) -> str:
    """Return a self-contained module: constants and one pure function from probabilities to class scores."""
    from treegen.tree.document import digest_of

    groups = [
        f"    {_literal(g.name)}: ({_literal(g.prompt)}, ({', '.join(map(_literal, g.options))},)),"
        for g in tree.groups
    ]
    rules = [
        f"    {_literal(r.name)}: {{{', '.join(f'{_literal(n)}: {i}' for n, i in r.answers)}}}," for r in tree.rules
    ]
    looks = [f"    {_literal(r.name)}: {_literal(r.look_of)},\n" for r in tree.rules if r.look_of]
    return _MODULE.format(
        domain=_literal(tree.domain)[1:-1],
        digest=digest_of(tree),
        domain_text=_literal(tree.domain),
        digest_text=_literal(digest_of(tree)),
        groups="\n".join(groups),
        rules="\n".join(rules),
        or_look=" (or look)" if tree.looks else "",
        looks="".join(["\n#: look -> its class\nLOOKS: dict[str, str] = {\n", *looks, "}\n"]) if looks else "",
        annotation=": dict[str, float]" if looks else "",
        reduction=_BEST if looks else "scores[label] = sum(given) / max(1, len(given))",
    )


def _literal(text: str) -> str:
    """Return an ASCII-quoted Python literal; unprintable characters are escaped."""
    return json.dumps(text, ensure_ascii=not text.isprintable())


#: format -> writer; formats with several files or bytes are in `exporting`
TEXTS: Final[dict[str, Callable[[Tree], str]]] = {
    "article": article_text,
    "descriptors": descriptors_text,
    "csv": csv_text,
    "python": python_text,
}


def refuse_unknown_format(name: str) -> InputError:
    """Return the error for a format that does not exist."""
    return InputError(
        f"no format {show(name)}", "one of: article, descriptors, clip-benchmark, csv, python, safetensors"
    )
