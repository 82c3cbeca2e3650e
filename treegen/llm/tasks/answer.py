"""A vision model answers the questions of a tree about one picture: first what is seen, then an option of each group.

Source: Zhang et al. 2023, Multimodal Chain-of-Thought (rationale first, then the answer).
"""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

from treegen.config.domain import Domain
from treegen.errors import ModelError
from treegen.llm.chat.interface import Chat, Message
from treegen.llm.prompting.response_schemas import answers_to
from treegen.llm.prompting.templates import render
from treegen.llm.reading.parser import keyed, parse_reply
from treegen.llm.reading.repairs import Notes, only, renamed
from treegen.llm.tasks.attempts import Attempt, Listener, Read, Reader
from treegen.llm.tasks.conversation import RepairLoop
from treegen.text import show
from treegen.tree.model import Group, Tree
from treegen.tree.validation.normalise import normalise
from treegen.tree.validation.problems import Problem, pointer_to

PURPOSE: Final = "answer"
_LONGEST: Final = 1000  # characters of a rationale


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureAnswers:
    """What a vision model says of a picture.

    Attributes:
        seen: its rationale.
        answers: group -> option; `None` where it cannot be seen.
        failure: why there are no answers; empty if there are.
    """

    seen: str = ""
    answers: Mapping[str, str | None]
    failure: str = ""


def answer_request(domain: Domain, tree: Tree, picture: str) -> tuple[Message, ...]:
    """Return the request about one picture, which is a data URL."""
    groups = [{"name": g.name, "prompt": g.prompt, "options": list(g.options)} for g in tree.groups]
    text = render("answer", domain.folder, noun=domain.noun, groups=groups)
    return (Message(role="user", content=text, images=(picture,)),)


def answer_pictures(
    domain: Domain,
    tree: Tree,
    chat: Chat,
    pictures: Mapping[str, str],
    *,
    tries: int,
    concurrency: int = 1,
    on_attempt: Listener | None = None,
    on_done: Callable[[], None] = lambda: None,
) -> dict[str, PictureAnswers]:
    """Ask a vision model about pictures, in one request each.

    Args:
        domain: names the noun.
        tree: its groups are asked.
        chat: a vision model; called from several threads if `concurrency` is above 1.
        pictures: key -> data URL.
        tries: most replies for each picture; one without errors is the last.
        concurrency: most simultaneous requests.
        on_attempt: called with each attempt, one at a time, on any thread.
        on_done: called after each picture.

    Returns:
        Key -> what the model says, for all pictures.

    Raises:
        ModelError: the model failed, a cap is reached, or it takes no pictures.
        InputError: a template of the user is invalid.
    """
    lock = Lock()

    def report(attempt: Attempt) -> None:
        with lock:
            if on_attempt:
                on_attempt(attempt)

    loop = RepairLoop(domain, chat, report, None)

    def answer(picture: str) -> PictureAnswers:
        request, reader = answer_request(domain, tree, picture), _reader(tree.groups)
        attempt, stopped = loop.until_sound(PURPOSE, request, reader, answers_to(tree.groups), tries)
        return PictureAnswers(answers={}, failure=stopped) if stopped else PictureAnswers(**attempt.data)

    with ThreadPoolExecutor(concurrency, "answers") as pool:
        running = {pool.submit(answer, picture): key for key, picture in pictures.items()}
        try:
            for future in as_completed(running):
                future.result()
                on_done()
        except ModelError as error:
            if error.code != "bad-request":
                raise  # its cause is known
            message = f"{error.message}: the request had a picture; perhaps {chat.name} does not accept images"
            raise ModelError(message, "name a model with vision") from None
        finally:
            pool.shutdown(wait=False, cancel_futures=True)  # those that are sent are paid for, and end in the cache
    return {key: future.result() for future, key in running.items()}


def _reader(groups: tuple[Group, ...]) -> Reader:
    names = [group.name for group in groups]

    def read(text: str, finish: str | None) -> Read:
        parsed = parse_reply(text, finish=finish, shape=keyed("answers"))
        if parsed.data is None:
            return Read(problems=parsed.problems)
        notes = Notes()
        data = only(parsed.data, ["seen", "answers"], notes)
        answers, seen = data["answers"], data.get("seen")
        if not isinstance(answers, dict):
            message = f"expected an object of answers, found {show(answers)}"
            return Read(problems=(Problem(code="TG103", pointer="/answers", message=message),))
        answers = only(renamed(answers, names, notes), names, notes)
        chosen = {group.name: _option(group, answers[group.name]) for group in groups if group.name in answers}
        problems = [_problem(group, answers) for group in groups if isinstance(chosen.get(group.name, 0), int)]
        result = {"seen": " ".join(str(seen or "").split())[:_LONGEST], "answers": chosen}
        remarks = (*parsed.notes, *notes.sentences)
        return Read(problems=tuple(problems), data=result, repaired=parsed.repaired, notes=remarks)

    return read


def _option(group: Group, answer: Any) -> str | int | None:
    """Return the option that an answer means, or `None` for none; 0 if it means neither."""
    if answer is None:
        return None
    if not isinstance(answer, str):
        return 0
    words = normalise(answer)
    return next((option for option in group.options if option == answer or normalise(option) == words), 0)


def _problem(group: Group, answers: Mapping[str, Any]) -> Problem:
    pointer = pointer_to("answers", group.name)
    if group.name not in answers:
        return Problem(code="TG104", pointer=pointer, message=f"{show(group.name)} has no answer; null if not visible")
    options = ", ".join(map(show, group.options))
    message = f"{show(answers[group.name])} is no option of {show(group.name)}; choose one of {options}, or null"
    return Problem(code="TG106", pointer=pointer, message=message)
