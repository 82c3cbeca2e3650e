"""Batches that are halved when memory runs out, and rows without numbers."""

from pathlib import Path

import pytest
import torch

from treegen.clip.encoders.batching import Batcher
from treegen.errors import ModelError


class Model:
    """Doubles numbers into rows of 3; has memory for so many, and remembers the sizes it was asked for."""

    def __init__(self, most: int, error: Exception | None = None) -> None:
        self.most, self.error = (
            most,
            error or torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
        )
        self.sizes: list[int] = []

    def __call__(self, batch: torch.Tensor) -> torch.Tensor:
        self.sizes.append(len(batch))
        if len(batch) > self.most:
            raise self.error
        return torch.stack([2 * batch, batch + 1, -batch], 1)


def expected(batch: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(torch.stack([2 * batch, batch + 1, -batch], 1), dim=1)


@pytest.mark.parametrize("count", [1, 2, 5, 7, 16, 33])
@pytest.mark.parametrize("most", [1, 2, 3, 40])
def test_halved_batches_give_what_whole_ones_give(count: int, most: int) -> None:
    batch = torch.arange(count).float()
    model, batcher = Model(most), Batcher("m", "fp16")
    torch.testing.assert_close(batcher.images(batch, model), expected(batch))
    assert bool(batcher.notes) == (count > most)


def test_what_fits_is_remembered_and_told_once() -> None:
    batcher, model = Batcher("m", "fp16"), Model(5)
    for _ in range(3):
        batcher.images(torch.arange(16).float(), model)
    assert model.sizes == [16, 8, 4, 4, 4, 4, *[4] * 8]
    assert batcher.notes == ("ran out of memory with larger batches of images: halved 2 times, to 4",)


def test_texts_have_a_size_of_their_own() -> None:
    batcher = Batcher("m", "fp16")
    batcher.images(torch.arange(8).float(), Model(4))
    texts = Model(6)
    batcher.texts(torch.arange(6).float(), texts)
    assert texts.sizes == [6]


@pytest.mark.parametrize(
    "error",
    [
        torch.cuda.OutOfMemoryError("x"),
        RuntimeError("MPS backend out of memory (MPS allocated: 8 GB)"),
        RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: not enough memory: you tried to allocate"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
    ],
)
def test_memory_that_ran_out_is_known_by_type_and_by_words(error: Exception) -> None:
    batch = torch.arange(3).float()
    torch.testing.assert_close(Batcher("m", "fp32").images(batch, Model(2, error)), expected(batch))


def test_the_cpu_that_really_has_not_enough_memory_is_known() -> None:
    """torch's own error, of an allocation that no machine can give."""

    def encode(batch: torch.Tensor) -> torch.Tensor:
        if len(batch) > 2:
            torch.empty(2**55, dtype=torch.uint8)
        return torch.stack([2 * batch, batch + 1, -batch], 1)

    batch = torch.arange(5).float()
    torch.testing.assert_close(Batcher("m", "fp32").images(batch, encode), expected(batch))


def test_memory_that_does_not_suffice_for_one_is_a_model_error() -> None:
    with pytest.raises(ModelError, match="not enough memory to embed one of the images") as caught:
        Batcher("m", "fp16").images(torch.arange(4).float(), Model(0))
    assert "--device cpu" in caught.value.tip


def test_another_failure_is_a_model_error_at_once() -> None:
    model = Model(2, RuntimeError("CUDA error: device-side assert triggered\nmore"))
    with pytest.raises(ModelError, match=r"m: failed: CUDA error: device-side assert triggered$"):
        Batcher("m", "fp16").images(torch.arange(4).float(), model)
    assert model.sizes == [4]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_single_image_without_numbers_is_a_row_of_nan_and_is_counted(value: float) -> None:
    def encode(batch: torch.Tensor) -> torch.Tensor:
        rows = torch.stack([2 * batch, batch + 1, -batch], 1)
        rows[batch == 3, 1] = value
        return rows

    batcher, batch = Batcher("m", "fp16"), torch.arange(5).float()
    rows = batcher.images(batch, encode)
    assert rows.isnan().all(1).tolist() == [False, False, False, True, False]
    torch.testing.assert_close(rows[[0, 1, 2, 4]], expected(batch)[[0, 1, 2, 4]])
    assert batcher.notes == ("the model returned NaN for 1 image",)


def test_a_vector_of_zeros_points_nowhere_and_counts_as_without_numbers() -> None:
    """Its cosine with every text is 0: each group would answer with its first option."""
    batcher, batch = Batcher("m", "fp16"), torch.arange(5).float()
    rows = batcher.images(batch, lambda part: torch.stack([part, 2 * part], 1))
    assert rows.isnan().all(1).tolist() == [True, False, False, False, False]
    assert batcher.notes == ("the model returned NaN for 1 image",)
    with pytest.raises(ModelError, match="for a text"):
        batcher.texts(batch, lambda part: torch.zeros(len(part), 2))


@pytest.mark.parametrize(("precision", "tip"), [("fp16", "bf16 or fp32"), ("bf16", "fp32"), ("fp32", "damaged")])
def test_a_batch_without_any_numbers_is_an_error_that_says_what_to_try(precision: str, tip: str) -> None:
    batcher = Batcher("m", precision)
    with pytest.raises(ModelError, match="returned NaN for all 4 images of a batch") as caught:
        batcher.images(torch.full((4,), float("nan")), Model(9))
    assert tip in caught.value.tip
    with pytest.raises(ModelError, match="for a text"):
        batcher.texts(torch.tensor([1.0, float("nan")]), Model(9))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_memory_that_really_ran_out_on_cuda_is_found_again(tiny_clip: Path) -> None:
    """A batch of which the pixels fit on the card and the activations do not, with the memory limited."""
    from treegen.clip.encoders.open_clip import OpenClipEncoder

    encoder = OpenClipEncoder(f"local-dir:{tiny_clip}", device="cuda")
    batch = torch.zeros(4096, 3, 32, 32, dtype=torch.uint8)
    alone = encoder.encode_prepared(batch[:8])
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction((torch.cuda.memory_reserved() + 48 * 2**20) / total)
    try:
        rows = encoder.encode_prepared(batch)
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
    assert "memory ran out" in encoder.notes[0]
    torch.testing.assert_close(rows, alone[:1].expand(len(batch), -1), rtol=1e-2, atol=1e-3)
