"""The language of prompts and options, as the language model is given it."""

from typing import Any, Final

from treegen.config.domain import Domain

#: a model follows "German (de)" more surely than a bare code; every other text is given as it is
_NAMES: Final = {"de": "German", "es": "Spanish", "fr": "French", "ja": "Japanese", "pt": "Portuguese", "zh": "Chinese"}


def in_words(language: str) -> str:
    """Return the language as the domain names it, a common code with its name before it.

    >>> in_words("de-AT"), in_words("en"), in_words("Low German")
    ('German (de-AT)', 'en', 'Low German')
    """
    name = _NAMES.get(_main_part(language))
    return f"{name} ({language})" if name else language


def is_foreign(language: str) -> bool:
    """Return whether prompts and options are in another language than the instructions, which are in English."""
    return _main_part(language) not in ("en", "english")


def _main_part(language: str) -> str:
    return language.strip().replace("_", "-").partition("-")[0].casefold()


def language_of(domain: Domain) -> dict[str, Any]:
    """Return what templates are given of the domain's language."""
    return {"language": in_words(domain.language), "foreign": is_foreign(domain.language)}
