"""Draft a large domain in steps: the groups, then the rules in batches, then what separates equal rules."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from treegen.config.class_notes import notes_of
from treegen.config.domain import Domain
from treegen.llm.chat.interface import Chat, Message, OnText
from treegen.llm.prompting.languages import language_of
from treegen.llm.prompting.response_schemas import GROUPS, rules_of, tell_apart
from treegen.llm.prompting.templates import render
from treegen.llm.reading.batch_parser import Plain, apart_reader, as_groups, groups_reader, rules_reader
from treegen.llm.reading.repairs import Notes, grow, repair_answers
from treegen.llm.tasks.attempts import Conversation, Listener
from treegen.llm.tasks.draft import groups_in_words
from treegen.llm.tasks.likeness import Pair, batches_of
from treegen.llm.tasks.part_maker import InMemoryParts, Part, PartMaker, PartStore, Stopped
from treegen.llm.tasks.repair import check_tree_data
from treegen.progress import Progress, no_progress
from treegen.text import show
from treegen.tree.validation.problems import Problem, errors_of, pointer_to

THRESHOLD: Final = 60  # classes up to which a tree is requested as a whole
BATCH: Final = 40  # classes whose rules are requested together
MOST_SHOWN: Final = 16  # pictures per request
_ROUNDS: Final = 3  # most rounds to separate equal rules, beyond one per batch


#: class -> its pictures as data URLs
Pictures = Mapping[str, Sequence[str]]


def draft_in_parts(
    domain: Domain,
    chat: Chat,
    *,
    tries: int,
    size: int = BATCH,
    store: PartStore | None = None,
    concurrency: int = 1,
    descriptions: dict[str, str] | None = None,
    pictures: Pictures | None = None,
    confused: Sequence[Pair] = (),
    on_attempt: Listener | None = None,
    on_text: OnText | None = None,
    progress: Progress = no_progress,
) -> Conversation:
    """Draft a tree in steps.

    Args:
        domain: of any size.
        chat: the language model; called from several threads if `concurrency` is above 1.
        tries: most replies per step.
        size: classes whose rules are requested together.
        store: finished steps of an earlier run, and where to store those of this one.
        concurrency: most simultaneous requests.
        descriptions: what a model saw in pictures of the classes.
        pictures: class -> pictures as data URLs; classes that remain alike are shown side by side.
        confused: classes of which one was taken for the other; they are requested together.
        on_attempt: called with each attempt, on this thread.
        on_text: called with a reply as it streams in, one of them if several do at a time; may raise `Cancelled`.
        progress: called with the number of classes that have their rules.

    Raises:
        ModelError: the model failed; finished steps are stored.
        Cancelled: `on_text` raised it; finished steps are stored.
    """
    maker = PartMaker(
        domain,
        chat,
        tries=tries,
        store=store or InMemoryParts(),
        concurrency=concurrency,
        on_attempt=on_attempt,
        on_text=on_text,
    )
    try:
        tree, added = _assemble(maker, size, _Known(descriptions or {}, pictures or {}, confused), progress)
    except Stopped:
        draft = _as_far(domain, maker.results)
        return Conversation(attempts=tuple(maker.loop.attempts), tree=None, stopped=maker.stopped, draft=draft)
    read = check_tree_data(domain, tree)
    errors = errors_of(read.problems)
    return Conversation(
        attempts=tuple(maker.loop.attempts),
        tree=None if errors else read.tree,
        found=(*read.problems, *_added_problems(tree["classification_groups"], added)),
        taken=maker.taken,
        stopped="some rules are still the same" if errors else "",
        draft=tree if errors else None,
    )


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of the classes beside the domain."""

    descriptions: dict[str, str]
    pictures: Pictures
    confused: Sequence[Pair] = ()


#: an option that the rules added: group, option, class
Added = tuple[str, str, str]


def _as_far(domain: Domain, results: dict[str, Any]) -> Plain | None:
    """Assemble what the steps gave before one failed; `None` if there are not even groups."""
    if not results.get("groups"):
        return None
    separated = [data for name, data in results.items() if name.startswith("twins ")]
    drafted = [data for name, data in results.items() if name.startswith("rules ")]
    try:
        return separated[-1] if separated else _joined(domain, results["groups"], drafted)[0]
    except (LookupError, TypeError, AttributeError):  # the groups themselves have errors
        return {"classification_groups": results["groups"], "rules": {}}


