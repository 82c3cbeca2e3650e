"""Render a folder's own templates in a process of its own, which is ended if it takes too much time or memory.

Jinja's sandbox keeps a template from Python, the network and files, but not from looping for ever or building a text of
gigabytes.
"""

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from treegen.config.trust import TrustError
from treegen.errors import InputError
from treegen.llm.prompting.sandbox import render_here

MOST_SECONDS: Final = 5  # of computing; the longest prompt takes milliseconds
MOST_CHARACTERS: Final = 4_000_000  # more than any model reads
_MOST_MEMORY: Final = 2**30
_PATIENCE: Final = 24 * MOST_SECONDS  # on a machine that is busy with other things


def render_apart(template: str, folder: Path, values: Mapping[str, Any]) -> str:
    """See `treegen.llm.prompting.templates.render`."""
    source = f"{folder / 'prompts'}: the template {template}"
    # the same packages as here, and -P: nothing from the current folder, which may be a stranger's
    start = f"import sys; sys.path[:] = {[each for each in sys.path if each]!r}; from {__name__} import main; main()"
    command = [sys.executable, "-P", "-c", start]
    work = pickle.dumps((template, folder, dict(values)))
    try:
        done = subprocess.run(command, input=work, capture_output=True, timeout=_PATIENCE, check=False)
        result = json.loads(done.stdout) if done.returncode == 0 else {}
    except subprocess.TimeoutExpired:
        result = {}
    if "text" in result:
        return str(result["text"])
    if "message" in result:
        raise (TrustError if result["code"] else InputError)(result["message"], result["tip"], code=result["code"])
    message = f"{source} takes more than {MOST_SECONDS} seconds or {_MOST_MEMORY // 2**20} MiB"
    raise InputError(message, "fix the template: does a loop end?")


def _limit() -> None:
    """Have the system end this process when it takes too much; on Windows only the time is limited, by the caller."""
    with suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (MOST_SECONDS, MOST_SECONDS + 1))
        resource.setrlimit(resource.RLIMIT_AS, (_MOST_MEMORY, _MOST_MEMORY))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def main() -> None:
    """Read what to render from stdin, and write the result as JSON to stdout."""
    template, folder, values = pickle.load(sys.stdin.buffer)
    _limit()
    try:
        text = render_here(template, folder, values)
        if len(text) > MOST_CHARACTERS:
            message = f"{folder / 'prompts'}: the template {template} gives {len(text)} characters"
            raise InputError(message, f"at most {MOST_CHARACTERS} are sent")
        result = {"text": text}
    except InputError as error:
        result = {"message": error.message, "tip": error.tip, "code": error.code}
    sys.stdout.write(json.dumps(result))
