"""Jinja's sandbox: strict about undefined names, with the templates of a domain before the bundled ones."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, FileSystemLoader, StrictUndefined, TemplateNotFound, TemplateSyntaxError
from jinja2.exceptions import SecurityError, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from treegen.config.trust import Trust, TrustError
from treegen.errors import InputError
from treegen.resources import data_dir


class _UserLoader(FileSystemLoader):
    """Loads a domain's own templates, but none that is a link to a file outside of its folder."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "prompts")
        self._folder = folder

    def get_source(self, environment: Environment, template: str) -> Any:
        """Return what Jinja asks for.

        Raises:
            TrustError: the file is elsewhere, which the user has not allowed.
        """
        try:
            source = super().get_source(environment, template)
        except UnicodeDecodeError:
            raise TemplateSyntaxError("not UTF-8", 1, filename=str(self._folder / "prompts" / template)) from None
        Trust(self._folder).require_path(Path(source[1]), f"prompts/{template}")
        return source


def render_here(template: str, folder: Path | None, values: Mapping[str, Any]) -> str:
    """Render in this process, without limits: see `treegen.llm.prompting.templates.render`."""
    user_loaders = [_UserLoader(folder)] if folder else []
    environment = ImmutableSandboxedEnvironment(
        loader=ChoiceLoader([*user_loaders, FileSystemLoader(data_dir("prompts"))]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=False,  # the output is a prompt, not HTML
    )
    environment.filters["json"] = _json
    environment.filters["guarded"] = _guarded
    source = f"prompts/{template}.jinja"
    try:
        loaded = environment.get_template(f"{template}.jinja")
        source = str(loaded.filename)
        return loaded.render(**values).strip()
    except TrustError:
        raise
    except TemplateSyntaxError as error:
        raise InputError(
            f"{error.filename or source}, line {error.lineno}: {error.message}", "fix the template"
        ) from None
    except UndefinedError as error:
        names = ", ".join(sorted(values)) or "no variables"
        raise InputError(f"{source}: {error.message}", f"a template may use: {names}") from None
    except SecurityError as error:
        raise InputError(f"{source}: {error.message}", "templates may not access Python internals") from None
    except Exception as error:  # anything else that is wrong in a template: a division by zero, recursive includes, ...
        reason = f"there is no template {error}" if isinstance(error, TemplateNotFound) else str(error)
        raise InputError(f"{source}: {reason or type(error).__name__}", "fix the template") from None


def _json(value: Any) -> str:
    """Return a value as one readable line of JSON, control characters escaped and the data block's tags defused."""
    return _guarded(json.dumps(value, ensure_ascii=False))


def _guarded(text: str) -> str:
    """Escape text so that it cannot close the block around it; its meaning within JSON is unchanged."""
    return text.replace("</", "<\\/")
