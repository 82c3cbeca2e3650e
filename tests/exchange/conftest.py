"""Small files of the test's own with the quirks of real ones."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Writes a file: bytes and texts as they are, everything else as JSON."""

    def call(name: str, content: Any) -> Path:
        path = tmp_path / name
        if isinstance(content, bytes):
            path.write_bytes(content)
        else:
            text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
            path.write_text(text, encoding="utf-8")
        return path

    return call


ARTICLE = """Here it is:

```python
# drafted in March
pond_system = {
    "classification_cot": {
        "colour": {
            "prompt": "This creature is mainly {}.",
            "options": [
                "white",  # 0
                "brown",  # Newt, Eel
                "green",  # 3
            ],
        },
        "legs": {"prompt": "It has {} legs.", "options": ["no", "two", "four"]},
    },
    "pond_rules": {
        "Newt": {"colour": 1, "legs": 2},
        "Swan": {
            "colour": 0,  # brown
            "legs": "two",  # as birds have
        },
        "Eel": {"colour": 1, "legs": 0},
    },
}
```
"""
