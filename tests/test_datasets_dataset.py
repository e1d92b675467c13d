"""The `Dataset` type and how arrays become it."""

import copy
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
import torch

from toolkit.datasets import DamagedFile, Dataset, from_arrays


@pytest.fixture
def colour() -> Dataset:
    rng = np.random.default_rng(1)
    x = rng.integers(0, 256, (200, 3, 5, 4), dtype=np.uint8)
    return from_arrays(x, rng.permutation(200) % 4, name="colour", classes=("a", "b", "c", "d"), units="levels")


def test_splits_types_and_properties(colour):
    assert [len(pair[0]) for pair in (colour.train, colour.validation, colour.test)] == [160, 20, 20]
    assert colour.train[0].dtype == torch.uint8
    assert colour.train[1].dtype == torch.int64
    assert colour.input_shape == (3, 5, 4)
    assert colour.n_classes == 4
    assert colour.device == torch.device("cpu")
    assert torch.equal(torch.bincount(colour.train[1]), torch.tensor([40, 40, 40, 40]))


def test_it_cannot_be_changed(colour):
    with pytest.raises(FrozenInstanceError):
        colour.name = "other"


def test_its_text_is_one_short_line(colour):
    assert repr(colour) == (
        "Dataset 'colour': 160 train, 20 validation, 20 test samples of shape 3x5x4 (uint8), 4 classes, on cpu"
    )


def test_describe_is_a_table_of_origin_and_counts(colour):
    table = colour.describe()["colour"]
    assert table["origin"] == "measured"
    assert table["targets"] == "4 classes: a, b, c, d"
    assert table["train samples"] == 160
    assert replace(colour, simulated=True).describe().loc["origin", "colour"] == "simulated"


def test_mean_and_std_are_those_of_the_training_split_alone(colour):
    scaled = colour.train[0].double() / 255
    assert colour.mean == pytest.approx(scaled.mean((0, 2, 3)).tolist(), abs=1e-12)
    assert colour.std == pytest.approx(scaled.var((0, 2, 3), correction=0).sqrt().tolist(), abs=1e-12)


def test_normalised_training_images_have_mean_0_and_std_1(colour, device):
    x = colour.to(device).normalise(colour.train[0].to(device))
    assert x.dtype == torch.float32
    assert x.device.type == device
    torch.testing.assert_close(x.mean((0, 2, 3)).cpu(), torch.zeros(3), atol=1e-6, rtol=0)
    torch.testing.assert_close(x.var((0, 2, 3), correction=0).cpu(), torch.ones(3), atol=1e-5, rtol=0)


def test_normalise_follows_the_inputs_not_the_data(colour, device):
    assert colour.normalise(colour.train[0].to(device)).device.type == device


def test_normalise_leaves_its_argument_alone(colour):
    for batch in (colour.train[0][:4].clone(), torch.rand(4, 3, 5, 4)):
        before = batch.clone()
        colour.normalise(batch)
        assert torch.equal(batch, before)


def test_float_images_in_0_to_1_are_normalised_like_the_stored_ones(colour):
    stored = colour.train[0][:7]
    torch.testing.assert_close(colour.normalise(stored.float() / 255), colour.normalise(stored))


def test_without_mean_and_std_images_are_scaled_to_0_to_1(colour):
    plain = replace(colour, mean=None, std=None)
    every_level = torch.arange(256, dtype=torch.uint8).reshape(1, 1, 16, 16)
    torch.testing.assert_close(plain.normalise(every_level), torch.arange(256).reshape(1, 1, 16, 16) / 255)


def test_without_mean_and_std_float_inputs_are_handed_back():
    data = from_arrays(np.random.default_rng(0).normal(size=(30, 4)), np.arange(30) % 2, standardise=False)
    batch = data.train[0][:5]
    assert data.normalise(batch) is batch


def test_normalise_refuses_other_types(colour):
    with pytest.raises(TypeError, match=r"inputs must be uint8 or floating point, got torch\.int64"):
        colour.normalise(torch.zeros(2, 3, 5, 4, dtype=torch.int64))


def test_gradients_pass_through_normalise(colour):
    batch = torch.rand(2, 3, 5, 4, requires_grad=True)
    colour.normalise(batch).sum().backward()
    torch.testing.assert_close(batch.grad[0, :, 0, 0], 1 / torch.tensor(colour.std, dtype=torch.float32))


def test_what_normalise_keeps_from_inference_serves_training(colour):
    with torch.inference_mode():
        colour.normalise(torch.rand(2, 3, 5, 4))
    batch = torch.rand(2, 3, 5, 4, requires_grad=True)
    colour.normalise(batch).sum().backward()
    assert batch.grad.isfinite().all()


