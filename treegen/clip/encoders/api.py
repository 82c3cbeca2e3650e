"""Encoders behind an embedding service, by litellm names such as `jina_ai/jina-clip-v2`.

Texts are sent as strings and images as objects `{"image": BASE64}`, the format that Jina documents and compatible
servers accept; a text-only server refuses them. Providers for which litellm turns a data URL into an image get a
data URL. Any other provider would embed a plain string as text, letter by letter.

Source: https://api.jina.ai/redoc (embeddings) and litellm's transformations.
"""

import base64
import hashlib
import json
import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO
from threading import Event
from typing import TYPE_CHECKING, Any, Final

from treegen.clip.encoders.base import ASSUMED_SCALE
from treegen.clip.encoders.interface import Batch, Preprocessor, UnfinishedError
from treegen.config.settings import EncoderSettings
from treegen.errors import ModelError
from treegen.remote.addresses import destination, without_credentials
from treegen.remote.budget import Budget, Limits, Ticket
from treegen.remote.deadline import AbandonedError, before_deadline, refuse_if
from treegen.remote.failures import Failure, explain
from treegen.remote.litellm import NoKeyError, key_for, load_litellm, price_of
from treegen.remote.retrying import Retry, call

if TYPE_CHECKING:
    from PIL.Image import Image
    from torch import Tensor

#: Two texts embedded first by every service: they show that it answers, its width, and whether it has changed.
PROBES: Final = ("a photo of a lighthouse by the sea", "three red apples on a wooden table")
_NAME: Final = re.compile(r"[a-z][a-z0-9_]*/\S+")
_SIDE: Final = 512  # pixels; jina-clip-v2's input size, and larger pictures are billed by tiles of this size
_BATCH: Final = 32
_WORKERS: Final = 4  # concurrent requests
_RETRY: Final = Retry(tries=5, per_call=120.0)
_TOKENS_PER_IMAGE: Final = 1000  # a guess for caps, until replies report it
_DATA_ADDRESS: Final = ("cohere", "bedrock", "azure_ai")  # litellm turns data URLs into images for these
_JINA_KEYS: Final = ("JINA_AI_API_KEY", "JINA_API_KEY", "JINA_AI_TOKEN")


def is_service(name: str) -> bool:
    """Whether a name may be a service's: PROVIDER/MODEL, and not one of the local models' forms."""
    return bool(_NAME.fullmatch(name)) and ":" not in name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class PngPreprocessor:
    """Makes a picture the bytes of a PNG file, shrunk until its shorter side has at most `side` pixels.

    Attributes:
        side: in pixels.
    """

    side: int = _SIDE

    def __call__(self, image: "Image") -> bytes:
        """Encode as RGB PNG, which is lossless."""
        from PIL.Image import Resampling

        picture = image if image.mode == "RGB" else image.convert("RGB")
        if min(picture.size) > self.side:
            share = self.side / min(picture.size)
            size = (round(picture.width * share), round(picture.height * share))
            picture = picture.resize(size, Resampling.BICUBIC)
        file = BytesIO()
        picture.save(file, "PNG")
        return file.getvalue()

    def collate(self, items: Sequence[bytes]) -> list[bytes]:
        """Return the files."""
        return list(items)


