"""Convolution and pooling by hand, gradients in deep stacks, pages of a gallery: known answers, torch, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import signal
from torch.nn import functional

from toolkit import datasets, published, recordings
from toolkit.learning import convolution, depth, gallery


def matrix(table, name):
    rows = published.table(table).query("matrix == @name")
    return rows.pivot(index="row", columns="col", values="value").to_numpy(float)


@pytest.fixture(scope="module")
def digits():
    return datasets.images.digits()


# Convolution and pooling ------------------------------------------------------------------------------------------------


def test_table_2_2_is_a_cross_correlation_in_every_entry():
    image, kernel, printed = (matrix("burghoff_table_2_2_convolution_example", name) for name in ("input", "kernel", "output"))
    np.testing.assert_array_equal(convolution.convolve(image, kernel), printed)
    np.testing.assert_array_equal(convolution.convolve(image, kernel, flip=True), -printed)  # turned, this kernel is -K


def test_table_2_3_is_a_max_pooling_in_every_entry():
    image, printed = (matrix("burghoff_table_2_3_max_pooling_example", name) for name in ("input", "output"))
    np.testing.assert_array_equal(convolution.pool(image, 2), printed)


SIZES = {"h": st.integers(3, 9), "w": st.integers(3, 9), "k": st.integers(1, 3), "stride": st.integers(1, 3)}


@given(**SIZES, padding=st.integers(0, 2), channels=st.integers(1, 3), seed=st.integers(0, 99))
def test_maps_are_those_of_torch(h, w, k, stride, padding, channels, seed):
    draw = np.random.default_rng(seed)
    image, kernel = draw.normal(size=(h, w, channels)), draw.normal(size=(k, k, channels))
    theirs = functional.conv2d(
        torch.tensor(image).permute(2, 0, 1)[None], torch.tensor(kernel).permute(2, 0, 1)[None], stride=stride, padding=padding
    )[0, 0]
    ours = convolution.convolve(image, kernel, stride=stride, padding=padding)
    np.testing.assert_allclose(ours, theirs.numpy(), atol=1e-12)
    assert ours.shape == tuple(convolution.output_size(side, k, stride=stride, padding=padding) for side in (h, w))


@given(**SIZES, seed=st.integers(0, 99))
def test_poolings_are_those_of_torch(h, w, k, stride, seed):
    image = np.random.default_rng(seed).normal(size=(h, w))
    for kind, theirs in (("max", functional.max_pool2d), ("mean", functional.avg_pool2d)):
        expected = theirs(torch.tensor(image)[None], k, stride)[0].numpy()
        np.testing.assert_allclose(convolution.pool(image, k, stride=stride, kind=kind), expected, atol=1e-12)


def test_the_flipped_kernel_is_scipys_convolution():
    draw = np.random.default_rng(0)
    image, kernel = draw.normal(size=(7, 6)), draw.normal(size=(3, 3))
    np.testing.assert_allclose(convolution.convolve(image, kernel, flip=True), signal.convolve2d(image, kernel, mode="valid"))


@pytest.mark.parametrize("operation", convolution.OPERATIONS)
@pytest.mark.parametrize(("stride", "padding"), [(1, 0), (2, 1), (3, 2)])
def test_the_places_add_up_to_the_map(operation, stride, padding):
    draw = np.random.default_rng(1)
    image, kernel = draw.normal(size=(7, 8)), draw.normal(size=(3, 3))
    placements = list(convolution.slide(image, kernel, operation=operation, stride=stride, padding=padding))
    padded = np.pad(image, padding)
    if operation.endswith("pooling"):
        whole = convolution.pool(padded, 3, stride=stride, kind=operation.split()[0])
    else:
        whole = convolution.convolve(image, kernel, stride=stride, padding=padding, flip=operation == "convolution")
    np.testing.assert_allclose(placements[-1].result, whole)
    for number, placement in enumerate(placements):
        assert placement.number == number
        assert placement.value == pytest.approx(whole[placement.row, placement.column], abs=1e-12)
        assert np.isnan(placement.result).sum() == whole.size - number - 1
        seen = padded[placement.top + padding :, placement.left + padding :][:3, :3]
        np.testing.assert_array_equal(placement.window, seen)


def test_padding_holds_zeros_or_the_nearest_pixel():
    image = np.arange(1.0, 5.0).reshape(2, 2)
    assert convolution.convolve(image, np.ones((3, 3)), padding=1).tolist() == [[10, 10], [10, 10]]
    nearest = functional.pad(torch.tensor(image)[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    np.testing.assert_array_equal(convolution.pad(image, 1, fill="nearest"), nearest.numpy())


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: convolution.output_size(4, 5), "does not fit"),
        (lambda: convolution.output_size(4, 2, stride=0), "stride"),
        (lambda: convolution.output_size(4, 2, padding=-1), "padding"),
        (lambda: convolution.output_size(4, 2.5), "kernel"),
        (lambda: convolution.convolve(np.ones((4, 4)), np.ones((2, 3))), "square"),
        (lambda: convolution.convolve(np.ones((4, 4, 3)), np.ones((2, 2))), "equal c"),
        (lambda: convolution.pad(np.ones((2, 2)), 1, fill="mirror"), "fill"),
        (lambda: convolution.pool(np.ones((4, 4)), 2, kind="median"), "kind"),
        (lambda: convolution.slide(np.ones((4, 4)), np.ones((2, 2)), operation="sum"), "operation"),
        (lambda: convolution.slide(np.ones(4), np.ones((2, 2))), "image"),
        (lambda: convolution.slide(np.ones((4, 4)), np.ones((5, 5))), "does not fit"),
    ],
)
def test_what_cannot_be_done_is_refused_with_a_reason(call, word):
    with pytest.raises(ValueError, match=word):
        call()


# Deep stacks ------------------------------------------------------------------------------------------------------------


def test_a_block_adds_its_input_before_its_last_activation(digits):
    stack = depth.Stack(2, residual=True)
    images = digits.normalise(digits.train[0][:5])
    state = functional.relu(stack.stem(images))
    inner = functional.relu(stack.convolutions[0](state))
    outer = functional.relu(stack.convolutions[1](inner) + state)
    torch.testing.assert_close(stack(images), stack.head(outer.flatten(1)))


@pytest.mark.parametrize("normalised", [False, True])
def test_gradient_norms_are_those_of_a_backward_pass_and_leave_the_network_as_it_was(digits, normalised):
    stack = depth.stacks(4, normalised=normalised)["residual"]
    before = {name: value.clone() for name, value in stack.state_dict().items()}
    inputs, targets = digits.normalise(digits.train[0][:32]), digits.train[1][:32]
    norms = depth.gradient_norms(stack, inputs, targets)
    assert all(weight.grad is None for weight in stack.parameters())
    assert all(torch.equal(value, before[name]) for name, value in stack.state_dict().items())
    functional.cross_entropy(stack(inputs), targets).backward()
    expected = [float(layer.weight.grad.norm()) for layer in (stack.stem, *stack.convolutions)]
    np.testing.assert_allclose(norms, expected, rtol=1e-5)


@pytest.mark.parametrize("seed", range(3))
def test_plain_gradients_vanish_with_depth_and_residual_ones_do_not(digits, seed):
    sample = digits.normalise(digits.train[0][:64]), digits.train[1][:64]
    ratios = {
        layers: {kind: np.divide(*depth.gradient_norms(stack, *sample)[[0, -1]]) for kind, stack in pair.items()}
        for layers in (4, 10, 20)
        for pair in [depth.stacks(layers, seed=seed)]
    }
    plain = [ratios[layers]["plain"] for layers in ratios]
    assert plain[0] > 30 * plain[1] > 900 * plain[2]
    assert all(0.1 < ratio["residual"] < 20 for ratio in ratios.values())


def test_a_deep_residual_stack_learns_what_a_plain_one_does_not(digits):
    *_, last = depth.compare(digits.subset(400, proportional=True), 12, epochs=3, every=4)
    assert last.metrics["plain_validation_accuracy"] < 0.3 < 0.7 < last.metrics["residual_validation_accuracy"]
    assert last.norms.shape == (2, 13)


def test_a_comparison_repeats_itself_and_can_be_saved(digits, tmp_path):
    data = digits.subset(100, proportional=True)
    first, again = (list(depth.compare(data, 4, epochs=1, every=1, activation="tanh")) for _ in range(2))
    assert [record.metrics for record in first] == [record.metrics for record in again]
    assert [record.epoch for record in first] == [0.0, 0.5, 1.0]
    recordings.save(tmp_path / "run.npz", first, settings={}, title="stacks")
    loaded = recordings.load(tmp_path / "run.npz", record=depth.Layers).records
    np.testing.assert_array_equal(loaded[-1].norms, first[-1].norms)


def test_a_run_ends_where_one_of_both_diverges(digits):
    records = list(depth.compare(digits.subset(200), 10, epochs=20, learning_rate=1e4, initialisation="He"))
    assert records[-1].diverged and len(records) < 20


@pytest.mark.parametrize(
    "settings", [{"depth": 3}, {"depth": 0}, {"depth": 2, "activation": "step"}, {"depth": 2, "initialisation": "zero"}]
)
def test_stacks_that_cannot_be_are_refused(settings):
    with pytest.raises(ValueError, match="depth|activation"):
        depth.Stack(**settings)


# Gallery ----------------------------------------------------------------------------------------------------------------


def test_pages_show_every_image_once(digits):
    pages = list(gallery.pages(digits, split="test", each=50))
    rows = np.concatenate([page.rows for page in pages])
    assert sorted(rows) == list(range(len(digits.test[0])))
    assert [page.number for page in pages] == list(range(1, pages[0].pages + 1))
    page = pages[0]
    np.testing.assert_array_equal(page.pixels[..., 0], digits.test[0][page.rows, 0].numpy())
    np.testing.assert_array_equal(page.labels, digits.test[1][page.rows].numpy())
    np.testing.assert_array_equal(page.counts, np.bincount(digits.test[1]))


def test_a_class_and_its_mean(digits):
    page = next(gallery.pages(digits, label=7, most=1))
    sevens = digits.train[0][digits.train[1] == 7]
    assert set(page.labels) == {7}
    np.testing.assert_allclose(page.mean[..., 0], sevens.float().mean(0)[0], atol=1)


def test_looks(digits):
    stored, normalised, moved = (next(gallery.pages(digits, look=look)).pixels for look in gallery.LOOKS)
    np.testing.assert_allclose(normalised[..., 0], 255 * np.clip((np.asarray(
        digits.normalise(digits.train[0]))[next(gallery.pages(digits)).rows, 0] + 2) / 4, 0, 1), atol=1)  # fmt: skip
    assert (stored != moved).any() and moved.shape == stored.shape


def test_an_empty_part_has_no_pages(digits):
    assert list(gallery.pages(datasets.images.digits(validation=0.0), split="validation")) == []


@pytest.mark.parametrize("settings", [{"split": "all"}, {"look": "blue"}, {"label": 10}, {"each": 0}, {"most": 0}])
def test_pages_that_cannot_be_are_refused(digits, settings):
    with pytest.raises(ValueError, match="split|label|each"):
        gallery.pages(digits, **settings)


def test_data_without_images_are_refused():
    table = datasets.from_arrays(np.ones((40, 3), np.float32), np.arange(40) % 2)
    with pytest.raises(ValueError, match="only grey or colour images"):
        gallery.pages(table)


def test_table_2_4_stands_beside_what_is_here(digits):
    from dataclasses import replace

    both = gallery.table_2_4(replace(digits, name="cifar10 (part)"))
    assert both["classes"] == (10, 10)
    assert both["n_train"] == (50_000, 1438)
    assert gallery.table_2_4(digits)["size_px"] == (None, 8)
