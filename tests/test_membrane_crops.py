"""Crops of public and own volumes: how they are cut, what is measured, what the network may say of them, the recording."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from toolkit import published
from toolkit.datasets.membranes import crops as side_by_side
from toolkit.microstructure import structures
from toolkit.microstructure.generator import Recipe, build
from toolkit.studies import membranes_crops, membranes_latent, membranes_vae
from toolkit.studies.membranes import anisotropy

FOLDER = Path(__file__).parents[1] / "notebooks" / "recordings"


@pytest.fixture(scope="module")
def tiny():
    return membranes_latent.demonstration()


@pytest.fixture(scope="module")
def material():
    return build([Recipe(8, radius=8.0)], size=64)[0].numpy()


def test_cubes_are_those_of_the_volume_in_another_order(material):
    cubes = membranes_crops.cut(material, edge=32, count=8, seed=3)
    expected = {cube.astype(np.uint8).tobytes() for cube in side_by_side(material, 32)}
    assert len(cubes) == 8 and {cube.tobytes() for cube in cubes} == expected
    assert not np.array_equal(cubes, membranes_crops.cut(material, edge=32, count=8, seed=4))
    assert len(membranes_crops.cut(material, edge=32, count=3)) == 3


def test_averaged_cubes_are_what_the_networks_are_trained_on():
    recipe = Recipe(8, radius=8.0)
    ours = membranes_crops.averaged(build([recipe], size=32).numpy(), size=16)
    assert torch.equal(ours, structures.shares([recipe], size=16, finer=2))


def test_a_ratio_that_is_not_whole_keeps_a_slab_where_it_is():
    cube = np.zeros((1, 24, 24, 24), np.uint8)
    cube[:, :12] = 1
    shares = membranes_crops.averaged(cube, size=16)
    assert shares[0, 0, :8].unique().tolist() == [255] and shares[0, 0, 8:].unique().tolist() == [0]


def test_anisotropy_is_that_of_table_4_4():
    printed = published.table("zhao_table_4_4_experimental_microstructures")
    direction, intensity = anisotropy(printed[["tortuosity_x", "tortuosity_y", "tortuosity_z"]].to_numpy())
    assert direction.tolist() == printed["direction_calculated"].tolist()
    np.testing.assert_allclose(intensity, printed["intensity_calculated_derived"], atol=6e-4)


def test_measured_values_of_known_cubes():
    channel, wall = np.zeros((8, 8, 8), np.uint8), np.ones((8, 8, 8), np.uint8)
    channel[:, 4:] = 1  # pores straight along x and z, none through y
    wall[1:-1, 1:-1, 1:-1] = 0
    table = membranes_crops.measured(np.stack([channel, wall]))
    assert table["porosity"].tolist() == [0.5, 0.421875]
    assert table.loc[0, "tau_x"] == pytest.approx(1, abs=1e-4) and np.isinf(table.loc[0, "tau_y"])
    assert table["direction"].tolist()[1] == "none" and np.isnan(table.loc[1, "intensity"])


def test_what_is_trained_on_is_its_own_nearest_neighbour(tiny):
    model, found = tiny
    found = replace(
        found, latents=np.concatenate([found.latents] * 2), structures=_twice(found.structures)
    )  # every structure is held out as well
    recipes = [found.recipe(row) for row in range(12)]
    volumes = structures.shares(recipes, size=16)
    table = found.structures.iloc[:12][["porosity", "direction"]].reset_index(drop=True)
    ours = membranes_crops.estimates(model, found, membranes_crops.Crops("known", volumes, table))
    assert ours["nearest"].tolist() == list(range(12)) and ours["distance"].max() < 1e-4
    np.testing.assert_allclose(ours["porosity_estimated"], table["porosity"])
    assert ours["direction_estimated"].tolist() == table["direction"].tolist()
    assert "12 of 12" in membranes_crops.summary({"known": ours}).loc["known"].astype(str).tolist()
    assert "nearest training structure at 0.0" in membranes_crops.in_words(ours.iloc[0])


def _twice(table):
    return pd.concat([table, table.assign(split="test")], ignore_index=True)


def test_the_share_that_is_kept(tiny, monkeypatch):
    volumes = structures.shares(structures.random_recipes(3, points=(4, 8), radius=16.0, seed=5), size=16)
    shares = volumes.float() / 255
    for gives, expected in ((shares, 1.0), (shares.flatten(1).mean(1).reshape(-1, 1, 1, 1, 1).expand_as(shares), 0.0)):
        monkeypatch.setattr(membranes_crops, "reconstructed", lambda *_, gives=gives: gives)
        np.testing.assert_allclose(membranes_crops.kept(tiny[0], volumes), expected, atol=1e-5)


def test_own_volumes_are_cut_or_taken_as_they_are(material):
    whole = membranes_crops.own("mine", material, size=16)
    assert whole.volumes.shape == (8, 1, 16, 16, 16)  # cubes of twice the network's edge
    assert whole.measured["porosity"].mean() == pytest.approx(1 - material.mean())
    cubes = membranes_crops.own("mine", material[None, :40, :40, :40], size=16)
    assert cubes.volumes.shape == (1, 1, 16, 16, 16)
    assert membranes_crops.own("small", material[:20, :20, :20], size=16).volumes.shape[0] == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: membranes_crops.own("mine", np.full((20, 20, 20), 3), size=16), "0 and 1"),
        (lambda: membranes_crops.own("mine", np.full((1, 20, 20, 20), 0.5), size=16), "0 and 1"),
        (lambda: membranes_crops.own("mine", np.zeros((4, 4)), size=16), "got shape"),
        (lambda: membranes_crops.own("mine", np.zeros((8, 8, 8)), size=16), "size must lie between"),
        (lambda: membranes_crops.averaged(np.zeros((2, 8, 8, 8))), "32 voxels"),
        (lambda: membranes_crops.averaged(np.zeros((2, 64, 64, 60))), "32 voxels"),
    ],
)
def test_what_cannot_be_cropped_is_refused(call, words):
    with pytest.raises(ValueError, match=words):
        call()


# What was recorded --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded():
    return membranes_crops.load(FOLDER / membranes_crops.FILE)


def test_another_file_is_refused():
    with pytest.raises(ValueError, match="does not hold crops"):
        membranes_crops.load(FOLDER / membranes_vae.RESULTS)


def test_every_sample_has_its_crops_and_origin(recorded):
    assert list(recorded) == list(membranes_crops.SAMPLES)
    for crops in recorded.values():
        assert crops.volumes.shape == (15, 1, 32, 32, 32) and len(crops.measured) == 15
        shares = crops.volumes.double().flatten(1).mean(1).numpy() / 255
        np.testing.assert_allclose(1 - shares, crops.measured["porosity"], atol=2e-3)
        assert crops.source and crops.licence
    assert not recorded["sandstone"].simulated and recorded["generated, scanned"].simulated
    grains, pores = (recorded[name].measured["porosity"] for name in ("sandstone", "sandstone, inverted"))
    np.testing.assert_allclose(grains + pores, 1)


@pytest.mark.slow
def test_a_recording_is_made_again(tmp_path, data_folder, recorded, monkeypatch):
    """The sandstone's crops are cut where they were, and fewer are measured, which takes less long."""
    monkeypatch.setattr(membranes_crops, "measured", lambda cubes: pd.DataFrame({"porosity": 1 - cubes.mean((1, 2, 3))}))
    made = {crops.name: crops for crops in membranes_crops.record(tmp_path / "crops.npz", data_folder / "porous")}
    again = membranes_crops.load(tmp_path / "crops.npz")
    for name, crops in recorded.items():
        assert torch.equal(made[name].volumes, crops.volumes) and torch.equal(again[name].volumes, crops.volumes)
        np.testing.assert_allclose(again[name].measured["porosity"], crops.measured["porosity"], atol=1e-12)
