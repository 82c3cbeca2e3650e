"""The first of two stages of a draft with pictures: a vision model says what distinguishes each class.

Source: Zhang et al. 2023, Multimodal Chain-of-Thought (rationale first, then the answer). Here the rationale is kept
and shown, and the answer is the tree.
"""

from collections.abc import Sequence
from typing import Any, Final

from treegen.config.class_notes import notes_of
from treegen.config.domain import Domain
from treegen.config.settings import LlmSettings
from treegen.errors import InputError, ModelError
from treegen.llm.chat.interface import Chat, Message, OnText
from treegen.llm.prompting.languages import language_of
from treegen.llm.prompting.response_schemas import descriptions_of
from treegen.llm.prompting.templates import render
from treegen.llm.reading.parser import keyed, parse_reply
from treegen.llm.reading.repairs import Notes, leave_out, only, renamed
from treegen.llm.tasks.attempts import Conversation, Listener, Read, Reader
from treegen.llm.tasks.batched_draft import MOST_SHOWN, Pictures, numbered
from treegen.llm.tasks.likeness import Pair, clusters_of
from treegen.llm.tasks.part_maker import InMemoryParts, Part, PartMaker, PartStore, Stopped
from treegen.progress import Progress, no_progress
from treegen.text import show
from treegen.tree.validation.problems import Problem, pointer_to

MOST_IMAGES: Final = MOST_SHOWN  # pictures per request
MOST_CLASSES: Final = 12  # described together
_LONGEST: Final = 600  # characters of one description


def refuse_blind(settings: LlmSettings, option: str = "--model", otherwise: str = "draft without --images") -> None:
    """Refuse pictures for a model that is known not to accept them.

    litellm says no for every model that it does not know, so such models are tried.

    Args:
        settings: name the model.
        option: that names it on the command line.
        otherwise: what to do without one that accepts them.

    Raises:
        ModelError: the model is known and takes no images.
        InputError: pictures cannot be pasted.
    """
    name = settings.model or ""
    if name == "manual":
        message = f"pictures cannot be pasted with {option} manual"
        if option == "--model":
            otherwise = "write notes on the classes below [notes] in domain.toml"
        raise InputError(message, f"use a model with vision, or {otherwise}")
    if not name or name.startswith("replay/") or settings.api_base:
        return
    from treegen.remote.litellm import load_litellm

    litellm = load_litellm()
    provider, _, short_name = name.partition("/")
    info = litellm.model_cost.get(name) or litellm.model_cost.get(short_name)
    if info and info.get("litellm_provider") in (None, provider, "openai") and not litellm.supports_vision(model=name):
        raise ModelError(f"{name} does not accept images", f"use a model with vision, or {otherwise}")


