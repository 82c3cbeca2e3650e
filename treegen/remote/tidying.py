"""What servers put into a chat completion that no client can read: tidied on its way, before it costs the reply.

Tokens that are texts, negative or absurd are dropped, since a figure that nobody reported is unknown and not zero;
content in parts is joined. Everything else is passed on byte by byte.
"""

import json
from typing import Any, Final

MOST_TOKENS: Final = 10**8  # of one reply: no model reads or writes a hundredth of that
MOST_AMOUNT: Final = 1e7  # USD or seconds
_SSE: Final = b"data:"


def tidy_body(body: bytes) -> bytes:
    """Return the body of a whole reply, tidied if it is a chat completion that needs it."""
    try:
        data = json.loads(body)
    except (ValueError, RecursionError):
        return body
    return json.dumps(data).encode() if _tidy(data) else body


def tidy_line(line: bytes) -> bytes:
    """Return a line of a streamed reply, tidied if it is an event that needs it."""
    if not line.startswith(_SSE) or line.find(b"{") < 0:
        return line
    body = line[len(_SSE) :].strip()
    tidied = tidy_body(body)
    return line if tidied is body else _SSE + b" " + tidied + line[len(line.rstrip()) :]


def token_count(value: Any) -> int | None:
    """Return a number of tokens that can be believed; `None` for anything else."""
    if isinstance(value, str) and value.isascii() and value.strip().isdigit():
        value = int(value) if len(value) < 20 else None
    if isinstance(value, float) and value.is_integer() and abs(value) <= MOST_TOKENS:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if 0 <= value <= MOST_TOKENS else None


def amount(value: Any) -> float | None:
    """Return USD or seconds that can be believed; `None` for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if 0 <= value <= MOST_AMOUNT else None


def _tidy(data: Any) -> bool:
    """Tidy a completion in place; return whether anything was changed."""
    if not isinstance(data, dict) or not isinstance(data.get("choices"), list):
        return False
    before = json.dumps(data)
    if "usage" in data:
        usage = _usage(data.pop("usage"))
        data |= {"usage": usage} if usage else {}
    for choice in data["choices"]:
        for key in ("message", "delta"):
            part = choice.get(key) if isinstance(choice, dict) else None
            if isinstance(part, dict) and not isinstance(part.get("content"), str | None):
                part["content"] = _text(part["content"])
    return json.dumps(data) != before


def _usage(usage: Any) -> dict[str, Any]:
    """Keep the counts that can be believed."""
    if not isinstance(usage, dict):
        return {}
    counts = {key: token_count(value) for key, value in usage.items() if key.endswith("_tokens")}
    details = {
        key: {k: v for k, v in value.items() if token_count(v) is not None}
        for key, value in usage.items()
        if key.endswith("_tokens_details") and isinstance(value, dict)
    }
    return {**{key: count for key, count in counts.items() if count is not None}, **details}


def _text(content: Any) -> str | None:
    """Join the texts of content in parts; reasoning and pictures among them are left out."""
    if not isinstance(content, list):
        return None
    texts = [part.get("text") if isinstance(part, dict) and part.get("type") == "text" else part for part in content]
    joined = "".join(text for text in texts if isinstance(text, str))
    return joined or None
