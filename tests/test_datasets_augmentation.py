"""Augmentation against a slow reference, image by image."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from toolkit.datasets import Augment


def variants(image: np.ndarray, down: int, right: int, flip: bool, padding: str) -> list[np.ndarray]:
    """Every image that shifting and flipping one image (c, h, w) may give."""
    _, h, w = image.shape
    padded = np.pad(image, ((0, 0), (down, down), (right, right)), mode="edge" if padding == "edge" else "constant")
    shifted = [padded[:, y : y + h, x : x + w] for y in range(2 * down + 1) for x in range(2 * right + 1)]
    return shifted + [image[:, :, ::-1] for image in shifted] * flip


@given(
    shape=st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    dtype=st.sampled_from([torch.uint8, torch.float32]),
    shift=st.floats(0, 0.4),
    flip=st.booleans(),
    padding=st.sampled_from(["edge", "zero"]),
    seed=st.integers(0, 2**31),
)
def test_every_result_is_a_shifted_or_flipped_original(shape, dtype, shift, flip, padding, seed):
    batch = torch.randint(0, 256, shape, generator=torch.Generator().manual_seed(seed)).to(dtype)
    before = batch.clone()
    result = Augment(shift=shift, flip=flip, padding=padding)(batch, torch.Generator().manual_seed(seed))
    assert result.shape == batch.shape
    assert result.dtype == dtype
    assert torch.equal(batch, before)
    down, right = int(shift * shape[2]), int(shift * shape[3])
    for original, image in zip(batch.numpy(), result.numpy(), strict=True):
        assert any(np.array_equal(image, candidate) for candidate in variants(original, down, right, flip, padding))


def test_the_same_generator_state_gives_the_same_batch(device):
    batch = torch.randint(0, 256, (8, 3, 32, 32), dtype=torch.uint8, device=device)
    first, second, third = (Augment()(batch, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, third)
    assert first.device == batch.device


def test_all_shifts_and_flips_occur_about_equally_often():
    image = torch.zeros(1, 1, 20, 20)
    image[0, 0, 10, 4] = 1
    result = Augment(shift=0.1, flip=True, padding="zero")(image.expand(5000, 1, 20, 20), torch.Generator().manual_seed(0))
    rows, columns = (torch.nonzero(result.squeeze(1))[:, axis] for axis in (1, 2))
    assert torch.bincount(rows, minlength=20)[8:13].sum() == 5000
    assert torch.bincount(rows, minlength=20)[8:13].sub(1000).abs().max() < 150
    unflipped, flipped = torch.bincount(columns, minlength=20)[2:7], torch.bincount(columns, minlength=20)[13:18]
    assert unflipped.sum() + flipped.sum() == 5000
    assert torch.cat([unflipped, flipped]).sub(500).abs().max() < 110


def test_eight_pixel_digits_are_not_shifted():
    batch = torch.arange(64, dtype=torch.uint8).reshape(1, 1, 8, 8)
    assert Augment(shift=0.1, flip=False)(batch, torch.Generator()) is batch


def test_gradients_pass():
    batch = torch.rand(4, 1, 10, 10, requires_grad=True)
    Augment(padding="zero")(batch, torch.Generator().manual_seed(3)).sum().backward()
    assert set(batch.grad.unique().tolist()) <= {0.0, 1.0}


@pytest.mark.parametrize("shift", [-0.1, 1.0, float("nan")])
def test_shifts_outside_of_the_image_are_refused(shift):
    with pytest.raises(ValueError, match="shift is a share of the image size, 0 <= shift < 1, got"):
        Augment(shift=shift)


def test_unknown_padding_is_refused():
    with pytest.raises(ValueError, match="padding must be 'edge' or 'zero', got 'mirror'"):
        Augment(padding="mirror")


def test_feature_vectors_are_refused():
    with pytest.raises(ValueError, match=r"inputs must be images \(b, c, h, w\), got shape \(4, 3\)"):
        Augment()(torch.zeros(4, 3), torch.Generator())
