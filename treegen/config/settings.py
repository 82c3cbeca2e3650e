"""The tables of domain.toml, with their defaults."""

import re
from dataclasses import dataclass, field
from itertools import takewhile
from pathlib import Path
from typing import Final, Literal

from treegen.remote.budget import Limits
from treegen.remote.litellm import Price
from treegen.tree.validation.problems import Level

BUNDLED_ENCODER: Final = "bundled"
_PATTERN: Final = re.compile(r"[*?\[{]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageSettings:
    """Where the images are, in exactly one of four ways, and which part of each counts.

    Attributes:
        folder: one folder per class; with `manifest` the folder that its paths are relative to.
        manifest: a CSV or JSON Lines file that names images and labels.
        shards: a pattern of webdataset tars.
        hf: a folder as Hugging Face's imagefolder reads it.
        classnames: a file of names, one a line, that labels which are numbers count from 0.
        columns: what the manifest calls path, label, split and crop, where it is not so.
        crop: left, top, right, bottom as fractions in 0 to 1.
        workers: threads that decode; 0 decodes in the thread of the model, `None` takes as many as there are cores.
        domain_folder: where the domain.toml lies that names the set; `None` where the user does. What is outside of
            it needs the user's trust.
    """

    folder: Path | None = None
    manifest: Path | None = None
    shards: Path | None = None
    hf: Path | None = None
    classnames: Path | None = None
    columns: tuple[tuple[str, str], ...] = ()
    crop: tuple[float, float, float, float] = (0.0, 0.0, 1.0, 1.0)
    workers: int | None = None
    domain_folder: Path | None = field(default=None, compare=False, repr=False)

    @property
    def kind(self) -> str:
        """`manifest`, `shards`, `hf` or `folder`."""
        return next((kind for kind in ("manifest", "shards", "hf") if getattr(self, kind)), "folder")

    @property
    def source(self) -> Path:
        """What the user named: the folder, the manifest, or the pattern of shards."""
        named = getattr(self, self.kind)
        assert isinstance(named, Path)
        return named

    @property
    def root(self) -> Path:
        """The folder that image names are relative to."""
        if self.kind == "manifest":
            return self.folder or self.source.parent
        if self.kind == "shards":
            return Path(*takewhile(lambda part: not _PATTERN.search(part), self.source.parts[:-1]))
        return self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitSettings:
    """Share of each class that goes to the dev split (0 to 1, exclusive), and the seed.

    A `sealed` test split is only evaluated on explicit request. `by` is `hash`, where the content of an image alone
    decides, or `rank`, exact shares in each class, which is divided again when it grows.
    """

    dev: float = 0.5
    seed: int = 0
    sealed: bool = False
    by: Literal["hash", "rank"] = "hash"


@dataclass(frozen=True, slots=True, kw_only=True)
class LlmSettings:
    """The language model; `None` means the provider's default.

    Attributes:
        model: a litellm name, `replay/FILE` or `manual`.
        api_base: address of an OpenAI-compatible server.
        temperature: of sampling.
        max_tokens: most tokens of one reply.
        timeout: seconds that a model may be silent.
        total_timeout: seconds for one reply with all its retries.
        retries: how often a request is retried after a transient failure.
        concurrency: most simultaneous requests.
        env_file: file to read keys from besides the environment; no other file is read.
        price_in: USD per million tokens read, for a server whose price litellm does not know.
        price_out: the same for tokens written.
        caps: what a run may spend.
        from_file: which of these a domain.toml says, and not the user: they may need the user's trust.
    """

    model: str | None = None
    api_base: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    timeout: float = 300.0
    total_timeout: float = 3600.0
    retries: int = 3
    concurrency: int = 4
    env_file: Path | None = None
    price_in: float | None = None
    price_out: float | None = None
    caps: Limits = field(default_factory=Limits)
    from_file: frozenset[str] = field(default=frozenset(), compare=False, repr=False)

    @property
    def price(self) -> Price | None:
        """The user's price, if both parts are given."""
        if self.price_in is None or self.price_out is None:
            return None
        return Price(per_million_in=self.price_in, per_million_out=self.price_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class SecondSettings:
    """The vision model that gives a second opinion on images that CLIP is not sure of.

    Attributes:
        llm: the model, with its price and caps.
        below: it is asked about images whose most probable class is less probable than that, 0 to 1.
        images: dev images of each class that it is asked about first, to learn how often it is right.
    """

    llm: LlmSettings = field(default_factory=LlmSettings)
    below: float = 0.8
    images: int = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class EncoderSettings:
    """The encoder.

    Attributes:
        name: see `treegen.clip.encoders.open_encoder`.
        device: `auto`, `cuda`, `mps` or `cpu`.
        precision: `auto`, `fp32`, `fp16` or `bf16`.
        trust_remote_code: run the code that comes with a transformers model.
        logit_scale: for an encoder without its own.
        context_length: most tokens of a text, for an encoder that does not provide it.
        api_base: address of a service.
        batch: images or texts per request to a service.
        max_calls: most requests to a service in one run.
        max_cost: most that a service may cost in one run, in USD.
        price_in: USD per million tokens of a service, if litellm does not know it.
        revision: the commit of a model of the hub, if not the newest.
        keyless: send the service no key, as it would travel in the open.
        from_file: which of these a domain.toml says, and not the user: they may need the user's trust.
    """

    name: str = BUNDLED_ENCODER
    device: str = "auto"
    precision: str = "auto"
    trust_remote_code: bool = False
    logit_scale: float | None = None
    context_length: int | None = None
    api_base: str | None = None
    batch: int | None = None
    max_calls: int | None = None
    max_cost: float | None = None
    price_in: float | None = None
    revision: str | None = None
    keyless: bool = False
    from_file: frozenset[str] = field(default=frozenset(), compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DecisionSettings:
    """How the answers of the groups become class scores.

    Attributes:
        rule: its name, a key of `treegen.clip.decisions.RULES`.
        parameters: what it learnt; if empty, it learns on the dev split when used.
        encoder: fingerprint of the encoder with which they were learnt; empty for any.
        least_margin: if an image's two best scores differ by less, `treegen classify` reports it as unsure.
        priors: weight by class, above 0, for the rule `bayes`; a class that is not named has weight 1.
    """

    rule: str = "mean"
    parameters: tuple[tuple[str, float], ...] = ()
    encoder: str = ""
    least_margin: float = 0.0
    priors: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ComputeSettings:
    """How much is computed for each image at inference; the default is one forward pass.

    Attributes:
        views: 1, 4 or 16; the first view is the image itself.
        join: how the answers about the views become one: the mean of their embeddings or of their probabilities, or a
            vote.
        adapt: what is trained on the views of each image before it is classified: nothing, low-rank matrices in the
            image tower, or an offset on the text features.
        exclude: by group the kinds of views that it is not asked about, instead of those that its words exclude.
    """

    views: int = 1
    join: Literal["embeddings", "probabilities", "vote"] = "embeddings"
    adapt: Literal["none", "prompt", "lora"] = "none"
    exclude: tuple[tuple[str, tuple[str, ...]], ...] = ()

    @property
    def plain(self) -> bool:
        """Whether each image is embedded once, as it is."""
        return self.views == 1

    @property
    def words(self) -> str:
        """The name of the setting, such as `plain`, `4/vote` or `4/embeddings+lora`."""
        return "plain" if self.plain else f"{self.views}/{self.join}{f'+{self.adapt}' * (self.adapt != 'none')}"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """How `treegen check` judges trees of the domain: severities by code, for those of `ADJUSTABLE`."""

    severity: tuple[tuple[str, Level], ...] = ()