class ServiceEncoder:
    """An embedding service. Requests are batched, sent a few at a time, retried, capped and counted."""

    def __init__(self, settings: EncoderSettings, retry: Retry = _RETRY) -> None:
        """Connect to the service by embedding two short texts.

        Args:
            settings: name, api_base, logit_scale, context_length, batch, max_calls, max_cost and price_in.
            retry: how often a request is retried.

        Raises:
            ModelError: no such provider, no key, or the service does not answer as it should.
        """
        self.name, self._settings, self._retry = settings.name, settings, retry
        self._litellm = load_litellm()
        self._check_name()
        self._key = self._find_key()
        self._budget = Budget(Limits(max_calls=settings.max_calls, max_cost=settings.max_cost), table="[encoder]")
        self._notes: list[str] = []
        self._image_tokens: list[int] = []  # tokens per image, as reported in replies
        self.device, self.precision = "remote", "fp32"
        self.logit_bias: float | None = None
        self.preprocessor: Preprocessor = PngPreprocessor()
        self.preprocessing: dict[str, Any] = {"shorter_side": _SIDE, "format": "PNG"}
        self.logit_scale, self.scale_assumed = settings.logit_scale or ASSUMED_SCALE, settings.logit_scale is None
        self.context_length = settings.context_length
        self._width = 0
        self._tokens: dict[str, int] = {}
        self.probe = self.encode_texts(PROBES)
        self.fingerprint = self._fingerprint()

    def _check_name(self) -> None:
        provider = self.name.partition("/")[0]
        if provider not in {getattr(p, "value", p) for p in self._litellm.provider_list}:
            tip = f"for a model of the hub: hf:{self.name} (transformers) or hf-hub:{self.name} (open_clip)"
            raise ModelError(f"{self.name}: there is no embedding service {provider!r}", tip)

    def _find_key(self) -> dict[str, str]:
        base = self._settings.api_base
        if self.name.startswith("jina_ai/") and not base and not any(os.environ.get(k, "").strip() for k in _JINA_KEYS):
            raise ModelError(f"{self.name}: no key in {_JINA_KEYS[1]}", f"set {_JINA_KEYS[1]} in the environment")
        try:
            return key_for(self._litellm, self.name, base, withheld=self._settings.keyless)
        except NoKeyError as error:
            tip = f"{error.remedy}; a model of the hub is hf:{self.name}"
            raise ModelError(error.message, tip, code=error.code) from None

    def _fingerprint(self) -> str:
        base = without_credentials(self._settings.api_base)
        identity = {"name": self.name, "api_base": base, "width": self._width, "preprocessing": self.preprocessing}
        return "sha256:" + hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()

    @property
    def notes(self) -> tuple[str, ...]:
        """See `Encoder.notes`: the cost, and which settings are unknown."""
        where = destination(self.name, self._settings.api_base)
        notes = [f"{self.name} at {where}: {self._budget.bill.words}", *self._notes]
        if self.scale_assumed:
            effect = f"{ASSUMED_SCALE:g} is assumed ([encoder] logit_scale)"
            notes.append(f"{self.name} does not report a logit scale: {effect}")
        if self.context_length is None:
            effect = "long prompts are not detected ([encoder] context_length)"
            notes.append(f"{self.name} does not report a context length: {effect}")
        return tuple(notes)

    def add_note(self, sentence: str) -> None:
        """Add a sentence to the notes."""
        self._notes.append(sentence)

    def stage(self, batch: Batch) -> Batch:
        """See `Encoder.stage`: does nothing for a service."""
        return batch

    def encode_prepared(self, batch: Batch) -> "Tensor":
        """See `Encoder.encode_prepared`."""
        rows, failure = self._embedded([self._image_item(file) for file in batch], images=True)
        if failure:
            raise UnfinishedError(failure, rows) if bool(rows.isfinite().any()) else failure
        missing = int(rows.isnan().any(1).sum())
        if missing == len(rows) > 1:
            raise ModelError(f"{self.name}: returned NaN for all {missing} images of a batch")
        return rows

    def encode_images(self, images: Sequence["Image"]) -> "Tensor":
        """See `Encoder.encode_images`."""
        return self.encode_prepared([self.preprocessor(image) for image in images])

    def encode_texts(self, texts: Sequence[str]) -> "Tensor":
        """See `Encoder.encode_texts`."""
        rows, failure = self._embedded(list(texts), images=False)
        if failure:
            raise failure
        if bool(rows.isnan().any()):
            raise ModelError(f"{self.name}: returned NaN for a text", "contact the provider")
        return rows

    def count_tokens(self, text: str) -> int:
        """Count with litellm's tokenizer, an estimate for most services; see `Encoder.count_tokens`."""
        if text not in self._tokens:
            self._tokens[text] = int(self._litellm.token_counter(model=self.name, text=text))
        return self._tokens[text]

    def _image_item(self, file: bytes) -> Any:
        encoded = base64.b64encode(file).decode()
        provider, _, bare = self.name.partition("/")
        prices = self._litellm.model_cost.get(self.name) or self._litellm.model_cost.get(bare) or {}
        if provider in _DATA_ADDRESS and prices.get("supports_embedding_image_input"):
            return f"data:image/png;base64,{encoded}"
        return {"image": encoded}

    def _embedded(self, items: list[Any], *, images: bool) -> "tuple[Tensor, ModelError | None]":
        """Return (N, D) float32 of length 1, NaN where there are no numbers; and the first failure, if a request
        failed.
        """
        import torch

        size = self._settings.batch or _BATCH
        parts = [items[at : at + size] for at in range(0, len(items), size)]
        failures: list[ModelError] = []
        unwanted = Event()

        def answer(part: list[Any]) -> list[list[float | None]]:
            if failures:  # send no further requests
                return [[]] * len(part)
            try:
                return self._request(part, images, unwanted)
            except ModelError as error:
                failures.append(error)
                return [[]] * len(part)

        with ThreadPoolExecutor(min(_WORKERS, len(parts)) or 1) as pool:
            try:
                rows = [row for part in pool.map(answer, parts) for row in part]
            except BaseException:
                unwanted.set()  # else the pool would wait for the servers after ctrl+c
                raise
        widths = {len(row) for row in rows if row} | ({self._width} if self._width else set())
        if len(widths) > 1:
            listed = ", ".join(map(str, sorted(widths)))
            message = f"{self.name}: returned vectors of different widths: {listed}"
            raise ModelError(message, "do all requests reach the same model?")
        self._width = max(widths, default=0)
        nan = float("nan")
        numbers = torch.tensor([[nan if v is None else v for v in row] or [nan] * self._width for row in rows])
        broken = ~numbers.isfinite().all(1) | (numbers.norm(dim=1) == 0)
        numbers[broken] = nan
        return torch.nn.functional.normalize(numbers, dim=-1), failures[0] if failures else None

    def _request(self, items: list[Any], images: bool, unwanted: Event) -> list[list[float | None]]:
        """Return one vector per item, in order; retry where that may help.

        Raises:
            ModelError: refused, a cap is reached, or the reply does not fit the request.
            AbandonedError: it is unwanted.
        """
        send = partial(self._send, items, images, unwanted)
        return call(send, self._retry, self._explain, on_pulse=partial(refuse_if, unwanted))

    def _send(self, items: list[Any], images: bool, unwanted: Event, seconds: float) -> list[list[float | None]]:
        tokens = self._estimate(items, images)
        ticket = self._ticket(tokens)
        options = {"api_base": self._settings.api_base} if self._settings.api_base else {}
        try:
            send = partial(
                self._litellm.embedding,
                model=self.name,
                input=items,
                timeout=seconds,
                max_retries=0,
                caching=False,
                **self._key,
                **options,
            )
            reply = before_deadline(send, seconds, unwanted)
        except Exception:
            self._budget.after(ticket)
            raise
        used = getattr(getattr(reply, "usage", None), "total_tokens", None) or None
        self._budget.after(ticket, prompt_tokens=used, completion_tokens=0, cost=self._price(used))
        if images and used:
            self._image_tokens.append(-(-used // len(items)))
        return self._in_order(reply, len(items))

    def _ticket(self, tokens: int) -> Ticket:
        try:
            return self._budget.before(tokens=tokens, cost=self._price(tokens))
        except ModelError as error:
            raise ModelError(f"{self.name}: {error.message}", error.tip) from None

    def _estimate(self, items: list[Any], images: bool) -> int:
        if images:
            return len(items) * (max(self._image_tokens) if self._image_tokens else _TOKENS_PER_IMAGE)
        return sum(len(text) // 4 + 2 for text in items)

    def _price(self, tokens: int | None) -> float | None:
        """Return the cost in USD; `None` if tokens or price are unknown."""
        if self._settings.price_in is not None:
            return None if tokens is None else tokens * self._settings.price_in / 1e6
        return price_of(self._litellm, self.name, tokens, 0, api_base=self._settings.api_base)

    def _explain(self, error: Exception) -> Failure | None:
        if isinstance(error, ModelError | AbandonedError):
            return None
        failure = explain(
            error,
            model=self.name,
            api_base=self._settings.api_base,
            seconds=self._retry.per_call,
            expected="list of embeddings",
            table="[encoder]",
        )
        if failure.code != "bad-request":
            return failure
        return replace(failure, tip="does this model embed images? A smaller `batch` below [encoder] may help too")

    def _in_order(self, reply: Any, count: int) -> list[list[float | None]]:
        """Return the vectors by index: a service may answer in any order."""
        vectors: dict[int, Any] = {}
        for place, item in enumerate(getattr(reply, "data", None) or ()):
            fields = item if isinstance(item, dict) else item.model_dump()
            vectors[int(fields.get("index", place))] = fields.get("embedding")
        if sorted(vectors) != list(range(count)) or not all(isinstance(v, list) and v for v in vectors.values()):
            returned = f"{len(reply.data or ())} vectors, numbered {sorted(vectors)[:5]}.."
            message = f"{self.name}: returned {returned}, for {count} items"
            raise ModelError(message, "a smaller `batch` below [encoder] may help; otherwise contact the provider")
        return [vectors[place] for place in range(count)]
