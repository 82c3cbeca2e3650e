"""Pixels from pictures to the model: bytes that become the numbers torchvision makes, and batches under way."""

import pickle
from concurrent.futures import Future
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from treegen.clip.encoders.pixels import PixelPreprocessor, Staged, Transfer, normalised


def half(image: Image.Image) -> Image.Image:
    return image.resize((image.width // 2, image.height // 2))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P", "CMYK"])
def test_bytes_become_the_numbers_that_torchvision_makes(mode: str) -> None:
    """Bit by bit: ToTensor and Normalize, one picture at a time."""
    from torchvision.transforms import Compose, Normalize, ToTensor

    mean, std = (0.48, 0.45, 0.4), (0.26, 0.27, 0.3)
    slow = Compose([half, ToTensor(), Normalize(mean, std)])
    pictures = [Image.frombytes("RGB", (8, 10), Random(n).randbytes(240)).convert(mode) for n in range(3)]
    prepare = pickle.loads(pickle.dumps(PixelPreprocessor(half)))
    batch = prepare.collate([prepare(picture) for picture in pictures])
    assert (batch.dtype, batch.shape) == (np.uint8, (3, 5, 4, 3))
    columns = [torch.tensor(values)[:, None, None] for values in (mean, std)]
    wanted = torch.stack([slow(p.convert("RGB")) for p in pictures])
    found = normalised(Transfer("cpu").finish(batch), *columns)
    assert found.shape == (3, 3, 5, 4)
    assert torch.equal(found, wanted)
    assert torch.equal(normalised(Transfer("cpu").finish(batch[1:]), *columns), wanted[1:])


@pytest.mark.parametrize("part", [slice(0, 5), slice(2, 4), slice(3, 99), slice(4, 4)])
def test_parts_of_a_staged_batch_are_the_parts_of_the_batch(part: slice) -> None:
    batch, moved = torch.arange(7), Future[Any]()
    staged = Staged(batch=batch, moved=moved)[1:6]
    assert (len(staged), len(staged[part])) == (5, len(batch[1:6][part]))
    assert torch.equal(batch[staged[part].part], batch[1:6][part])


def test_a_batch_without_room_on_the_device_is_moved_in_parts() -> None:
    moved = Future[Any]()
    moved.set_result(None)
    staged = Staged(batch=torch.arange(7), moved=moved)
    assert torch.equal(Transfer("cpu").finish(staged[2:5]), torch.tensor([2, 3, 4]))


def test_without_cuda_a_batch_stays_where_it_is() -> None:
    transfer, batch = Transfer("cpu"), torch.arange(7)
    assert transfer.begin(batch) is batch
    assert torch.equal(transfer.finish(batch), batch)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_batches_that_are_under_way_together_arrive_whole() -> None:
    transfer = Transfer("cuda")
    batches = [torch.randint(0, 256, (33, 3, 64, 64), dtype=torch.uint8) for _ in range(20)]
    staged = [transfer.begin(batch) for batch in batches]
    for batch, under_way in zip(batches, staged, strict=True):
        assert torch.equal(transfer.finish(under_way[5:20]).cpu(), batch[5:20])
