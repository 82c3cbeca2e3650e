"""A second opinion on images that CLIP is not sure of: a vision model answers the tree's questions about them."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from treegen.config.domain import Domain
from treegen.config.settings import LlmSettings, SecondSettings
from treegen.config.trust import Trust, asking
from treegen.errors import InputError
from treegen.history.checkpoints import Checkpoints
from treegen.history.store import Store
from treegen.images import LabelledImage, open_picture
from treegen.images.data_urls import data_url
from treegen.text import counted, quoted
from treegen.tree.document import digest_of
from treegen.tree.model import Tree
from treegen.workflow.recording import Recorder, forget_failed
from treegen.workflow.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.questions import SecondOpinion
    from treegen.llm.chat.estimate import Estimate
    from treegen.llm.chat.interface import Chat
    from treegen.llm.chat.response_cache import ResponseCache
    from treegen.llm.tasks.attempts import Attempt, Listener

#: called before requests are sent: what for, how many, and what they may cost
OnPlan = Callable[[str, int, "Estimate"], None]
_NAME: Final = "opinion"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opinion:
    """What a vision model says of a picture.

    Attributes:
        model: its name.
        seen: its rationale.
        answers: group -> option; `None` where it cannot be seen.
        cost: USD of its replies, also of those that an earlier run paid; `None` if unknown.
        failure: why there are no answers; empty if there are.
    """

    model: str
    seen: str
    answers: Mapping[str, str | None]
    cost: float | None = None
    failure: str = ""


@dataclass(slots=True, kw_only=True)
class SecondModel:
    """A vision model, ready to be asked about pictures.

    Attributes:
        workspace: names domain, history and dev split.
        tree: whose questions it answers.
        chat: the model.
        settings: of the model.
        below: it is asked where the most probable class is less probable than that, 0 to 1.
        images: dev images of each class by which its confusions are learnt.
        tries: most replies for each picture.
        responses: the cache of its replies, which knows what earlier runs paid.
        on_plan: called before requests are sent.
        on_attempt: called with each attempt.
        learnt: its confusions, once they are learnt.
        learnt_from: digests of the images they were learnt from.
        learning_cost: USD of that; `None` if unknown.
    """

    workspace: Workspace
    tree: Tree
    chat: "Chat"
    settings: LlmSettings
    below: float
    images: int
    tries: int = 2
    responses: "ResponseCache | None" = None
    on_plan: OnPlan | None = None
    on_attempt: "Listener | None" = None
    learnt: "SecondOpinion | None" = None
    learnt_from: frozenset[str] = frozenset()
    learning_cost: float | None = 0.0
    _opinions: dict[str, Opinion] = field(default_factory=dict)

    def learn(self) -> None:
        """Ask about some dev images of each class, and count how often the answers are right.

        Raises:
            InputError: the domain has no images.
            ModelError: the model failed or a cap is reached; replies so far are cached.
        """
        if self.learnt is not None:
            return
        from treegen.clip.questions import SecondOpinion

        evaluator = self.workspace.evaluator
        dev = evaluator.splits["dev"]
        rows = _sample(dev.images, self.images)
        opinions = self.ask_images([dev.images[row] for row in rows], "to learn how often it is right")
        usable = [(row, o) for row, o in zip(rows, opinions, strict=True) if not o.failure]
        if not usable:
            reason = f": {opinions[0].failure}" if opinions else ""
            raise InputError(f"{self.chat.name} gave no usable answer{reason}", "name another model with vision")
        answers = self.indices([opinion for _, opinion in usable])
        rules = evaluator.evidence(self.tree, dev.features, names=False)
        self.learnt = SecondOpinion.learn(rules, answers, [dev.labels[row] for row, _ in usable])
        self.learnt_from = frozenset(dev.images[row].digest for row in rows)
        self.learning_cost = total_cost(opinions)

    def ask_images(self, images: Sequence[LabelledImage], purpose: str) -> list[Opinion]:
        """Ask about images of the domain's set, and keep what was said of each by its content."""
        assert self.workspace.domain.images is not None
        crop = self.workspace.domain.images.crop
        opinions = self.ask([data_url(open_picture(image, crop)) for image in images], purpose)
        self.store({image.digest: opinion for image, opinion in zip(images, opinions, strict=True)})
        return opinions

    def store(self, opinions: Mapping[str, Opinion]) -> None:
        """Store opinions by the content of their images, for the review and the report."""
        checkpoints, key = Checkpoints(self.workspace.store), _key(self.tree)
        for digest, opinion in opinions.items():
            if not opinion.failure:
                stored = {"model": opinion.model, "seen": opinion.seen, "answers": dict(opinion.answers)}
                checkpoints.put(f"{_NAME} {digest}", key, json.dumps(stored))

    def ask(self, pictures: Sequence[str], purpose: str) -> list[Opinion]:
        """Ask about pictures (data URLs), in one request each; equal pictures once.

        Raises:
            ModelError: the model failed or a cap is reached; replies so far are cached.
        """
        from treegen.llm.chat.estimate import estimate
        from treegen.llm.tasks.answer import answer_pictures, answer_request

        new = {url: url for url in dict.fromkeys(pictures) if url not in self._opinions}
        if new:
            domain, costs = self.workspace.domain, _Costs(self.responses)
            if self.on_plan:
                first = answer_request(domain, self.tree, next(iter(new)))
                self.on_plan(purpose, len(new), estimate(self.settings, first, self._usual_reply()))
            recorder = Recorder(self.workspace.store, self.chat, self._listeners(costs))
            done = [0]

            def on_done() -> None:
                done[0] += 1
                self.workspace.progress(f"asking {self.chat.name}", done[0], len(new))

            try:
                found = answer_pictures(
                    domain,
                    self.tree,
                    recorder,
                    new,
                    tries=self.tries,
                    concurrency=self.settings.concurrency,
                    on_attempt=recorder.record,
                    on_done=on_done,
                )
            finally:
                forget_failed(self.workspace.store, costs.attempts)
            for url, reply in found.items():
                self._opinions[url] = Opinion(
                    model=self.chat.name,
                    seen=reply.seen,
                    answers=reply.answers,
                    cost=costs.by_picture.get(url),
                    failure=reply.failure,
                )
        return [self._opinions[url] for url in pictures]

    def indices(self, opinions: Sequence[Opinion]) -> "NDArray[np.int64]":
        """Return the answers (B, G) as indices of options, -1 where there is none."""
        import numpy as np

        def index(options: tuple[str, ...], answer: str | None) -> int:
            return -1 if answer is None else options.index(answer)

        rows = [[index(g.options, o.answers.get(g.name)) for g in self.tree.groups] for o in opinions]
        return np.array(rows, np.int64).reshape(len(opinions), len(self.tree.groups))

    def join(self, posterior: "NDArray[np.float64]", opinions: Sequence[Opinion]) -> "NDArray[np.float64]":
        """Return the posterior (B, K) after the opinions, of CLIP's (B, K), in the order of the domain's classes."""
        assert self.learnt is not None
        return self.learnt.posterior(posterior, self.indices(opinions))

    def _usual_reply(self) -> str:
        answers = {group.name: group.options[0] for group in self.tree.groups}
        return json.dumps({"seen": "word " * 40, "answers": answers})

    def _listeners(self, costs: "_Costs") -> "Listener":
        def listen(attempt: "Attempt") -> None:
            costs.add(attempt)
            if self.on_attempt:
                self.on_attempt(attempt)

        return listen


