"""Image sets of several kinds behind one interface: listing, content hashes, safe decoding, the dev/test split."""

from treegen.images.files import SUFFIXES, picture_files
from treegen.images.interface import (
    WHOLE,
    Census,
    Crop,
    Findings,
    ImageSet,
    LabelledImage,
    Labels,
    LeftOut,
    Skipped,
    below,
    by_reason,
    clusters_of,
    shown,
    split_called,
    take_census,
)
from treegen.images.listing import is_there, labels_of, list_images, read_images, survey_images
from treegen.images.pictures import hash_image, open_image, open_picture, read_bytes
from treegen.images.splitting import digest_of_parts, divide, fixed_parts, parts_of

__all__ = [
    "SUFFIXES",
    "WHOLE",
    "Census",
    "Crop",
    "Findings",
    "ImageSet",
    "LabelledImage",
    "Labels",
    "LeftOut",
    "Skipped",
    "below",
    "by_reason",
    "clusters_of",
    "digest_of_parts",
    "divide",
    "fixed_parts",
    "hash_image",
    "is_there",
    "labels_of",
    "list_images",
    "open_image",
    "open_picture",
    "parts_of",
    "picture_files",
    "read_bytes",
    "read_images",
    "shown",
    "split_called",
    "survey_images",
    "take_census",
]
