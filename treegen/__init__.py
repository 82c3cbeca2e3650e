"""Classification trees for CLIP-like models: drafted by an LLM, checked, reviewed and scored."""

from typing import Final

__version__: Final = "0.1.0"
