"""What makes a valid tree a poor one: wordings that CLIP cannot answer and groups that distinguish no classes.

Lints do not run when a tree is drafted or repaired: they call for a person's judgement.
"""

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from treegen.text import article, counted, show
from treegen.tree.lint.word_lists import CONTEXT, content_words, doubtful_words, least_tokens, only_achromatic
from treegen.tree.model import Group, Tree
from treegen.tree.validation.normalise import is_sign, normalise
from treegen.tree.validation.problems import Problem, pointer_to

Aliases = Iterable[tuple[str, Sequence[str]]]

_ADVICE: Final = {
    "TG603": "an option must be a single answer: choose one, or split it into two options",
    "TG604": "say what the image shows, or leave the class's answer null where it varies",
    "TG605": "CLIP ignores negations: name what is there instead, such as a plain back rather than no stripes",
    "TG606": "an image does not show it: ask for something visible",
}
_ARTICLE: Final = re.compile(r"(?<![\w/(])(an?)\s+\{\}", re.IGNORECASE)
_TEMPLATE_ARTICLE: Final = re.compile(r"(?<![\w/(])(an?|the)\s+\{(a )?(noun|name)\}", re.IGNORECASE)
_OWN_ARTICLE: Final = re.compile(r"(an?|the)\s", re.IGNORECASE)
_FEW_ANSWERS: Final = 2  # of a class, that are worth a warning
_NAMED: Final = 3  # near twins named in one message
_MOST_WORDS: Final = 32  # per option and name: longer ones are not answers, and comparing is quadratic
_MOST_LETTERS: Final = 40  # of a word checked for typos


@dataclass(frozen=True, slots=True, kw_only=True)
class _Names:
    """Class names: normalised words -> the name and its class; first word -> lengths in words of such names."""

    by_words: Mapping[tuple[str, ...], tuple[str, str]]
    lengths: Mapping[str, Sequence[int]]


def lint(
    tree: Tree, *, aliases: Aliases = (), language: str = "en", context: int | None = CONTEXT
) -> Iterator[Problem]:
    """Yield problems TG601 to TG611, TG701 and TG702 of a tree whose types are valid.

    Args:
        tree: may have other problems.
        aliases: other names of classes: (class, names).
        language: of prompts and options; the word lists cover English only, other lints run for every language.
        context: most tokens of a text, including start and end; `None` if an encoder counts them itself.
    """
    english = _is_english(language)
    names = _named_classes(tree, aliases)
    for group in tree.groups:
        yield from _like_options(group, english)
        yield from _texts(group, names, english, context)
        if english:
            yield from _articles(group)
    yield from _silent_groups(tree)
    yield from _near_twins(tree)
    yield from _hardly_answering(tree)


def _is_english(language: str) -> bool:
    return language.partition("-")[0].casefold() in ("en", "english")


def _option_place(group: Group, index: int) -> str:
    return pointer_to("classification_groups", group.name, "options", index)


def _like_options(group: Group, english: bool) -> Iterator[Problem]:
    """Yield TG601 and TG602 at the later or longer of two options, TG608 at the group."""
    normal = [tuple(normalise(option).split()) for option in group.options]
    words = [content_words(n) for n in normal] if english else normal
    similar = _near_identical(words)
    for later, (earlier, how) in similar.items():
        if normal[later] != normal[earlier]:  # else it is a TG111
            message = f"{show(group.options[later])} is nearly {show(group.options[earlier])}: {how}"
            yield Problem(code="TG601", pointer=_option_place(group, later), message=message)
    for longer, inner in _containing(normal):
        if similar.get(longer, (-1, ""))[0] == inner or similar.get(inner, (-1, ""))[0] == longer:
            continue
        if english and _excluded(group.options[longer], normal[longer], normal[inner]):
            continue
        message = f"{show(group.options[longer])} contains {show(group.options[inner])}: where it applies, both do"
        yield Problem(code="TG602", pointer=_option_place(group, longer), message=message)
    if english and only_achromatic(words):
        message = (
            "CLIP rarely chooses white, gray or black: add the other colours that occur, or ask for something else; "
            f"the options are {', '.join(map(show, group.options[:5]))}"
        )
        yield Problem(code="TG608", pointer=pointer_to("classification_groups", group.name, "options"), message=message)


