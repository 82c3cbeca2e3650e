"""How strictly a reply is constrained: a JSON Schema, any JSON object, or instructions alone. Models differ.

If a model refuses a response format, or accepts it and answers with prose, the next weaker mode is used and stored.
"""

import re
from typing import Any, Final, Literal, get_args

from treegen.llm.chat.interface import ResponseSchema
from treegen.llm.chat.response_cache import ResponseCache
from treegen.remote.addresses import without_credentials
from treegen.remote.failures import causes

OutputMode = Literal["json_schema", "json_object", "text"]
RUNGS: Final[tuple[OutputMode, ...]] = get_args(OutputMode)
_ABOUT_THE_FORM: Final = re.compile(
    r"response_?format|json_?(schema|object)|json mode|structured.output|grammar|invalid schema|additionalProperties",
    re.IGNORECASE,
)
_REASONING: Final = re.compile(r"^.*</(?:think(?:ing)?|reasoning|thought)>", re.DOTALL | re.IGNORECASE)


class Ladder:
    """The output mode of one model at one address. Threads may share it: the mode only ever gets weaker."""

    def __init__(self, model: str, api_base: str | None, responses: ResponseCache | None) -> None:
        """Start with the mode of the last run, if it was stored."""
        self._model, self._server, self._responses = model, without_credentials(api_base), responses
        stored = responses.form(self._model, self._server) if responses else None
        self.rung: OutputMode = next((rung for rung in RUNGS if rung == stored), RUNGS[0])

    def down(self, refused: OutputMode) -> None:
        """Step to the next weaker mode, unless another thread did already or there is none."""
        lower = RUNGS[min(RUNGS.index(refused) + 1, len(RUNGS) - 1)]
        if RUNGS.index(lower) > RUNGS.index(self.rung):
            self.rung = lower
            if self._responses:
                self._responses.keep_form(self._model, self._server, lower)


def response_format(rung: OutputMode, wire: ResponseSchema) -> dict[str, Any]:
    """Return the request's arguments; empty for `text`."""
    if rung == "text":
        return {}
    if rung == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema: dict[str, Any] = {"name": wire.name, "schema": wire.schema}
    if _is_strict(wire.schema):
        schema["strict"] = True
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _is_strict(schema: Any) -> bool:
    """Whether it may be sent as strict: every object declares and requires all its keys and allows no others."""
    if isinstance(schema, list):
        return all(map(_is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if schema.get("type") == "object":
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("properties", {})) != set(schema.get("required", ())):
            return False
    return all(map(_is_strict, schema.values()))


def is_about_the_form(error: BaseException) -> bool:
    """Whether a request was refused because of its response format.

    Providers say so only in the message text: with status 400, 422 and 500, and litellm before anything is sent.
    """
    status = getattr(error, "status_code", None)
    return status in (400, 404, 422, 500, 501) and any(_ABOUT_THE_FORM.search(str(e)) for e in causes(error))


def is_prose(text: str) -> bool:
    """Whether a reply that should be an object contains none."""
    return "{" not in _REASONING.sub("", text)
