"""Membranes of Voronoi edges: the geometry is exact, both ways agree, the parameters do what their names say."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from toolkit.microstructure import generator, ligaments, voronoi
from toolkit.microstructure.generator import Recipe, build, voronoi_membrane

STRETCHES = [(1.0, 1.0, 1.0), (1.0, 0.5, 1.0), (0.6, 1.0, 0.5)]


def solid_share(volume):
    return volume.double().mean().item()


def surroundings(points, periodic):
    """The seeds with their copies in all neighbouring domains."""
    shifts = np.stack(np.meshgrid(*[(-1, 0, 1)] * 3), -1).reshape(-1, 3) if periodic else np.zeros((1, 3))
    return (points[None] + shifts[:, None]).reshape(-1, 3)


@pytest.mark.parametrize("stretch", STRETCHES)
@pytest.mark.parametrize("periodic", [True, False])
def test_three_seeds_are_nearest_all_along_an_edge(stretch, periodic):
    points = voronoi.seed_points(60, 5)
    ends = voronoi.edges(points, stretch=stretch, periodic=periodic, reach=0.05)
    shares = np.array([0.0, 0.3, 0.9, 1.0])[:, None, None]
    places = (ends[None, :, 0] + shares * (ends[:, 1] - ends[:, 0])[None]).reshape(-1, 3)
    inside = ((places > 0) & (places < 1)).all(1)
    distances, _ = cKDTree(surroundings(points, periodic) * stretch).query(places[inside] * stretch, k=3)
    assert inside.sum() > 300
    np.testing.assert_allclose(distances[:, 2], distances[:, 0], rtol=1e-8)


@pytest.mark.parametrize(("points", "stretch"), [(4, (1, 1, 1)), (5, (1, 0.1, 1)), (30, (0.1, 1, 0.1)), (200, (1, 1, 0.2))])
def test_few_points_and_strong_stretch_have_all_their_neighbours(points, stretch):
    """Copies must reach far along a stretched axis: six domains are enough here."""
    seeds = voronoi.seed_points(points, 1)
    reach = [6 if factor < 1 or points < 10 else 1 for factor in stretch]
    shifts = np.stack(np.meshgrid(*[np.arange(-one, one + 1) for one in reach], indexing="ij"), -1).reshape(-1, 3)
    ends = voronoi.edges(seeds, stretch=stretch, periodic=True, reach=0.02)
    places = np.concatenate([ends[:, 0], ends[:, 1], ends.mean(1)])
    distances, _ = cKDTree((seeds[None] + shifts[:, None]).reshape(-1, 3) * stretch).query(places * stretch, k=3)
    np.testing.assert_allclose(distances[:, 2], distances[:, 0], rtol=1e-7)


def test_no_edge_is_missing():
    """The voxels with three seeds at the same distance, within a little, are all close to an edge, and an edge to them."""
    points, size = voronoi.seed_points(40, 2), 48
    centres = (np.stack(np.mgrid[:size, :size, :size], -1).reshape(-1, 3) + 0.5) / size
    distances, _ = cKDTree(surroundings(points, True)).query(centres, k=3)
    on_an_edge = distances[:, 2] - distances[:, 0] < 0.2 / size
    membrane = voronoi_membrane(40, radius=200 / size, size=size, seed=2).numpy().reshape(-1)
    assert on_an_edge.sum() > 100
    assert membrane[on_an_edge].all()


def test_a_ligament_is_exact_to_parts_of_a_voxel():
    """Volume of a capsule of any direction: πr²l + 4/3 πr³, by counting voxels of very different sizes."""
    start, end, radius = np.array([0.31, 0.27, 0.33]), np.array([0.62, 0.71, 0.54]), 0.11
    volume = np.pi * radius**2 * np.linalg.norm(end - start) + 4 / 3 * np.pi * radius**3
    for size, tolerance in ((21, 0.02), (200, 1e-3)):
        counted = ligaments.tubes([np.stack([start, end])[None] * size], [np.array([radius * size])], size=size)
        assert counted.sum().item() / size**3 == pytest.approx(volume, rel=tolerance)


@pytest.mark.parametrize("size", [20, 33])
@pytest.mark.parametrize("periodic", [True, False])
@pytest.mark.parametrize("stretch", STRETCHES)
def test_both_ways_give_the_same_voxels(size, periodic, stretch, device):
    settings = {"size": size, "periodic": periodic, "seed": 7, "smoothing": 5.0, "spheres": 9}
    ours = voronoi_membrane(70, stretch, device=device, **settings)
    assert torch.equal(ours.cpu(), voronoi_membrane(70, stretch, method="scipy", **settings))


def test_a_membrane_does_not_depend_on_its_batch(device):
    together = voronoi_membrane([40, 90], [(1, 1, 1), (1, 0.5, 1)], radius=[3.4, 5.0], seed=[3, 8], size=24, device=device)
    alone = voronoi_membrane(90, (1, 0.5, 1), radius=5.0, seed=8, size=24, device=device)
    assert together.shape == (2, 24, 24, 24)
    assert torch.equal(together[1], alone)
    assert torch.equal(together, build([Recipe(40, seed=3), Recipe(90, (1, 0.5, 1), 5.0, 8)], size=24, device=device))


def test_many_membranes_are_built_in_parts(monkeypatch):
    whole = voronoi_membrane([40] * 5, size=12, seed=range(5))
    monkeypatch.setattr(generator, "AT_ONCE", 2)
    assert torch.equal(voronoi_membrane([40] * 5, size=12, seed=range(5)), whole)


def test_the_seed_decides():
    one, again, other = (voronoi_membrane(60, size=24, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_one_recipe_is_one_structure_at_every_size():
    shares = [solid_share(voronoi_membrane(60, radius=8.0, size=size, seed=4)) for size in (50, 75, 150)]
    assert shares[:2] == pytest.approx([shares[2]] * 2, rel=0.02)


def test_opposite_faces_fit_only_if_periodic():
    """Shifting the seeds round the domain shifts the structure round it."""
    size, steps = 30, 7
    points = voronoi.seed_points(50, 1)
    ends = [voronoi.edges((points + shift) % 1, stretch=(1, 1, 1), periodic=True, reach=0.04) for shift in (0, steps / size)]
    here, there = (ligaments.tubes([edges * size], [np.full(len(edges), 1.2)], size=size)[0] for edges in ends)
    assert torch.equal(there, here.roll((steps, steps, steps), (0, 1, 2)))
    cut = voronoi_membrane(50, size=size, seed=1, periodic=False)
    assert not torch.equal(cut, voronoi_membrane(50, size=size, seed=1))


def test_more_points_and_thicker_ligaments_fill_more():
    """Both are monotone on average; a thicker ligament contains the thinner one."""
    by_points = [solid_share(voronoi_membrane([n] * 4, seed=range(4), size=40)) for n in (40, 100, 170)]
    assert by_points == sorted(by_points)
    thin, thick = (voronoi_membrane(100, radius=radius, size=40) for radius in (3.4, 5.4))
    assert (thick >= thin).all()
    assert solid_share(thick) > 1.8 * solid_share(thin)


def test_the_length_of_edges_is_that_of_a_poisson_tessellation():
    """5.832 λ^(2/3) per volume (Okabe et al., Spatial Tessellations, Table 5.5.2), which sets the porosity."""
    lengths = []
    for seed in range(20):
        ends = voronoi.edges(voronoi.seed_points(100, seed), stretch=(1, 1, 1), periodic=True, reach=0.0)
        lengths.append(np.linalg.norm(ends[:, 1] - ends[:, 0], axis=1).sum())
    assert np.mean(lengths) == pytest.approx(5.832 * 100 ** (2 / 3), rel=0.02)


def test_a_stretched_axis_is_permuted_with_its_seeds():
    points = voronoi.seed_points(50, 3)
    along_x = voronoi.edges(points, stretch=(0.5, 1, 1), periodic=True, reach=0.05)
    along_y = voronoi.edges(points[:, [1, 0, 2]], stretch=(1, 0.5, 1), periodic=True, reach=0.05)
    volumes = [ligaments.tubes([ends * 30], [np.full(len(ends), 1.0)], size=30)[0] for ends in (along_x, along_y)]
    assert torch.equal(volumes[0].permute(1, 0, 2), volumes[1])


def test_stretching_turns_ligaments_towards_the_axis():
    """Length of the edges along each axis: equal without stretch, larger along the stretched one."""
    points = voronoi.seed_points(400, 0)
    shares = {}
    for stretch in ((1, 1, 1), (1, 0.5, 1)):
        ends = voronoi.edges(points, stretch=stretch, periodic=True, reach=0.0)
        along = np.abs(ends[:, 1] - ends[:, 0]).sum(0)
        shares[stretch] = along / along.sum()
    np.testing.assert_allclose(shares[1, 1, 1], 1 / 3, atol=0.02)
    assert shares[1, 0.5, 1][1] > 0.45


@given(sigma=st.floats(8.0, 15.0), periodic=st.booleans())
@settings(max_examples=8)
def test_smoothing_keeps_the_share_of_material(sigma, periodic):
    plain = voronoi_membrane(60, radius=6.0, size=24, periodic=periodic)
    smooth = voronoi_membrane(60, radius=6.0, size=24, periodic=periodic, smoothing=sigma)
    assert smooth.sum().item() == pytest.approx(plain.sum().item(), rel=0.02)  # equal values go together
    assert not torch.equal(plain, smooth)


def test_spheres_add_balls_of_material():
    settings = {"size": 60, "seed": 6}
    plain = voronoi_membrane(40, **settings)
    with_balls = voronoi_membrane(40, spheres=30, sphere_radius=12.0, sphere_spread=0.0, **settings)
    added = (with_balls - plain).double().sum().item() / 60**3
    expected = 30 * 4 / 3 * np.pi * (12 / 200) ** 3
    assert (with_balls >= plain).all()
    assert 0.7 * expected < added < expected  # some lie in ligaments or in one another


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"points": 3}, ValueError, "points must lie between 4"),
        ({"points": 50.0}, TypeError, "points must be a whole number"),
        ({"points": True}, TypeError, "points must be a whole number"),
        ({"radius": 0.0}, ValueError, "radius must be larger than 0"),
        ({"radius": float("nan")}, ValueError, "radius"),
        ({"radius": 150.0}, ValueError, "at most 100"),
        ({"radius": "thin"}, TypeError, "radius must be a number"),
        ({"stretch": (1.0, 0.05, 1.0)}, ValueError, "stretch must lie between 0.1 and 1"),
        ({"stretch": (1.0, 1.5, 1.0)}, ValueError, "stretch must lie"),
        ({"stretch": (0.5, 0.5, 0.5)}, ValueError, "at least one axis at 1"),
        ({"stretch": (1.0, 0.5)}, ValueError, "three factors"),
        ({"stretch": 0.5}, ValueError, "three factors"),
        ({"size": 2}, ValueError, "size must lie between 4"),
        ({"size": 32.0}, TypeError, "size must be a whole number"),
        ({"seed": -1}, ValueError, "seed"),
        ({"smoothing": -1.0}, ValueError, "smoothing must be 0 or more"),
        ({"spheres": -2}, ValueError, "spheres"),
        ({"sphere_spread": -0.1}, ValueError, "sphere_spread must be 0 or more"),
        ({"method": "numba"}, ValueError, "method must be one of"),
        ({"points": [50, 60], "seed": [1, 2, 3]}, ValueError, "one entry per membrane"),
        ({"points": []}, ValueError, "recipes must hold one"),
        ({"points": [50] * 100_000, "size": 2048}, ValueError, "GB of memory"),
    ],
)
def test_what_cannot_be_made_is_refused(arguments, error, words):
    with pytest.raises(error, match=words):
        voronoi_membrane(**arguments)


def test_the_phases_are_those_of_the_document():
    membrane = voronoi_membrane(100, size=32)
    assert membrane.dtype == torch.uint8
    assert set(membrane.unique().tolist()) == {generator.PORE, generator.SOLID} == {0, 1}
    assert 0.02 < solid_share(membrane) < 0.3
