"""Notices that a service changed its model behind the same name, so that old and new embeddings are never mixed."""

import hashlib
from itertools import count
from typing import TYPE_CHECKING, Final

from treegen.clip.arrays import to_numpy
from treegen.clip.embedding.cache import EmbeddingCache, text_key
from treegen.clip.encoders.api import PROBES, ServiceEncoder

if TYPE_CHECKING:
    from treegen.clip.encoders.interface import Encoder

#: Cosine between what is kept of a probe and what the service says now. The same model gives 0.9999 whatever machine it
#: runs on, and float16 in the cache takes 0.000001; another model in the same width gives hardly more than 0.5.
_SAME: Final = 0.99


def settle(encoder: "Encoder", cache: EmbeddingCache) -> None:
    """Gives a service a fingerprint of its own for each model that it was seen to be.

    A fingerprint must be the same for the same model, bit by bit, and embeddings of a service differ a little between
    calls. So the embeddings of two fixed texts are kept in the cache, and the fingerprint says which of those seen so
    far the service agrees with. Encoders that run here are left as they are: theirs is made of the weights.
    """
    if not isinstance(encoder, ServiceEncoder):
        return
    keys = [text_key(text) for text in PROBES]
    for seen in count():
        fingerprint = encoder.fingerprint
        if seen:
            fingerprint = "sha256:" + hashlib.sha256(f"{encoder.fingerprint} {seen}".encode()).hexdigest()
        kept = cache.get(fingerprint, keys)
        if len(kept) < len(keys):
            cache.put(fingerprint, keys, encoder.probe)
            if seen:
                encoder.tell(f"{encoder.name} is no longer the model it was: everything is embedded anew")
            break
        if all(float(kept[key] @ row) >= _SAME for key, row in zip(keys, to_numpy(encoder.probe), strict=True)):
            break
    encoder.fingerprint = fingerprint
