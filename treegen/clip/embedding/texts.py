"""Embed texts through the cache: each is embedded once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from treegen.clip.arrays import to_numpy
from treegen.clip.encoders.cached import CachedEncoder
from treegen.progress import Progress, no_progress

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from treegen.clip.embedding.cache import EmbeddingCache
    from treegen.clip.encoders.interface import Encoder

_BATCH: Final = 64


def embed_texts(
    texts: Sequence[str],
    encoder: "Encoder",
    cache: "EmbeddingCache | None" = None,
    progress: Progress = no_progress,
) -> dict[str, "NDArray[np.float32]"]:
    """Return the vector (D) of each text, of length 1.

    Args:
        texts: may contain duplicates.
        encoder: embeds what is not in the cache, in batches; each batch is stored at once.
        cache: of texts; that of a `CachedEncoder` if not given.
        progress: called with the number of embedded texts; may raise `Cancelled`.

    Raises:
        ModelError: the encoder fails.
    """
    if cache is None and isinstance(encoder, CachedEncoder):
        cache = encoder.cache
    unique = list(dict.fromkeys(texts))
    vectors = cache.get_texts(encoder.fingerprint, unique) if cache else {}
    missing = [text for text in unique if text not in vectors]
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        rows = to_numpy(encoder.encode_texts(batch))  # may raise because the model has changed: store nothing before
        if cache:
            cache.put_texts(encoder.fingerprint, batch, rows)
        vectors.update(zip(batch, rows, strict=True))
        progress("embedding texts", start + len(batch), len(missing))
    return vectors