def _near_identical(options: Sequence[tuple[str, ...]]) -> dict[int, tuple[int, str]]:
    """Map the index of an option to the first earlier one that is nearly the same, and how they differ."""
    result: dict[int, tuple[int, str]] = {}
    first: dict[tuple[str, ...], int] = {}
    gaps: dict[tuple[int, tuple[str, ...]], list[int]] = defaultdict(list)
    for index, words in enumerate(options):
        earlier = first.setdefault(tuple(sorted(words)), index)
        if earlier != index:
            same = options[earlier] == words
            how = "they differ in filler words or spelling" if same else "the same words in another order"
            result[index] = (earlier, how if same else f"{how}, and CLIP hardly reads order")
            continue
        # options that agree in all words but one share a key: no need to compare every pair
        for place in range(len(words) if len(words) <= _MOST_WORDS else 0):
            gaps[place, words[:place] + words[place + 1 :]].append(index)
    for (place, _), same_but_one in gaps.items():
        for earlier, later in _slips(same_but_one, [options[i][place] for i in same_but_one]):
            a, b = options[earlier][place], options[later][place]
            result.setdefault(later, (earlier, f"{show(b)} and {show(a)} differ by one typo"))
    return dict(sorted(result.items()))


def _slips(indices: Sequence[int], words: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield index pairs, earlier first, of words one typo apart; candidates share a form with one letter deleted."""
    holders: dict[str, list[int]] = defaultdict(list)
    for number, word in enumerate(words) if len(words) > 1 else ():
        if not 5 <= len(word) <= _MOST_LETTERS or not word.isalpha():
            continue
        deletions = {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}
        candidates = {other for key in deletions for other in holders[key]}
        for other in sorted(candidates):
            if is_slip(words[other], word):
                yield indices[other], indices[number]
                break
        for key in deletions:
            holders[key].append(number)


def is_slip(a: str, b: str) -> bool:
    """Whether the words are one typo apart: a letter inserted, deleted, swapped with its neighbour, or replaced.

    Excluded: short words, and replaced letters in words of fewer than 7, which easily give a different word (curved,
    carved); and different first letters, which are hardly ever typos (mountain, fountain).

    >>> is_slip("triangular", "trianglar"), is_slip("house", "horse")
    (True, False)
    """
    if a == b or a[:1] != b[:1] or not (a + b).isalpha() or abs(len(a) - len(b)) > 1 or max(len(a), len(b)) < 6:
        return False
    start = next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))
    if len(a) != len(b):
        short, long = sorted((a, b), key=len)
        return short[start:] == long[start + 1 :]
    if a[start + 1 :] == b[start + 1 :]:
        return len(a) >= 7
    swapped = a[start + 1 : start + 2] == b[start : start + 1] and a[start : start + 1] == b[start + 1 : start + 2]
    return swapped and a[start + 2 :] == b[start + 2 :]


def _containing(options: Sequence[tuple[str, ...]]) -> Iterator[tuple[int, int]]:
    """Yield pairs (longer, shorter) where the longer option contains the words of the shorter in a row; one per longer.

    An option without words is contained in every other, so it is ignored.
    """
    index = {words: i for i, words in reversed(list(enumerate(options)))}
    lengths = sorted({len(words) for words in options if 0 < len(words) <= _MOST_WORDS})
    # look up every run of words instead of comparing every pair of options
    for longer, words in enumerate(options):
        parts = (words[at : at + n] for n in lengths if n < len(words) for at in range(len(words) - n + 1))
        inner = next((index[part] for part in parts if part in index), None)
        if inner is not None:
            yield longer, inner


def _excluded(option: str, longer: Sequence[str], shorter: Sequence[str]) -> bool:
    """Whether the longer option says that it is not the shorter: `no horn`, `more than 5`, `< 5`."""
    extra = set(longer) - set(shorter)
    return "than" in extra or any(map(is_sign, extra)) or any(f.code == "TG605" for f in doubtful_words(option))


def _texts(group: Group, names: _Names, english: bool, context: int | None) -> Iterator[Problem]:
    """Yield TG603 to TG607 and TG609: problems of the prompt or of a single option."""
    base = pointer_to("classification_groups", group.name, "prompt")
    yield from _wording(group.prompt, base, english, ignored="TG603")  # "the wings or fins are {}" is one question
    yield from _class_names(group.prompt.split("{}"), group.prompt, base, names)
    for index, option in enumerate(group.options):
        pointer = _option_place(group, index)
        yield from _wording(option, pointer, english)
        yield from _class_names([option], option, pointer, names)
    for index, text in enumerate(group.fill() if context is not None else ()):
        if context is not None and len(text) > context - 2 and (tokens := least_tokens(text)) > context:
            message = f"the filled prompt has at least {tokens} tokens, but CLIP reads only {context}: {show(text)}"
            yield Problem(code="TG609", pointer=_option_place(group, index), message=message)


def _articles(group: Group) -> Iterator[Problem]:
    """Yield TG611 at options before which the prompt has the wrong one of a and an."""
    found = _ARTICLE.search(group.prompt)
    for index, option in enumerate(group.options if found else ()):
        needed = article(option.strip())
        if found and needed and needed != found[1].casefold():
            message = (
                f"{show(group.fill()[index])}: {show(option)} needs {needed}; ask without an article, "
                "or give every option its own"
            )
            yield Problem(code="TG611", pointer=_option_place(group, index), message=message)


def lint_name_template(template: str, *, noun: str, names: Sequence[str], language: str = "en") -> Iterator[Problem]:
    """Yield TG611 for every place of a domain's name template with the wrong article, or with two.

    Args:
        template: the baseline's text, with the places {noun}, {a noun}, {name} and {a name}.
        noun: of the domain.
        names: its classes.
        language: articles are those of English.
    """
    places = _TEMPLATE_ARTICLE.finditer(template) if _is_english(language) else ()
    for place in places:
        written, own, key = place[1].casefold(), place[2], place[3]
        words = [noun] if key == "noun" else names
        double = [w for w in words if own or _OWN_ARTICLE.match(w.strip())]
        wrong = [w for w in words if written != "the" and article(w.strip()) not in ("", written)]
        if faulty := double or wrong:
            filled = place[0].replace(place[0][place[0].index("{") :], f"{article(faulty[0])} " * bool(own) + faulty[0])
            more = f" (and {len(faulty) - 1} more)" if len(faulty) > 1 else ""
            remedy = f"remove {show(place[1])} before it" if double else f"write {{a {key}}} for {show(place[0])}"
            message = f"{show(template)} reads {show(filled)}{more}: {remedy}"
            yield Problem(code="TG611", pointer="/name_template", message=message)


def _wording(text: str, pointer: str, english: bool, ignored: str = "") -> Iterator[Problem]:
    by_code: dict[str, dict[str, None]] = {}
    for finding in doubtful_words(text) if english else ():
        by_code.setdefault(finding.code, {})[finding.phrase] = None
    for code, phrases in by_code.items():
        if code != ignored:
            message = f"{' and '.join(map(show, phrases))} in {show(text)}: {_ADVICE[code]}"
            yield Problem(code=code, pointer=pointer, message=message)


def _named_classes(tree: Tree, aliases: Aliases) -> _Names:
    """Index class names by their first word; skip single letters and bare numbers, which any text may contain."""
    by_words: dict[tuple[str, ...], tuple[str, str]] = {}
    lengths: dict[str, set[int]] = defaultdict(set)
    alias_names = ((other, class_name) for class_name, some in aliases for other in some)
    for name, class_name in (*((name, name) for name in tree.classes), *alias_names):
        normal = normalise(name)
        if not (len(normal) == 1 and normal.isascii()) and any(map(str.isalpha, normal)):
            words = tuple(normal.split())
            by_words.setdefault(words, (name, class_name))
            lengths[words[0]].add(len(words))
    longest_first = {
        word: sorted((n for n in some if n <= _MOST_WORDS), reverse=True) for word, some in lengths.items()
    }
    return _Names(by_words=by_words, lengths=longest_first)


def _class_names(parts: Iterable[str], text: str, pointer: str, names: _Names) -> Iterator[Problem]:
    """Yield TG607, once per class that a text names; the longest matching name wins."""
    matches: dict[tuple[str, str], None] = {}
    for part in parts:
        words, place = normalise(part).split(), 0
        while place < len(words):
            parted = (tuple(words[place : place + n]) for n in names.lengths.get(words[place], ()))
            fitting = next((candidate for candidate in parted if candidate in names.by_words), None)
            if fitting:
                matches[names.by_words[fitting]] = None
            place += len(fitting) if fitting else 1
    for name, class_name in matches:
        what = f"the class {show(class_name)}" + (f" by its alias {show(name)}" if name != class_name else "")
        message = f"{show(text)} names {what}: CLIP would have to know it; describe what it looks like"
        yield Problem(code="TG607", pointer=pointer, message=message)


def _silent_groups(tree: Tree) -> Iterator[Problem]:
    """Yield TG701: groups in which every class that answers gives the same answer."""
    if len(tree.rules) < 2:
        return
    by_group: dict[str, set[int | None]] = defaultdict(set)
    for rule in tree.rules:
        for name, index in rule.answers:
            by_group[name].add(index)
    for group in tree.groups:
        answers = by_group[group.name] - {None}
        if len(answers) < 2:
            message = f"{show(group.name)} does not separate any classes: " + (
                "every class that answers gives the same answer" if answers else "no class answers"
            )
            yield Problem(code="TG701", pointer=pointer_to("classification_groups", group.name), message=message)


def _near_twins(tree: Tree) -> Iterator[Problem]:
    """Yield TG702 at the later of two classes that only one group distinguishes, once per class."""
    if len(tree.groups) < 2:  # else it would hold for every two classes
        return
    answers = [dict(rule.answers) for rule in tree.rules]
    owners, most = [rule.class_name for rule in tree.rules], max(map(len, tree.looks.values()), default=1)
    twins: dict[int, list[tuple[int, str]]] = defaultdict(list)
    counts: dict[int, int] = defaultdict(int)
    for group, alike in _alike_but_one(tree, answers):
        earlier: dict[int | None, list[int]] = defaultdict(list)
        own: Counter[tuple[str, int | None]] = Counter()  # of one class, which need not be told apart
        for number, later in enumerate(alike):
            own_answer, owner = answers[later].get(group), owners[later]
            some = [i for answer, few in earlier.items() if answer != own_answer for i in few[: _NAMED + most - 1]]
            twins[later] += [(i, group) for i in sorted(i for i in some if owners[i] != owner)[:_NAMED]]
            looks = sum(own[owner, answer] for answer in earlier if answer != own_answer) if most > 1 else 0
            counts[later] += number - len(earlier[own_answer]) - looks
            earlier[own_answer].append(later)
            own[owner, own_answer] += 1
    names = tree.rows
    for later in sorted(i for i, count in counts.items() if count):
        named = sorted(twins[later])[:_NAMED]
        listed = ", ".join(f"from {show(names[i])} in {show(group)} only" for i, group in named)
        more = counts[later] - len(named)
        message = f"{show(names[later])} differs {listed}" + (
            f", and from {more} more in one group only" if more else ""
        )
        yield Problem(code="TG702", pointer=pointer_to("rules", names[later]), message=message)


def _hardly_answering(tree: Tree) -> Iterator[Problem]:
    """Yield TG610: classes of which nulls leave two answers or fewer, so that one or two groups decide their score."""
    names = [group.name for group in tree.groups]
    for rule in tree.rules:
        given = dict(rule.answers)
        answers = [name for name in names if given.get(name) is not None]
        if 0 < len(answers) <= _FEW_ANSWERS and len(answers) < len(names):  # of none TG201 says so
            where = " and ".join(map(show, answers))
            message = (
                f"{show(rule.name)} is answered by only {where} of {counted(len(names), 'group')}, the rest is null: "
                "its score rests on that alone; give it the answers that most of its images show"
            )
            yield Problem(code="TG610", pointer=pointer_to("rules", rule.name), message=message)


def _alike_but_one(tree: Tree, answers: Sequence[Mapping[str, int | None]]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Yield groups with classes that answer alike in all others; found by comparing sums of random numbers."""
    generator = random.Random(0)
    numbers: dict[tuple[str, int | None], int] = defaultdict(lambda: generator.getrandbits(64))
    names = [group.name for group in tree.groups]
    # a class is the sum of its answers' random numbers; without one group it is the sum less that number, so
    # classes that differ only there have equal keys: linear, where comparing all pairs would be quadratic
    columns = {name: [numbers[name, given.get(name)] for given in answers] for name in names}
    sums = [sum(row) for row in zip(*columns.values(), strict=True)]
    for name in names:
        rest = [total - value for total, value in zip(sums, columns[name], strict=True)]
        if len(set(rest)) == len(rest):
            continue
        alike: dict[tuple[int, tuple[int | None, ...]], list[int]] = defaultdict(list)
        duplicates = {key for key, count in Counter(rest).items() if count > 1}
        for index, key in enumerate(rest):
            if key in duplicates:
                # 64 bits can collide: equal keys only nominate classes, their answers decide
                others = tuple(answers[index].get(other) for other in names if other != name)
                alike[key, others].append(index)
        yield from ((name, tuple(same)) for same in alike.values() if len(same) > 1)
