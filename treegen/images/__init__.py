"""Image sets of several kinds behind one interface: listing, content hashes, safe decoding, the dev/test split."""

from treegen.images.interface import (
    SUFFIXES,
    WHOLE,
    Crop,
    Findings,
    ImageSet,
    LabelledImage,
    Labels,
    Skipped,
    below,
    shown,
)
from treegen.images.listing import labels_of, list_images, read_images
from treegen.images.pictures import hash_image, open_image, open_picture, read_bytes
from treegen.images.splitting import as_divided, digest_of_parts, divide, fixed_parts

__all__ = [
    "SUFFIXES",
    "WHOLE",
    "Crop",
    "Findings",
    "ImageSet",
    "LabelledImage",
    "Labels",
    "Skipped",
    "as_divided",
    "below",
    "digest_of_parts",
    "divide",
    "fixed_parts",
    "hash_image",
    "labels_of",
    "list_images",
    "open_image",
    "open_picture",
    "read_bytes",
    "read_images",
    "shown",
]