def test_the_fingerprint_depends_on_values_order_and_type_only(colour, device):
    same = [colour.to(device), replace(colour, name="other", mean=None, std=None)]
    assert {data.fingerprint() for data in same} == {colour.fingerprint()}
    x, y = colour.train
    changed = x.clone()
    changed[0, 0, 0, 0] ^= 1
    others = [
        replace(colour, train=(changed, y)),
        replace(colour, train=(x.flip(0), y)),
        replace(colour, train=colour.test, test=colour.train),
        replace(colour, validation=(x[:0], y[:0])),
    ]
    assert len({colour.fingerprint(), *(data.fingerprint() for data in others)}) == 5


def test_a_subset_keeps_shares_scaling_and_the_other_splits(colour):
    small = colour.subset(40, seed=3)
    assert torch.equal(torch.bincount(small.train[1]), torch.tensor([10, 10, 10, 10]))
    assert small.validation is colour.validation
    assert small.mean == colour.mean
    assert small.name == "colour (40 of 160)"
    assert torch.equal(small.train[0], colour.subset(40, seed=3).train[0])
    assert not torch.equal(small.train[0], colour.subset(40, seed=4).train[0])


def test_a_proportional_subset_shrinks_all_splits(colour):
    small = colour.subset(40, proportional=True)
    assert [len(pair[1]) for pair in (small.train, small.validation, small.test)] == [40, 5, 5]
    assert len(colour.subset(1, proportional=True).test[0]) == 0


@pytest.mark.parametrize("n", [0, 161])
def test_subsets_of_impossible_size_are_refused(colour, n):
    with pytest.raises(ValueError, match=f"n must be a number of training samples from 1 to 160, got {n}"):
        colour.subset(n)


def test_splits_are_the_same_for_the_same_seed_and_cover_everything():
    x = np.arange(50, dtype=np.float32)[:, None].repeat(2, 1)
    first, second, other = (from_arrays(x, np.arange(50) % 5, seed=seed, standardise=False) for seed in (7, 7, 8))
    assert first.fingerprint() == second.fingerprint() != other.fingerprint()
    everything = torch.cat([pair[0][:, 0] for pair in (first.train, first.validation, first.test)])
    assert torch.equal(everything.sort().values, torch.arange(50.0))


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ((6, 8, 9), (1, 8, 9)),
        ((6, 1, 8, 9), (1, 8, 9)),
        ((6, 3, 8, 9), (3, 8, 9)),
        ((6, 8, 9, 3), (3, 8, 9)),
        ((6, 8, 9, 1), (1, 8, 9)),
        ((6, 13, 64, 64), (13, 64, 64)),
        ((6, 7), (7,)),
    ],
)
def test_the_channel_axis_is_found(shape, expected):
    x = np.arange(np.prod(shape)).reshape(shape) % 251
    data = from_arrays(x, np.arange(6) % 2, validation=0, test=0)
    assert data.input_shape == expected
    assert data.train[0].dtype == (torch.uint8 if len(shape) > 2 else torch.float32)
    last = x[1, 2, 3, 0] if shape[-1] <= 3 and len(shape) == 4 else None
    assert last is None or data.train[0][1, 0, 2, 3] == last


def test_regression_targets_stay_numbers():
    rng = np.random.default_rng(2)
    data = from_arrays(rng.normal(3, 2, (100, 3)), rng.normal(size=(100, 2)), units="eV", simulated=True)
    assert data.classes is None
    assert data.n_classes == 0
    assert data.train[1].shape == (80, 2)
    assert data.train[1].dtype == torch.float32
    torch.testing.assert_close(data.normalise(data.train[0]).std(0, correction=0), torch.ones(3))
    assert repr(data).endswith("regression, on cpu, simulated")


def test_an_own_test_part_is_kept_as_it_is():
    x, y = torch.rand(20, 1, 4, 4), torch.arange(20) % 2
    data = from_arrays(x, y, test=(x[:5] + 1, y[:5]), validation=0.25)
    assert torch.equal(data.test[0], x[:5] + 1)
    assert [len(data.train[0]), len(data.validation[0])] == [15, 5]


def test_a_constant_feature_is_only_shifted():
    data = from_arrays(np.full((10, 2), 0.1), np.arange(10) % 2)
    assert data.std == (1.0, 1.0)
    assert torch.equal(data.normalise(data.train[0]), torch.zeros(8, 2))


def test_arrays_that_cannot_be_written_to_are_copied():
    x = np.zeros((10, 2), np.float32)
    x.setflags(write=False)
    data = from_arrays(x, np.arange(10) % 2, test=(x, np.arange(10) % 2), standardise=False)
    data.test[0].add_(1)
    assert x.sum() == 0


