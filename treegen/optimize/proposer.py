"""The DSPy program that proposes changes, with treegen's chat as the engine of its language model.

Whatever the chat raises leaves DSPy and gepa at once: both log exceptions and go on, and a budget that is used up would
end as a wrong score.
"""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from treegen.config.class_notes import notes_of, without_asking
from treegen.config.domain import Domain
from treegen.errors import TreegenError, WaitingError
from treegen.llm.chat.interface import Message
from treegen.llm.prompting.languages import language_of
from treegen.llm.prompting.templates import render
from treegen.llm.tasks.attempts import Attempt
from treegen.progress import Cancelled
from treegen.tree.model import Tree
from treegen.tree.rendering import lines_of
from treegen.tree.validation.problems import Problem

if TYPE_CHECKING:
    from treegen.llm.chat.interface import OnText, Reply
    from treegen.optimize.state import ResumedChat
    from treegen.workflow.recording import Recorder

#: the fields of the signature, in their order; the domain's texts come first, as providers cache a common beginning
_FIELDS: Final = {
    "domain": "what is to be classified, with notes on the classes that others wrote",
    "tree": "the current tree in words",
    "evidence": "what was measured with it",
    "tried": "what was tried before, and what it did",
    "locked": "what must stay as it is, word for word",
    "rejected": "your last answer and why it cannot be used, if there is one: give the whole list again, corrected",
}
_MOST_OF_AN_ERROR: Final = 300  # characters of a parse error


