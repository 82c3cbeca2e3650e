"""How many examples a property is tried with: a quarter in `make test`, all of them in `make test-thorough`."""

import os


def examples(count: int) -> int:
    """The number of examples for hypothesis, of `count` that the property deserves."""
    return count if os.environ.get("TREEGEN_THOROUGH") else count // 4
