"""Image sets of several kinds behind one interface: listing, content hashes, safe decoding, the dev/test split."""

from treegen.images.interface import SUFFIXES, WHOLE, Crop, ImageSet, LabelledImage, Skipped, below, shown
from treegen.images.listing import list_images
from treegen.images.pictures import hash_image, open_image, open_picture, read_bytes
from treegen.images.splitting import divide, fixed_parts

__all__ = [
    "SUFFIXES", "WHOLE", "Crop", "ImageSet", "LabelledImage", "Skipped", "below", "divide", "fixed_parts",
    "hash_image", "list_images", "open_image", "open_picture", "read_bytes", "shown",
]  # fmt: skip