def describe(
    domain: Domain,
    chat: Chat,
    pictures: Pictures,
    *,
    tries: int,
    store: PartStore | None = None,
    concurrency: int = 1,
    confused: Sequence[Pair] = (),
    on_attempt: Listener | None = None,
    on_text: OnText | None = None,
    progress: Progress = no_progress,
) -> tuple[dict[str, str], Conversation]:
    """Ask a model what it sees in pictures of the classes, some classes at a time.

    Args:
        domain: names the classes.
        chat: a vision model.
        pictures: class -> its pictures as data URLs; from the dev split, never from the test split.
        tries: most replies per request.
        store: as for `draft_in_parts`.
        concurrency: as for `draft_in_parts`.
        confused: as for `draft_in_parts`.
        on_attempt: as for `draft_in_parts`.
        on_text: as for `draft_in_parts`.
        progress: called with the number of described classes.

    Returns:
        Class -> description, and the conversation; if descriptions are missing, `stopped` says why.

    Raises:
        ModelError: the model failed, or takes no pictures.
        Cancelled: `on_text` raised it.
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
    batches = _batches(domain, pictures, confused)
    ready = [0]

    def done(place: int) -> None:
        ready[0] += len(batches[place])
        progress("describing classes", ready[0], sum(map(len, batches)))

    try:
        texts = maker.make(description_parts(domain, pictures, confused), done)
    except Stopped:
        return {}, Conversation(attempts=tuple(maker.loop.attempts), tree=None, stopped=maker.stopped)
    except ModelError as error:
        if error.code != "bad-request":
            raise  # its cause is known
        message = f"{error.message}: the request had pictures; perhaps {chat.name} does not accept images"
        raise ModelError(message, "use a model with vision, or draft without --images") from None
    descriptions = {name: text for part in texts for name, text in part.items()}
    return descriptions, Conversation(attempts=tuple(maker.loop.attempts), tree=None, taken=maker.taken)


def description_parts(domain: Domain, pictures: Pictures, confused: Sequence[Pair] = ()) -> list[Part]:
    """Return the steps that request descriptions of pictures, some classes at a time."""
    batches = enumerate(_batches(domain, pictures, confused), 1)
    return [_part(domain, pictures, names, number) for number, names in batches]


def _batches(domain: Domain, pictures: Pictures, confused: Sequence[Pair]) -> list[list[str]]:
    """Group classes with pictures into few, even requests: a class alone has nothing to be compared with."""
    shown = [name for name in domain.classes if pictures.get(name)]
    names = [name for cluster in clusters_of(shown, confused) for name in cluster]
    greedy = _filled(names, pictures, MOST_CLASSES)
    even = _filled(names, pictures, -(-len(names) // max(1, len(greedy))))
    return even if len(even) == len(greedy) else greedy


def _filled(names: Sequence[str], pictures: Pictures, most: int) -> list[list[str]]:
    """Fill batches of up to `most` classes and `MOST_IMAGES` pictures."""
    batches: list[list[str]] = []
    count = 0
    for name in names:
        pictures_of_class = len(pictures[name])
        if not batches or count + pictures_of_class > MOST_IMAGES or len(batches[-1]) >= most:
            batches.append([])
            count = 0
        batches[-1].append(name)
        count += pictures_of_class
    return batches


def _part(domain: Domain, pictures: Pictures, names: Sequence[str], number: int) -> Part:
    text = render(
        "describe",
        domain.folder,
        name=domain.name,
        noun=domain.noun,
        description=domain.description,
        **notes_of(domain, names),
        shown=numbered({name: pictures[name] for name in names}),
        **language_of(domain),
    )
    images = tuple(url for name in names for url in pictures[name])
    request = (Message(role="user", content=text, images=images),)
    return Part(
        name=f"descriptions {number}",
        purpose="describe",
        request=request,
        wire=descriptions_of(names),
        reader=_reader(names),
    )


def _reader(names: Sequence[str]) -> Reader:
    def read(text: str, finish: str | None) -> Read:
        parsed = parse_reply(text, finish=finish, shape=keyed("descriptions"))
        if parsed.data is None:
            return Read(problems=parsed.problems)
        notes = Notes()
        descriptions = only(parsed.data, ["descriptions"], notes)["descriptions"]
        if isinstance(descriptions, dict):
            descriptions = leave_out(renamed(descriptions, names, notes), names, notes, what="descriptions")
        problems = _problems(descriptions, names)
        data = {} if problems else {name: " ".join(descriptions[name].split())[:_LONGEST] for name in names}
        remarks = (*parsed.notes, *notes.sentences)
        return Read(problems=tuple(problems), data=data, repaired=parsed.repaired, notes=remarks)

    return read


def _problems(descriptions: Any, names: Sequence[str]) -> list[Problem]:
    if not isinstance(descriptions, dict):
        message = f"expected an object of descriptions, found {show(descriptions)}"
        return [Problem(code="TG103", pointer="/descriptions", message=message)]
    problems = []
    for name in names:
        text, pointer = descriptions.get(name), pointer_to("descriptions", name)
        if text is None:
            problems.append(Problem(code="TG104", pointer=pointer, message=f"{show(name)} has no description"))
        elif not isinstance(text, str) or not text.strip():
            message = f"expected a text for {show(name)}, found {show(text)}"
            problems.append(Problem(code="TG103", pointer=pointer, message=message))
    return problems
