"""The optional packages: which extra of the distribution installs each, and what it is for."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

from treegen.errors import InputError

DISTRIBUTION: Final = "treegen-clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extra:
    """One extra of the distribution.

    Attributes:
        name: as in `pip install 'treegen-clip[NAME]'`.
        purpose: what needs it, as the subject of a sentence.
        modules: the import names of its packages, except those of included extras.
        includes: names of other extras that it also installs.
    """

    name: str
    purpose: str
    modules: tuple[str, ...]
    includes: tuple[str, ...] = ()

    @property
    def command(self) -> str:
        """The command that installs it."""
        return f"pip install '{DISTRIBUTION}[{self.name}]'"


#: Every optional package of treegen; their versions are in pyproject.toml.
EXTRAS: Final = {
    extra.name: extra
    for extra in (
        Extra(
            name="clip",
            purpose="running CLIP (score, classify, embed, demo, --encoder)",
            modules=("numpy", "array_api_compat", "scipy", "torch", "torchvision", "open_clip", "safetensors", "PIL"),
        ),
        Extra(name="llm", purpose="asking a language model", modules=("litellm", "jiter", "PIL")),
        Extra(
            name="review",
            purpose="the review in the terminal",
            modules=("textual", "textual_image", "textual_plotext", "platformdirs", "PIL"),
        ),
        Extra(name="embed", purpose="reading and writing Parquet", modules=("pyarrow",), includes=("clip",)),
        Extra(name="hf", purpose="a transformers encoder", modules=("transformers",), includes=("clip",)),
        Extra(
            name="lora",
            purpose='training a transformers encoder on each image (adapt = "lora")',
            modules=("peft",),
            includes=("hf",),
        ),
        Extra(name="ray", purpose="embedding with Ray", modules=("ray",), includes=("embed",)),
        Extra(name="heif", purpose="reading HEIC pictures", modules=("pillow_heif",)),
        Extra(
            name="optimize",
            purpose="optimizing with a language model",
            modules=("gepa", "dspy"),
            includes=("clip", "llm"),
        ),
    )
}


class MissingExtraError(InputError):
    """An optional package that is needed is not installed: exit code 2."""


def missing_modules(name: str) -> tuple[str, ...]:
    """Return the import names of an extra's packages that are not installed, each once, included extras first."""
    extra = EXTRAS[name]
    inherited = (module for included in extra.includes for module in missing_modules(included))
    return tuple(dict.fromkeys((*inherited, *(module for module in extra.modules if not is_installed(module)))))


def is_installed(module: str) -> bool:
    """Check whether a top-level module can be imported, without importing it."""
    try:
        return find_spec(module) is not None
    except ValueError:  # loaded without a finder
        return True


def require(name: str, *, otherwise: str = "") -> None:
    """Raise if an extra's packages are not installed.

    Call it before the first import of an optional package, and before anything that costs time or money.

    Args:
        name: a key of `EXTRAS`.
        otherwise: what works without them, for the tip.

    Raises:
        MissingExtraError: at least one is missing; the message names them, the tip is the command that installs them.
    """
    missing = missing_modules(name)
    if missing:
        raise _error(EXTRAS[name], missing, otherwise)


def explain_import_error(error: ImportError) -> MissingExtraError | None:
    """Explain a failed import; `None` unless an optional package is missing."""
    module = (error.name or "").partition(".")[0]
    owner = next((extra for extra in EXTRAS.values() if module in extra.modules), None)
    return _error(owner, missing) if owner and (missing := missing_modules(owner.name)) else None


def _error(extra: Extra, missing: tuple[str, ...], otherwise: str = "") -> MissingExtraError:
    verb = "is" if len(missing) == 1 else "are"
    message = f"{extra.purpose} needs {_listed(missing)}, which {verb} not installed"
    return MissingExtraError(message, "; ".join(part for part in (extra.command, otherwise) if part))


def _listed(names: tuple[str, ...]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
