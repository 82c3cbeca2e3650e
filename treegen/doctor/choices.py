"""What a new domain can choose from on this machine: encoders, with their downloads, and language models."""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from treegen.clip.encoders.base import is_downloaded
from treegen.config.settings import BUNDLED_ENCODER
from treegen.doctor.language import ollama_models
from treegen.remote.hub import HubProbe, hub_host

#: encoder -> repository on the Hugging Face hub, size of its weights, what it is for
_ENCODERS: Final = {
    "ViT-B-32:laion2b_s34b_b79k": ("laion/CLIP-ViT-B-32-laion2B-s34B-b79K", "605 MB", "fast, also without a GPU"),
    "ViT-B-16-SigLIP:webli": ("timm/ViT-B-16-SigLIP", "813 MB", "more accurate, slower"),
    "ViT-L-14:laion2b_s32b_b82k": ("laion/CLIP-ViT-L-14-laion2B-s32B-b82K", "1.7 GB", "slow without a GPU"),
}
_PATIENCE: Final = 3.0  # seconds for the hub to answer
#: variable of the key -> a model of that provider that is cheap and good enough for a draft
_MODELS: Final = {
    "OPENAI_API_KEY": "openai/gpt-4o-mini",
    "ANTHROPIC_API_KEY": "anthropic/claude-3-5-haiku-latest",
    "GEMINI_API_KEY": "gemini/gemini-2.0-flash",
    "MISTRAL_API_KEY": "mistral/mistral-small-latest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """One that can be chosen: its name, as the option takes it, and what to know about it."""

    name: str
    words: str


_MANUAL: Final = Choice(name="manual", words="no key needed: copy the request to a chat window, and the reply back")


def encoder_choices(probe: HubProbe, tell: Callable[[str], object]) -> list[Choice]:
    """List encoders: the default first, then the others that are on this disk, then those that have to be downloaded.

    The default is a real encoder: one that is on this disk, else the fastest that can be downloaded; only if the hub
    cannot be reached it is the demo's. Nothing is downloaded.

    Args:
        probe: whether the hub can be reached; it is waited for only if the answer counts.
        tell: called with a line if the hub is waited for, or cannot be reached.
    """
    present, absent = [], []
    for name, (repository, size, words) in _ENCODERS.items():
        if is_downloaded(repository):
            present.append(Choice(name=name, words=f"on this disk; {words}"))
        else:
            absent.append(Choice(name=name, words=f"a download of {size}; {words}"))
    bundled = Choice(name=BUNDLED_ENCODER, words="for practice; says little about your own pictures")
    if present:
        return [*present, bundled, *absent]
    if reason := probe.unreachable(_PATIENCE, tell):
        tell(f"{hub_host()} cannot be reached ({reason}): only the practice CLIP is on this disk")
        return [bundled, *(replace(each, words=f"{each.words}; not without the network") for each in absent)]
    return [absent[0], bundled, *absent[1:]]


def model_choices() -> list[Choice]:
    """List language models: those that a key or a server on this machine makes usable, then a chat window."""
    return [*_models(), _MANUAL]


def _models() -> Iterator[Choice]:
    if named := os.environ.get("TREEGEN_MODEL"):
        yield Choice(name=named, words="named by TREEGEN_MODEL")
    for variable, name in _MODELS.items():
        if os.environ.get(variable, "").strip():
            yield Choice(name=name, words=f"{variable} is set; a draft costs a few cents")
    for name in ollama_models()[:3]:
        yield Choice(name=f"ollama_chat/{name}", words="runs on this machine; free")
