"""Languages in words: a model follows "German (de)" more surely than a code."""

from typing import Any, Final

from treegen.config.domain import Domain

_NAMES: Final = {
    "af": "Afrikaans",
    "ar": "Arabic",
    "bg": "Bulgarian",
    "bn": "Bengali",
    "ca": "Catalan",
    "cs": "Czech",
    "cy": "Welsh",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "es": "Spanish",
    "et": "Estonian",
    "eu": "Basque",
    "fa": "Persian",
    "fi": "Finnish",
    "fr": "French",
    "ga": "Irish",
    "gl": "Galician",
    "gu": "Gujarati",
    "he": "Hebrew",
    "hi": "Hindi",
    "hr": "Croatian",
    "hu": "Hungarian",
    "hy": "Armenian",
    "id": "Indonesian",
    "is": "Icelandic",
    "it": "Italian",
    "ja": "Japanese",
    "ka": "Georgian",
    "kk": "Kazakh",
    "kn": "Kannada",
    "ko": "Korean",
    "lt": "Lithuanian",
    "lv": "Latvian",
    "mk": "Macedonian",
    "ml": "Malayalam",
    "mr": "Marathi",
    "ms": "Malay",
    "nb": "Norwegian Bokmål",
    "nl": "Dutch",
    "nn": "Norwegian Nynorsk",
    "no": "Norwegian",
    "pa": "Punjabi",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sk": "Slovak",
    "sl": "Slovenian",
    "sq": "Albanian",
    "sr": "Serbian",
    "sv": "Swedish",
    "sw": "Swahili",
    "ta": "Tamil",
    "te": "Telugu",
    "th": "Thai",
    "tr": "Turkish",
    "uk": "Ukrainian",
    "ur": "Urdu",
    "vi": "Vietnamese",
    "zh": "Chinese",
}


def in_words(code: str) -> str:
    """A language tag with its name, if it is known and no English.

    >>> in_words("de-AT"), in_words("en"), in_words("tlh")
    ('German (de-AT)', 'en', 'tlh')
    """
    name = _NAMES.get(code.replace("_", "-").partition("-")[0].casefold())
    return f"{name} ({code})" if name else code


def is_foreign(code: str) -> bool:
    """Whether prompts and options are in another language than the instructions, which are in English."""
    return code.replace("_", "-").partition("-")[0].casefold() not in ("en", "english")


def language_of(domain: Domain) -> dict[str, Any]:
    """What templates are told of the domain's language."""
    return {"language": in_words(domain.language), "foreign": is_foreign(domain.language)}
