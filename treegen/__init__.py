"""Classification trees for CLIP-like models: drafted by an LLM, checked, reviewed and scored."""

__version__ = "0.1.0"
