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
from treegen.images.splitting import digest_of_splits, divide, fixed_splits, map_splits

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
    "digest_of_splits",
    "divide",
    "fixed_splits",
    "hash_image",
    "is_there",
    "labels_of",
    "list_images",
    "map_splits",
    "open_image",
    "open_picture",
    "picture_files",
    "read_bytes",
    "read_images",
    "shown",
    "split_called",
    "survey_images",
    "take_census",
]