def _assemble(maker: PartMaker, size: int, known: _Known, progress: Progress) -> tuple[Plain, list[Added]]:
    """Assemble groups and rules of all steps; return also the options that the rules added."""
    domain, task = maker.domain, "drafting rules"
    (groups,) = maker.make([groups_part(domain, known.descriptions)])
    parts = rules_parts(domain, groups, size, known.descriptions, known.confused)
    batches = batches_of(domain.classes, size, known.confused)
    ready = [0]

    def done(place: int) -> None:
        ready[0] += len(batches[place])
        progress(task, ready[0], len(domain.classes))

    tree, added = _joined(domain, groups, maker.make(parts, done))
    return _separated(maker, tree, size, known, len(batches) + _ROUNDS), added


def _joined(domain: Domain, groups: Plain, drafted: Sequence[Any]) -> tuple[Plain, list[Added]]:
    """Join the rules of all batches in the order of the classes; words in them become options of their groups."""
    together: Plain = {}
    alike: list[list[str]] = []
    looks: dict[str, list[str]] = {}
    for data in drafted:
        if isinstance(data, dict) and isinstance(data.get("rules"), dict):
            together |= data["rules"]
            alike += data["alike"]
            looks |= data.get("looks", {})
    rows = (row for name in domain.classes for row in looks.get(name, (name,)))
    rules = {name: together[name] for name in rows if name in together}
    grown = grow(groups, rules, Notes())
    added = [
        (group, option, next(n for n, rule in rules.items() if _says(rule.get(group), option)))
        for group, body in grown.items()
        for option in body["options"][len(groups[group]["options"]) :]
    ]
    extra = {"looks": looks} if looks else {}
    indexed = repair_answers(grown, rules, Notes())
    return {"classification_groups": grown, **extra, "rules": indexed, "alike": alike}, added


def _says(answer: Any, option: str) -> bool:
    return isinstance(answer, str) and answer.strip() == option


def _added_problems(groups: Plain, added: Sequence[Added]) -> list[Problem]:
    return [
        Problem(
            code="TG507",
            pointer=pointer_to("classification_groups", group, "options", groups[group]["options"].index(option)),
            message=f"the model gave {show(option)} for {show(name)}, which {show(group)} lacked: see who else has it",
            classes=(name,),
        )
        for group, option, name in added
    ]


def separate(
    domain: Domain,
    chat: Chat,
    conversation: Conversation,
    pictures: Pictures,
    *,
    tries: int,
    store: PartStore | None = None,
    on_attempt: Listener | None = None,
    on_text: OnText | None = None,
) -> Conversation:
    """Show the classes that a draft could not tell apart side by side, once; return the conversation with the outcome.

    Args:
        domain: that of the draft.
        chat: a vision model.
        conversation: a draft of a whole tree.
        pictures: class -> pictures as data URLs.
        tries: most replies.
        store: as for `draft_in_parts`.
        on_attempt: as for `draft_in_parts`.
        on_text: as for `draft_in_parts`.

    Raises:
        ModelError: the model failed.
        Cancelled: `on_text` raised it.
    """
    data = conversation.attempts[-1].data if conversation.attempts else None
    if not isinstance(data, dict) or not data.get("alike"):
        return conversation
    maker = PartMaker(
        domain,
        chat,
        tries=tries,
        store=store or InMemoryParts(),
        on_attempt=on_attempt,
        on_text=on_text,
        before=len(conversation.attempts),
    )
    try:
        tree = _separated(maker, data, MOST_SHOWN, _Known({}, pictures), 1)
    except Stopped:
        return conversation  # a sound tree with equal rules is better than none
    read = check_tree_data(domain, tree)
    if errors_of(read.problems):
        return conversation
    attempts = (*conversation.attempts, *maker.loop.attempts)
    return Conversation(attempts=attempts, tree=read.tree, found=read.problems)


def _separated(maker: PartMaker, tree: Plain, size: int, known: _Known, rounds: int) -> Plain:
    """Have classes with equal rules told apart; those that are declared alike too, if there are pictures of them."""
    # one request holds only some clusters, and its answers may equal other rules: repeat, but not forever
    for number in range(1, rounds + 1):
        settled = tree["alike"] if number > 1 or not known.pictures else []
        alike = _alike(tree["rules"], min(size, MOST_SHOWN) if known.pictures else size, settled)
        if not alike:
            break
        (separated,) = maker.make([_apart_part(maker.domain, tree, alike, number, known)])
        requested = {name for cluster in alike for name in cluster}
        tree = {**separated, "alike": [*(c for c in tree["alike"] if not set(c) <= requested), *separated["alike"]]}
    return tree


