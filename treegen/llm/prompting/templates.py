"""Render the Jinja prompts: sandboxed, strict about undefined names, overridable by `prompts/` next to the domain."""

import os
from pathlib import Path
from typing import Any

from treegen.errors import InputError
from treegen.llm.prompting.apart import render_apart
from treegen.llm.prompting.sandbox import render_here


def render(template: str, folder: Path | None = None, **values: Any) -> str:
    """Render the prompt `template`.jinja with the given values.

    Args:
        template: `system`, `draft`, `repair` or `revise`.
        folder: the domain's folder; a template of the same name in its `prompts/` comes first.
        values: variables for the template. Class names and third-party texts are data: they are never rendered.

    Raises:
        InputError: a user's template is invalid, uses an undefined variable, or takes too much time or memory; the
            message says which.
        TrustError: it is a link to a file outside of the folder, which the user has not allowed.
    """
    if folder and (folder / "prompts").is_dir():
        path = folder / "prompts" / f"{template}.jinja"
        if os.path.lexists(path) and not path.is_file():  # else the bundled one would be used without a word
            raise InputError(f"{path}: not a regular file, or a broken link", "remove it, or write the template to it")
        return render_apart(template, folder, values)
    return render_here(template, None, values)
