"""Descriptors of porous volumes: bodies whose answers can be written down, a real electrode, refusals."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from porous_cases import blobs

from toolkit.microstructure.descriptors import pore_sizes, porosity, specific_surface, two_point_correlation
from toolkit.microstructure.generator import PORE, voronoi_membrane


def ball(size, radius):
    """A ball in the middle of a cube."""
    middle = (size - 1) / 2
    return ((np.indices((size, size, size)) - middle) ** 2).sum(0) <= radius**2


def test_the_surface_of_a_ball():
    """4πr² by Crofton's formula, half as much again by faces."""
    volume, smooth = ball(64, 24.3), 4 * np.pi * 24.3**2 / 64**3
    assert specific_surface(volume) == pytest.approx(smooth, rel=0.01)
    assert specific_surface(volume, method="faces") == pytest.approx(1.5 * smooth, rel=0.02)
    assert specific_surface(volume, voxel=0.5) == pytest.approx(2 * specific_surface(volume))


@pytest.mark.parametrize("axis", range(3))
def test_the_surface_of_a_slab_on_the_torus(axis):
    slab = np.zeros((10, 10, 10), bool)
    np.moveaxis(slab, axis, 0)[:4] = True
    assert specific_surface(slab, method="faces", periodic=True) == pytest.approx(0.2)
    assert specific_surface(slab, method="faces") == pytest.approx(0.1)
    assert specific_surface(slab, periodic=True) == pytest.approx(0.2, rel=0.15)  # 13 directions, and this is one of them


def test_the_published_electrode(data_folder):
    """Volume fractions and specific surfaces by faces that the origin of nmc_electrode_256 states."""
    with np.load(data_folder / "porous" / "nmc_electrode_256.npz") as file:
        labels = file["labels"]
    for phase, share, surface in ((0, 0.449917, 785502.47), (85, 0.400466, 374027.56), (170, 0.149616, 876099.55)):
        assert porosity(labels == phase) == pytest.approx(share, abs=1e-6)
        assert specific_surface(labels == phase, voxel=100e-6 / 256, method="faces") == pytest.approx(surface, rel=1e-7)


def test_two_points_far_apart_are_independent():
    noise = np.random.default_rng(0).random((40, 40, 40)) < 0.3
    correlation = two_point_correlation(noise)
    np.testing.assert_allclose(correlation[:, 0], noise.mean(), atol=1e-12)
    np.testing.assert_allclose(correlation[:, 1:], noise.mean() ** 2, atol=0.005)


@pytest.mark.parametrize("periodic", [True, False])
def test_two_point_correlation_is_the_count_of_pairs(periodic):
    volume = blobs((8, 10, 12), 0.6, 1, 0)
    correlation = two_point_correlation(volume, periodic=periodic)
    for axis in range(3):
        lines = np.moveaxis(volume, axis, 0)
        for distance in range(4):
            far = np.roll(lines, -distance, 0) if periodic else lines[distance:]
            near = lines if periodic else lines[: len(lines) - distance]
            assert correlation[axis, distance] == pytest.approx((near & far).mean())


def test_the_slope_of_the_correlation_is_the_surface():
    """-4 dS₂/dr at 0 is the specific surface (Debye); along axes a step counts faces, so by faces it is exact."""
    volume = blobs(24, 0.5, 2, 1)
    correlation = two_point_correlation(volume)
    slope = (correlation[:, 0] - correlation[:, 1]).mean()
    assert 6 * slope == pytest.approx(specific_surface(volume, method="faces", periodic=True))


def test_a_stretched_membrane_correlates_farther_along_its_axis():
    pores = voronoi_membrane(100, (1, 0.5, 1), size=48) == PORE
    solid = two_point_correlation(~pores)
    assert solid[1, 3] > 1.2 * max(solid[0, 3], solid[2, 3])


def test_a_ball_is_one_size():
    sizes = pore_sizes(ball(41, 15.0))
    assert sizes.median() == pytest.approx(15.0, abs=1.0)
    assert sizes.share[0] == 1
    assert sizes.share[sizes.radius <= 13].min() > 0.9  # what is missing are voxels of the rim
    middles, density = sizes.density()
    assert middles[density.argmax()] == pytest.approx(15.0, abs=1.0)


def test_a_channel_and_a_wider_one():
    """Two long square channels, a third and two thirds of the pores: balls of the smaller half-width leave the wider one."""
    volume = np.zeros((60, 40, 40), bool)
    volume[:, 2:12, 2:12] = True
    volume[:, 18:38, 2:12] = True
    volume[:, 18:38, 12:22] = True
    share = pore_sizes(volume, radii=np.array([0.0, 6.0])).share
    assert share[0] == 1
    assert share[1] == pytest.approx(400 / 500 * 0.95, abs=0.06)  # balls leave the edges of a channel


@given(seed=st.integers(0, 1000), amount=st.floats(0.2, 0.9))
@settings(max_examples=15)
def test_sizes_fall_and_the_rest_is_symmetric(seed, amount):
    volume = blobs(14, amount, 1, seed)
    share = pore_sizes(volume).share
    assert (np.diff(share) <= 0).all()
    assert share[0] == 1 and share[-2] > 0 == share[-1]  # the last radius is the first that no ball has room for
    for method in ("faces", "crofton"):
        assert specific_surface(volume, method=method) == pytest.approx(specific_surface(~volume, method=method))
    one, other = two_point_correlation(volume), two_point_correlation(~volume)
    np.testing.assert_allclose(other, 1 - 2 * volume.mean() + one, atol=1e-9)  # both void: 1 - 2ε + S₂


def test_tensors_and_arrays_are_the_same():
    volume = blobs(12, 0.6, 1, 0)
    for describe in (porosity, specific_surface):
        assert describe(torch.from_numpy(volume)) == describe(volume) == describe(volume.astype(np.uint8))


@pytest.mark.parametrize("describe", [porosity, specific_surface, two_point_correlation, pore_sizes])
@pytest.mark.parametrize(
    ("volume", "error", "words"),
    [
        (np.ones((4, 4)), ValueError, "three axes"),
        (np.zeros((0, 4, 4)), ValueError, "at least one voxel"),
        (np.full((3, 3, 3), 0.5), ValueError, "binary, 0 and 1, got 0.5"),
        (np.full((3, 3, 3), "a"), TypeError, "truth values or numbers"),
    ],
)
def test_what_is_no_binary_volume_is_refused(describe, volume, error, words):
    with pytest.raises(error, match=words):
        describe(volume)


@pytest.mark.parametrize("describe", [specific_surface, pore_sizes])
@pytest.mark.parametrize(("value", "words"), [(0, "without it"), (1, "full of it")])
def test_one_phase_alone_has_no_surface(describe, value, words):
    with pytest.raises(ValueError, match=words):
        describe(np.full((4, 4, 4), value))


@pytest.mark.parametrize(
    "arguments", [{"method": "marching"}, {"voxel": 0.0}, {"voxel": float("nan")}], ids=["method", "zero", "nan"]
)
def test_bad_settings_of_the_surface(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        specific_surface(ball(9, 3), **arguments)


@pytest.mark.parametrize("radii", [[2.0, 1.0], [-1.0, 2.0], [[1.0]]])
def test_radii_rise(radii):
    with pytest.raises(ValueError, match="radii must rise"):
        pore_sizes(ball(9, 3), radii=np.array(radii))
