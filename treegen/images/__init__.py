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
    part_called,
    shown,
    take_census,
)
from treegen.images.listing import is_there, labels_of, list_images, notes_on_set, read_images, survey_images
from treegen.images.pictures import hash_image, open_image, open_picture, read_bytes
from treegen.images.splitting import as_divided, digest_of_parts, divide, fixed_parts

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
    "as_divided",
    "below",
    "by_reason",
    "digest_of_parts",
    "divide",
    "fixed_parts",
    "hash_image",
    "is_there",
    "labels_of",
    "list_images",
    "notes_on_set",
    "open_image",
    "open_picture",
    "part_called",
    "picture_files",
    "read_bytes",
    "read_images",
    "shown",
    "survey_images",
    "take_census",
]