def test_the_error_of_a_damaged_file_can_be_rebuilt_in_another_process():
    error = copy.copy(DamagedFile("file.gz", "truncated"))
    assert str(error) == "file.gz: truncated"


IMAGES = np.zeros((8, 1, 4, 4), np.uint8)
LABELS = np.arange(8) % 2


@pytest.mark.parametrize(
    ("x", "y", "settings", "error", "message"),
    [
        (IMAGES[:7], LABELS, {}, ValueError, "inputs and targets must have equal lengths, got 7 and 8"),
        (IMAGES, LABELS - 1, {}, ValueError, "targets must be labels from 0 upwards, got -1 at position 0"),
        (IMAGES, LABELS * 2, {}, ValueError, "no sample of class '1'; labels must count from 0 without gaps"),
        (IMAGES, LABELS + 1, {}, ValueError, "no sample of class '0'"),
        (IMAGES, LABELS * 10**9, {}, ValueError, "label 1000000000 among 8 samples leaves classes without a sample"),
        (IMAGES, LABELS, {"classes": ("one",)}, ValueError, "label 1 has no name; 1 classes are named"),
        (IMAGES, LABELS, {"classes": ("a", "b", "c")}, ValueError, "no sample of class 'c'"),
        (IMAGES, LABELS / 2, {"classes": ("a", "b")}, TypeError, "targets must be whole numbers where classes are named"),
        (IMAGES, LABELS[:, None], {}, ValueError, r"class labels must have shape \(n,\), got \(8, 1\)"),
        (IMAGES, np.array(["cat", "dog"] * 4), {}, TypeError, "targets must be an array of whole or real numbers, got <U3"),
        (IMAGES.astype(object), LABELS, {}, TypeError, "inputs must be an array of whole or real numbers, got object"),
        (IMAGES + 1j, LABELS, {}, TypeError, "got complex128"),
        ([[1.0], [1.0, 2.0]], [0, 1], {}, ValueError, "inputs must be an array, got rows of unequal lengths"),
        (IMAGES[:, 0].astype(int) + 300, LABELS, {}, ValueError, r"whole numbers must lie in 0 \.\. 255, got 300 \.\. 300"),
        (np.array([[0, 1], [np.nan, 3]]), [0, 1], {}, ValueError, r"inputs must be finite, got nan at position \(1, 0\)"),
        (np.zeros((2, 2)), np.array([0, np.inf]), {}, ValueError, r"targets must be finite, got inf at position \(1,\)"),
        (np.zeros(8), LABELS, {}, ValueError, r"inputs must be images .* got shape \(8,\)"),
        (IMAGES[:0], LABELS[:0], {}, ValueError, r"inputs must be images .* got shape \(0, 1, 4, 4\)"),
        (IMAGES, LABELS, {"validation": 1.5}, ValueError, "0 <= validation < 1, got 1.5"),
        (IMAGES, LABELS, {"validation": 0.5, "test": 0.5}, ValueError, "leave nothing for training"),
        (IMAGES, LABELS, {"test": (IMAGES[:, :, :3], LABELS)}, ValueError, r"test: inputs must be .* \(n, 1x4x4\)"),
        (IMAGES, LABELS, {"test": (IMAGES, LABELS + 1)}, ValueError, r"test: labels must lie in 0 \.\. 1, got 1 \.\. 2"),
    ],
)  # fmt: skip
def test_arrays_that_make_no_data_set_are_refused(x, y, settings, error, message):
    with pytest.raises(error, match=message):
        from_arrays(x, y, **settings)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"mean": (0.5, 0.5)}, ValueError, r"mean must have one entry per channel \(3\), got 2"),
        ({"std": None}, ValueError, "mean and std must be given together"),
        ({"std": (1.0, 0.0, 1.0)}, ValueError, "std must be positive"),
        ({"std": (1.0,)}, ValueError, "have as many entries as mean"),
        ({"classes": ("a",)}, ValueError, r"train: labels must lie in 0 \.\. 0, got 0 \.\. 3"),
        ({"classes": None}, TypeError, "targets must be int64 labels, or float32 where classes is None, got torch.int64"),
        ({"test": (torch.zeros(2, 3, 5, 4), torch.zeros(2).long())}, ValueError, "test: inputs must be torch.uint8"),
        ({"validation": (torch.zeros(2, 3, 5, 4).byte(), torch.zeros(1).long())}, ValueError, "equal lengths, got 2 and 1"),
    ],
)
def test_splits_that_do_not_fit_together_are_refused(colour, changes, error, message):
    with pytest.raises(error, match=message):
        replace(colour, **changes)