class Leave(BaseException):
    """Ends a run at once, through libraries that catch every `Exception`.

    Attributes:
        cause: why.
    """

    def __init__(self, cause: BaseException) -> None:
        super().__init__(str(cause))
        self.cause = cause


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A reply: the edits, as plain data, and why it cannot be read, if so."""

    edits: tuple[Any, ...] = ()
    problem: str = ""
    text: str = ""


class ChatEngine:
    """A chat in the form in which DSPy calls its models."""

    def __init__(self, chat: "ResumedChat", on_text: "OnText | None") -> None:
        self.messages: tuple[Message, ...] = ()
        self.reply: Reply | None = None
        self._chat, self._on_text = chat, on_text

    def complete(self, request: Any) -> Any:
        """Answer a `dspy.lm15.Request` by a `dspy.lm15.Response`.

        Raises:
            Leave: the chat raised an error, or the run is to end.
        """
        from dspy import lm15

        self.messages, self.reply = _messages(request), None
        try:
            reply = self._chat.complete(self.messages, self._on_text)
        except (TreegenError, Cancelled) as error:
            raise Leave(error) from error
        self.reply = reply
        message = lm15.Message(role="assistant", parts=(lm15.TextPart(text=_encodable(reply.text)),))
        return lm15.Response(
            id=None,
            model=reply.model,
            message=message,
            finish_reason="length" if reply.finish == "length" else "stop",
            usage=lm15.Usage(input_tokens=reply.prompt_tokens, output_tokens=reply.completion_tokens),
        )


def _messages(request: Any) -> tuple[Message, ...]:
    system = request.system if isinstance(request.system, str) else "".join(part.text for part in request.system or ())
    rest = (
        Message(role=each.role, content="".join(getattr(part, "text", "") for part in each.parts))
        for each in request.messages
    )
    return (*((Message(role="system", content=system),) if system else ()), *rest)


def _encodable(text: str) -> str:
    return text.encode(errors="replace").decode()


class Proposer:
    """Asks a language model for changes of a tree."""

    def __init__(
        self,
        domain: Domain,
        chat: "ResumedChat",
        recorder: "Recorder",
        *,
        rule_edits: bool,
        locked: Sequence[str],
        on_text: "OnText | None" = None,
    ) -> None:
        """Set up the program; nothing is sent.

        Args:
            domain: its folder may override the templates.
            chat: the language model.
            recorder: the history of its calls.
            rule_edits: allow changes of answers.
            locked: what must stay, in words.
            on_text: called with each reply as it streams in.

        Raises:
            InputError: a template cannot be rendered.
        """
        import dspy

        logging.getLogger("dspy").setLevel(logging.CRITICAL)
        self._domain, self._recorder = without_asking(domain), recorder
        self._engine = ChatEngine(chat, on_text)
        model = dspy.LM(f"treegen/{chat.name}", engine=self._engine, cache=False, num_retries=0)
        instructions = render("optimize", domain.folder, noun=domain.noun, rule_edits=rule_edits, **language_of(domain))
        fields: dict[str, Any] = {name: (str, dspy.InputField(desc=text)) for name, text in _FIELDS.items()}
        fields["changes"] = (list[dict[str, Any]], dspy.OutputField(desc="the changes, as a JSON list of objects"))
        self._program = dspy.Predict(dspy.Signature(fields, instructions=instructions))
        # the fallback of the adapter would send a second request for a reply that it cannot read
        self._context = {"lm": model, "adapter": dspy.ChatAdapter(use_json_adapter_fallback=False)}
        self._locked = "\n".join(f"- {each}" for each in locked) or "nothing"

    def propose(self, tree: Tree, evidence: str, tried: str, rejected: str = "") -> Proposed:
        """Request changes.

        Args:
            tree: the current tree.
            evidence: what was measured with it.
            tried: what was tried before.
            rejected: the last answer and its problems, if it is to be corrected.

        Raises:
            Leave: the chat raised an error, or the run is to end.
        """
        import dspy

        values = {
            "domain": _subject(self._domain),
            "tree": "\n".join(lines_of(tree)),
            "evidence": evidence,
            "tried": tried or "nothing yet",
            "locked": self._locked,
            "rejected": rejected or "nothing",
        }
        recorded, purpose = len(self._recorder.calls), "repair" if rejected else "optimize"
        try:
            with dspy.context(**self._context):
                changes = self._program(**{name: _defused(text) for name, text in values.items()}).changes
            proposed = Proposed(edits=tuple(changes), text=self._text)
        except Leave as leave:
            self._record_failure(purpose, leave.cause)
            raise
        except Exception as error:  # of what a stranger wrote, read by another's parser
            cut = "the reply is cut off" if self._engine.reply and self._engine.reply.finish == "length" else ""
            reason = cut or " ".join(str(error).split())[:_MOST_OF_AN_ERROR]
            proposed = Proposed(problem=f"no list of changes in it: {reason}", text=self._text)
        if len(self._recorder.calls) > recorded:
            problems = [Problem(code="TG501", pointer="", message=proposed.problem).as_json()] * bool(proposed.problem)
            self._recorder.complete_last(purpose, problems)
        return proposed

    @property
    def _text(self) -> str:
        return self._engine.reply.text if self._engine.reply else ""

    def _record_failure(self, purpose: str, cause: BaseException) -> None:
        """Put a request without a reply into the history."""
        if isinstance(cause, TreegenError) and not isinstance(cause, WaitingError):
            messages = self._engine.messages
            self._recorder.record(
                Attempt(number=1, purpose=purpose, messages=messages, reply=None, failure=cause.message)
            )


def _subject(domain: Domain) -> str:
    """Return the domain in words."""
    notes = notes_of(domain, domain.classes)["notes"]
    lines = [f"domain: {json.dumps(domain.name)}", f"one thing of it is called: {json.dumps(domain.noun)}"]
    if domain.description:
        lines.append(f"description: {json.dumps(domain.description, ensure_ascii=False)}")
    lines += [f"hint: {json.dumps(hint, ensure_ascii=False)}" for hint in domain.hints]
    lines.append(f"classes ({len(domain.classes)}):")
    for name in domain.classes:
        note = f": {json.dumps(notes[name], ensure_ascii=False)}" if name in notes else ""
        lines.append(f"- {json.dumps(name, ensure_ascii=False)}{note}")
    return "\n".join(lines)


def _defused(text: str) -> str:
    """Return text that can be sent, in which nothing looks like the beginning of another field."""
    return _encodable(text).replace("[[ ##", "[[ #")
