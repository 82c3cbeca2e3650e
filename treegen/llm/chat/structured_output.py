"""How firmly a reply is held to its form: a JSON Schema, any JSON object, or words alone. Models differ in what works.

A model that refuses a form, or takes it and answers with prose, is asked one rung lower, and that is remembered.
"""

import re
from typing import Any, Final, Literal, get_args

from treegen.llm.chat.interface import ResponseSchema
from treegen.llm.chat.response_cache import Kept
from treegen.remote.failures import causes
from treegen.remote.litellm import without_credentials

OutputMode = Literal["json_schema", "json_object", "text"]
RUNGS: Final[tuple[OutputMode, ...]] = get_args(OutputMode)
_ABOUT_THE_FORM: Final = re.compile(
    r"response_?format|json_?(schema|object)|json mode|structured.output|grammar|invalid schema|additionalProperties",
    re.IGNORECASE,
)
_REASONING: Final = re.compile(r"^.*</(?:think(?:ing)?|reasoning|thought)>", re.DOTALL | re.IGNORECASE)


class Ladder:
    """Where one model at one address stands. Threads may share it: each only goes down."""

    def __init__(self, model: str, api_base: str | None, kept: Kept | None) -> None:
        """Begins where the last run ended, if that was kept."""
        self._model, self._server, self._kept = model, without_credentials(api_base), kept
        known = kept.form(self._model, self._server) if kept else None
        self.rung: OutputMode = next((rung for rung in RUNGS if rung == known), RUNGS[0])

    def down(self, refused: OutputMode) -> None:
        """The rung did not work; nothing happens if another thread went down already, or there is no lower one."""
        lower = RUNGS[min(RUNGS.index(refused) + 1, len(RUNGS) - 1)]
        if RUNGS.index(lower) > RUNGS.index(self.rung):
            self.rung = lower
            if self._kept:
                self._kept.keep_form(self._model, self._server, lower)


def response_format(rung: OutputMode, wire: ResponseSchema) -> dict[str, Any]:
    """The argument of the request; none for `text`."""
    if rung == "text":
        return {}
    if rung == "json_object":
        return {"response_format": {"type": "json_object"}}
    schema: dict[str, Any] = {"name": wire.name, "schema": wire.schema}
    if _is_strict(wire.schema):
        schema["strict"] = True
    return {"response_format": {"type": "json_schema", "json_schema": schema}}


def _is_strict(schema: Any) -> bool:
    """Whether it may be sent as strict: every object names all its keys, requires them and allows no others."""
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

    Providers tell it in words alone: with status 400, 422 and 500, and litellm before anything is sent.
    """
    status = getattr(error, "status_code", None)
    return status in (400, 404, 422, 500, 501) and any(_ABOUT_THE_FORM.search(str(e)) for e in causes(error))


def is_prose(text: str) -> bool:
    """Whether a reply that was to be an object holds none."""
    return "{" not in _REASONING.sub("", text)