def _alike(rules: Plain, limit: int, settled: Sequence[Sequence[str]]) -> list[list[str]]:
    """Return clusters of classes with equal rules that nobody declared alike, as many as fit in one request."""
    by_rule: dict[str, list[str]] = {}
    for name, rule in rules.items():
        by_rule.setdefault(json.dumps(rule, sort_keys=True), []).append(name)
    chosen: list[list[str]] = []
    for cluster in by_rule.values():
        if len(cluster) < 2 or any(set(cluster) <= set(names) for names in settled):
            continue
        if not chosen or sum(map(len, chosen)) + len(cluster) <= limit:
            chosen.append(cluster)
    return chosen


def _request(domain: Domain, template: str, about: Sequence[str], **values: Any) -> tuple[Message, ...]:
    """Render a request with the notes on the classes that it is about."""
    shared = {"name": domain.name, "noun": domain.noun, "description": domain.description}
    text = render(template, domain.folder, **shared, **notes_of(domain, about), **language_of(domain), **values)
    return Message(role="system", content=render("system", domain.folder)), Message(role="user", content=text)


def groups_part(domain: Domain, descriptions: dict[str, str]) -> Part:
    """Return the step that requests the groups."""
    values = {"hints": list(domain.hints), "classes": list(domain.classes), "descriptions": descriptions}
    request = _request(domain, "groups", domain.classes, **values, **groups_in_words(len(domain.classes)))
    return Part(name="groups", purpose="draft-groups", request=request, wire=GROUPS, reader=groups_reader(domain))


def rules_parts(
    domain: Domain, groups: Plain, size: int, descriptions: dict[str, str], confused: Sequence[Pair] = ()
) -> list[Part]:
    """Return the steps that request the rules, in batches of that many classes."""
    batches = enumerate(batches_of(domain.classes, size, confused), 1)
    return [_rules_part(domain, groups, batch, number, descriptions) for number, batch in batches]


def _rules_part(domain: Domain, groups: Plain, batch: Sequence[str], number: int, descriptions: dict[str, str]) -> Part:
    group_list = as_groups(groups)

    def halves() -> tuple[Part, ...]:
        middle = len(batch) // 2
        return tuple(
            _rules_part(domain, groups, half, number, descriptions) for half in (batch[:middle], batch[middle:])
        )

    request = _request(domain, "rules", batch, groups=group_list, classes=list(batch), descriptions=descriptions)
    return Part(
        name=f"rules {number}",
        purpose="draft-rules",
        request=request,
        wire=rules_of(group_list, batch),
        reader=rules_reader(domain, groups, batch),
        split=halves if len(batch) > 1 else None,
    )


def _apart_part(domain: Domain, tree: Plain, alike: Sequence[Sequence[str]], number: int, known: _Known) -> Part:
    groups, rules = tree["classification_groups"], tree["rules"]
    names = [name for cluster in alike for name in cluster]
    clusters = [(_in_words(groups, rules[cluster[0]]), list(cluster)) for cluster in alike]
    each = max(1, MOST_SHOWN // len(names))
    urls = {name: list(known.pictures.get(name, ()))[:each] for name in names[:MOST_SHOWN]}
    values = {"groups": as_groups(groups), "clusters": clusters, "descriptions": known.descriptions}
    request = _request(domain, "apart", names, **values, shown=numbered(urls))
    request = (request[0], replace(request[1], images=tuple(url for name in urls for url in urls[name])))
    reader = apart_reader(domain, groups, rules, names, tree.get("looks"))
    return Part(name=f"twins {number}", purpose="draft-twins", request=request, wire=tell_apart(names), reader=reader)


def numbered(pictures: Pictures) -> list[tuple[str, int, int]]:
    """Return class, first and last picture, counted from 1 in the order of a request."""
    shown: list[tuple[str, int, int]] = []
    for name, urls in pictures.items():
        first = shown[-1][2] + 1 if shown else 1
        shown += [(name, first, first + len(urls) - 1)] if urls else []
    return shown


def _in_words(groups: Plain, rule: Plain) -> dict[str, str | None]:
    return {name: None if rule.get(name) is None else group["options"][rule[name]] for name, group in groups.items()}
