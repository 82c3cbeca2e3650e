"""Detect that a service changed its model under the same name, so that old and new embeddings are never mixed."""

import hashlib
from itertools import count
from typing import TYPE_CHECKING, Final

from treegen.clip.arrays import to_numpy
from treegen.clip.embedding.cache import EmbeddingCache, text_key
from treegen.clip.encoders.api import PROBES, ServiceEncoder

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder

#: Cosine between a probe's cached embedding and the service's current one. The same model gives 0.9999 on any
#: machine, and float16 in the cache costs 0.000001; another model of the same width rarely exceeds 0.5.
_SAME: Final = 0.99


def settle(encoder: "Encoder", cache: EmbeddingCache) -> None:
    """Give a service a distinct fingerprint for each model that it has used.

    A fingerprint must be bit-identical for the same model, but a service's embeddings vary slightly between calls. So
    the embeddings of two fixed texts are cached, and the fingerprint identifies which of the cached ones the service
    agrees with. Local encoders are left as they are: their fingerprint is that of the weights.
    """
    if not isinstance(encoder, ServiceEncoder):
        return
    keys = [text_key(text) for text in PROBES]
    for number in count():
        fingerprint = encoder.fingerprint
        if number:
            fingerprint = "sha256:" + hashlib.sha256(f"{encoder.fingerprint} {number}".encode()).hexdigest()
        cached = cache.get(fingerprint, keys)
        if len(cached) < len(keys):
            cache.put(fingerprint, keys, encoder.probe)
            if number:
                encoder.add_note(f"the model behind {encoder.name} has changed: everything is embedded again")
            break
        if all(float(cached[key] @ row) >= _SAME for key, row in zip(keys, to_numpy(encoder.probe), strict=True)):
            break
    encoder.fingerprint = fingerprint