class _Costs:
    """What the replies about each picture cost; `None` where one does not say."""

    def __init__(self, responses: "ResponseCache | None") -> None:
        self.by_picture: dict[str, float | None] = {}
        self.attempts: list[Attempt] = []
        self._responses = responses

    def add(self, attempt: "Attempt") -> None:
        """Add the cost of one reply; one from the cache costs what an earlier run paid."""
        self.attempts.append(attempt)
        reply, picture = attempt.reply, attempt.messages[0].images[0]
        if reply is None:
            return
        cost = reply.cost
        if reply.cached:
            before = self._responses.answer(reply.key) if self._responses else None
            cost = before.cost if before else None
        so_far = self.by_picture.get(picture, 0.0)
        self.by_picture[picture] = None if cost is None or so_far is None else so_far + cost


def total_cost(opinions: Iterable[Opinion]) -> float | None:
    """Return USD of several opinions; `None` if one is unknown."""
    costs = [opinion.cost for opinion in opinions]
    return None if None in costs else sum(cost for cost in costs if cost is not None)


def _sample(images: Sequence[LabelledImage], count: int) -> list[int]:
    """Return the places of up to `count` images of each class, by their contents alone."""
    of_class: dict[int, list[tuple[str, int]]] = {}
    for place, image in enumerate(images):
        of_class.setdefault(image.label, []).append((image.digest, place))
    return [place for label in sorted(of_class) for _, place in sorted(of_class[label])[:count]]


def _key(tree: Tree) -> list[str]:
    return [digest_of(Tree(domain=tree.domain, groups=tree.groups, rules=()))]


def stored_opinion(store: Store, tree: Tree, digest: str) -> Opinion | None:
    """Return what a vision model last said of an image of the domain, by its content; `None` if nothing."""
    value = Checkpoints(store).get(f"{_NAME} {digest}", _key(tree))
    return None if value is None else Opinion(**json.loads(value))


def second_settings(domain: Domain, model: str | None) -> SecondSettings:
    """Return the settings of [second]; with a model of the command line and without the table, those of [llm].

    Raises:
        InputError: no model is named.
        TrustError: the domain names one that costs money, and its user has not allowed it.
    """
    settings = domain.second or SecondSettings(llm=domain.llm)
    if model:
        return settings
    named = domain.second.llm.model if domain.second else None
    if not named:
        message = "no model is named for a second opinion"
        raise InputError(message, "--ask-model NAME, or `model` below [second] in domain.toml")
    if not named.startswith("replay/"):
        Trust(domain.folder).require(asking(named), f"--ask-model {quoted(named)}")
    return settings


def refuse_unfit(domain: Domain, settings: LlmSettings) -> None:
    """Refuse a second opinion that cannot be given: no images to learn by, or a model without vision.

    Raises:
        InputError: the domain has no images, or pictures cannot be pasted.
        ModelError: the model takes no images.
    """
    from treegen.llm.tasks.describe import refuse_blind

    if domain.images is None:
        message = "a second opinion is learnt on the dev split, and the domain has no images"
        raise InputError(message, "name the images below [images], or leave --ask-model out")
    refuse_blind(settings, "--ask-model", "leave --ask-model out")


def plan_sentence(model: str, purpose: str, count: int, each: "Estimate") -> str:
    """Describe requests before they are sent."""
    words = f"asking {model} about {counted(count, 'image')} {purpose}"
    if each.prompt_tokens is None:
        return words
    tokens = count * (each.prompt_tokens + (each.completion_tokens or 0))
    cost = f"${count * each.cost:.4f}" if each.cost is not None else "cost unknown"
    return f"{words}: about {tokens} tokens, {cost}"
