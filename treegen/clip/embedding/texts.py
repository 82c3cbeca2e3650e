"""Embeds texts through the cache: each is embedded once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from treegen.clip.arrays import to_numpy
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
        texts: may hold a text twice.
        encoder: embeds what is not in the cache, a batch at a time; each is kept at once.
        cache: of texts.
        progress: is told how many are embedded; may raise `Cancelled`.

    Raises:
        ModelError: the encoder fails.
    """
    wanted = list(dict.fromkeys(texts))
    known = {t: to_numpy(v) for t, v in cache.get_texts(encoder.fingerprint, wanted).items()} if cache else {}
    missing = [text for text in wanted if text not in known]
    for start in range(0, len(missing), _BATCH):
        batch = missing[start : start + _BATCH]
        vectors = encoder.encode_texts(batch)
        if cache:
            cache.put_texts(encoder.fingerprint, batch, vectors)
        known.update(zip(batch, to_numpy(vectors), strict=True))
        progress("embedding texts", start + len(batch), len(missing))
    return known
