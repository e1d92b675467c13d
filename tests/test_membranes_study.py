"""The study of sections 4.2.2 to 4.2.5: what it writes and reads, and what its recording shows, which the lesson tells of."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from toolkit import recordings
from toolkit.microstructure import inverse, latent, structures, transfer
from toolkit.microstructure.autoencoder import VAE, latent_means
from toolkit.microstructure.linear import mean_squared_error
from toolkit.studies import membranes_latent, membranes_vae
from toolkit.studies.__main__ import main
from toolkit.studies.membranes_vae import Stage

FOLDER = Path(__file__).parents[1] / "notebooks" / "recordings"
FAMILIES = membranes_vae.FAMILIES


@pytest.fixture(scope="module")
def networks():
    return {family: membranes_vae.network(FOLDER / name) for family, name in membranes_vae.NETWORKS.items()}


@pytest.fixture(scope="module")
def found():
    return {family: membranes_latent.results(FOLDER / membranes_vae.RESULTS, family) for family in FAMILIES}


def of_method(results, method, numbers):
    rows = results.reconstruction
    return rows[(rows["method"] == method) & (rows["numbers"] == numbers)].iloc[0]


# The machinery ----------------------------------------------------------------------------------------------------------


SMALLEST = membranes_vae.Scale(
    0.1, latent=6, hidden=16, counts={"train": 12, "validation": 4, "test": 5},
    stages={"own seeds": [Stage(2, 6)], "one seed": [Stage(1, 6), Stage(1, 4, fall=1.0)]},
)  # fmt: skip


@pytest.fixture
def tiny(monkeypatch):
    """A scale of few small membranes, a small network, two epochs; 16 voxels along an edge."""
    monkeypatch.setitem(membranes_vae.SCALES, 16, SMALLEST)
    monkeypatch.setattr(membranes_latent, "PCA_NUMBERS", (2, 4))
    monkeypatch.setattr(membranes_latent, "TWO_AXES", 3)
    few = {"classroom": {"train": 6, "test": 4, "epochs": 1}, "published": {"train": 7, "test": 5, "epochs": 1}}
    for name, rest in few.items():
        monkeypatch.setitem(membranes_latent.TRANSFERS, name, membranes_latent.TRANSFERS[name] | rest)
    for made in (membranes_vae.data, membranes_latent.tortuosity_set):
        made.cache_clear()
    yield
    for made in (membranes_vae.data, membranes_latent.tortuosity_set):
        made.cache_clear()


@pytest.mark.slow
def test_the_study_from_end_to_end(tiny, tmp_path):
    names = membranes_vae.files(16)
    for family, name in names.items():
        records = list(membranes_vae.train(tmp_path / name, family=family, size=16))
        assert [record.epoch for record in records] == {"own seeds": [0, 1, 2], "one seed": [0, 1, 0, 1]}[family]
        assert records[-1].step == {"own seeds": 4, "one seed": 3}[family]
        assert [row["epoch"] for row in membranes_vae.curve(tmp_path / name)] == [0, 1, 2]
        assert not list(tmp_path.glob("*checkpoint*"))
    settings = {"size": 16, "repeats": 1, "iterations": 2, "transfers": 2, "published": 1}
    made = list(membranes_latent.record(tmp_path / "parts", tmp_path, **settings))
    assert len(made) == 2 + 4 + 2 + 1
    written = made[0].stat().st_mtime_ns
    membranes_latent.merge(tmp_path / "parts", tmp_path / "all.npz")
    assert list(membranes_latent.record(tmp_path / "parts", tmp_path, **settings)) == made
    assert made[0].stat().st_mtime_ns == written  # nothing is done twice
    for family in FAMILIES:
        results = membranes_latent.results(tmp_path / "all.npz", family)
        assert results.structures["split"].value_counts().to_dict() == {"train": 12, "test": 5, "two axes": 3}
        recipe = results.recipe(13)
        assert recipe == membranes_vae.recipes(family, size=16)["test"][1]
        model = membranes_vae.network(tmp_path / names[family])
        means = latent_means(model, structures.shares([recipe], size=16))
        np.testing.assert_allclose(results.latents[13], means[0].numpy(), rtol=2e-3, atol=2e-3)
        assert results.reconstruction["method"].value_counts()["PCA of moved copies"] == 2
    assert [one.target for one in results.recovered] == list("ABCD") and len(results.recovered[0].best) == 22
    assert {one.strategy for one in results.outcomes} == set(transfer.STRATEGIES) and len(results.outcomes) == 8
    assert {one.strategy for one in results.published} == set(transfer.STRATEGIES) and len(results.published) == 4
    assert [one.test_error for one in results.published] != [one.test_error for one in results.outcomes[:4]]


@pytest.mark.slow
def test_the_command_makes_another_size(tiny, tmp_path, capsys):
    places = ["--folder", str(tmp_path / "runs"), "--recordings", str(tmp_path / "recordings")]
    few = ["--repeats", "0", "--transfers", "1", "--published", "0"]
    main(["membranes_vae", "--size", "16", *few, *places])
    assert capsys.readouterr().out.count("one seed, epoch 1") == 2  # the last epoch of each of its two stages
    folder, (measured,) = tmp_path / "runs", (tmp_path / "recordings").iterdir()  # the networks are too large for lessons
    for name in membranes_vae.files(16).values():
        assert membranes_vae.network(folder / name).size == 16
    assert len(membranes_latent.results(measured).outcomes) == 4


def test_ligaments_are_as_thick_at_every_size():
    """In voxels; the domain grows with them."""
    thick = {size: membranes_vae.recipes(size=size)["train"][0].radius * size / 200 for size in membranes_vae.SCALES}
    assert max(thick.values()) == pytest.approx(min(thick.values()))
    points = {size: {one.points for one in membranes_vae.recipes(size=size)["train"]} for size in (32, 64)}
    assert min(points[64]) == 8 * min(points[32]) and max(points[64]) == 8 * max(points[32])
    with pytest.raises(ValueError, match="size must be one of"):
        membranes_vae.recipes(size=48)


@pytest.mark.parametrize(("family", "records"), [("own seeds", 2), ("one seed", 1), ("one seed", 3)])
def test_training_goes_on_where_it_was(tiny, tmp_path, family, records):
    """Inside a stage, at the end of one, and in the second."""
    whole, parts = tmp_path / "whole.npz", tmp_path / "parts.npz"
    list(membranes_vae.train(whole, family=family, size=16))
    interrupted = membranes_vae.train(parts, family=family, size=16)
    for _ in range(records):
        next(interrupted)
    interrupted.close()
    list(membranes_vae.train(parts, family=family, size=16))
    first, second = (recordings.load_state(path) for path in (whole, parts))
    assert all(torch.equal(first["weights"][name], second["weights"][name]) for name in first["weights"])
    assert [row["validation_loss"] for row in first["curve"]] == [row["validation_loss"] for row in second["curve"]]


def test_parts_that_are_missing_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="latent"):
        membranes_latent.merge(tmp_path, tmp_path / "all.npz")
    with pytest.raises(ValueError, match="family"):
        membranes_vae.recipes("no seeds")


def test_membranes_of_one_seed_share_their_points():
    one = membranes_vae.recipes("one seed")
    assert {recipe.seed for some in one.values() for recipe in some} == {0}
    own = membranes_vae.recipes("own seeds")
    assert len({recipe.seed for some in own.values() for recipe in some}) > 2590
    known = {(recipe.points, recipe.stretch) for recipe in one["train"]}
    assert not known & {(recipe.points, recipe.stretch) for recipe in one["test"]}  # held-out ones are no copies


# What was recorded ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("family", FAMILIES)
def test_the_bound_rises(family):
    curve = membranes_vae.curve(FOLDER / membranes_vae.NETWORKS[family])
    losses = [row["validation_loss"] for row in curve]
    assert losses[-1] == min(losses) < 0.9 * losses[0]
    assert len(curve) == membranes_vae.scale(32).epochs(family) + 1


def better(one, other):
    return one["squared_error"] < other["squared_error"] and one["cross_entropy"] < other["cross_entropy"]


def test_the_network_beats_pca_of_as_many_numbers_on_unseen_membranes(found):
    ours = of_method(found["own seeds"], "autoencoder", membranes_vae.scale(32).latent)
    for rival in ("PCA", "PCA of moved copies"):
        assert better(ours, of_method(found["own seeds"], rival, membranes_vae.scale(32).latent))


def test_where_membranes_differ_by_their_recipe_only_the_error_is_30_percent_below_that_of_pca(found):
    ours = of_method(found["one seed"], "autoencoder", membranes_vae.scale(32).latent)
    theirs = of_method(found["one seed"], "PCA", 64)
    assert better(ours, theirs)
    assert ours["squared_error"] / theirs["squared_error"] == pytest.approx(0.70, abs=0.005)


@pytest.mark.parametrize("family", FAMILIES)
def test_what_was_recorded_is_what_the_network_does(networks, found, family):
    rows = found[family].rows("test")[:6]
    volumes = structures.shares([found[family].recipe(row) for row in rows], size=membranes_vae.SIZE)
    np.testing.assert_allclose(latent_means(networks[family], volumes).numpy(), found[family].latents[rows], atol=0.02)
    porosity = 1 - volumes.float().flatten(1).mean(1).numpy() / 255
    np.testing.assert_allclose(porosity, found[family].structures["porosity"].iloc[rows], atol=1e-6)


@pytest.mark.parametrize("family", FAMILIES)
def test_half_the_digits_of_the_weights_do_not_show(networks, family):
    """Weights rounded once more change a reconstruction by less than a hundredth of its error."""
    volumes = structures.shares(membranes_vae.recipes(family)["test"][:4], size=membranes_vae.SIZE)
    from toolkit.microstructure.autoencoder import as_shares, reconstructed

    model = networks[family]
    coarse = VAE(model.size, latent=model.latent, hidden=model.hidden)
    coarse.load_state_dict({name: weight * (1 + 2**-12) for name, weight in model.state_dict().items()})
    shares = as_shares(volumes, model.size)
    error = mean_squared_error(shares, reconstructed(model, volumes))
    assert mean_squared_error(shares, reconstructed(coarse, volumes)) == pytest.approx(error, rel=0.01)


def test_the_component_of_porosity_is_among_the_first(found):
    for family, number, least in (("own seeds", 0, 0.9), ("one seed", 1, 0.5)):
        scores = found[family].components.scores(found[family].latents[found[family].rows("train")])
        table = found[family].structures.iloc[found[family].rows("train")]
        shares = latent.shares_of_variance(scores, table["porosity"])
        assert shares.argmax() == number and shares[number] > least


@pytest.mark.parametrize(("family", "least"), [("own seeds", 1 / 3), ("one seed", 0.95)])
def test_the_direction_is_found_more_often_than_by_chance(found, family, least):
    right, low, high = membranes_latent.accuracy(membranes_latent.directions_found(found[family]))
    assert least < low < right < high


def test_two_components_show_the_direction_of_membranes_of_one_seed_and_of_no_others(found):
    table, porosity, direction = membranes_latent.as_table_4_4(found["one seed"])
    assert porosity == (1,) and direction == (3, 2)
    assert membranes_latent.accuracy(table)[1] > 0.9
    one = found["one seed"]
    assert [round(100 * share) for share in one.components.explained[:4]] == [14, 13, 13, 12]
    known = one.rows("train")
    angles = latent.branches(one.components.scores(one.latents[known])[:, direction], one.structures["direction"].iloc[known])
    assert all(105 < angle < 135 for angle in angles.values())
    table, *_ = membranes_latent.as_table_4_4(found["own seeds"])
    _, low, high = membranes_latent.accuracy(table)
    assert low < 1 / 3 < high


@pytest.mark.parametrize("name", "ABCD")
def test_each_target_is_found_again(found, name):
    runs = [one for one in found["own seeds"].recovered if one.target == name]
    strangers = np.median(found["own seeds"].strangers[name])
    assert len(runs) == 10
    assert np.median([one.distance for one in runs]) < 0.2 * strangers
    away = inverse.errors(runs, membranes_latent.targets()).median(numeric_only=True)
    assert away["points error"] == 0 and away["radius error"] < 0.05 and away["stretch error"] < 0.05


def test_a_recorded_search_gives_its_distance_again(networks, found):
    one = min(found["own seeds"].recovered, key=lambda one: one.distance)
    recipe = membranes_latent.targets()[one.target]
    volumes = structures.shares([recipe, inverse.recipe_of(one.point, seed=recipe.seed)], size=membranes_vae.SIZE)
    distance = inverse.latent_distances(networks["own seeds"], volumes[:1], volumes[1:])[0]
    assert distance == pytest.approx(one.distance, rel=0.05, abs=1e-3)


def test_the_seed_of_the_points_decides(networks):
    recipe = membranes_latent.targets()["A"]
    others = [replace(recipe, points=11), replace(recipe, radius=1.1 * recipe.radius), replace(recipe, seed=recipe.seed + 1)]
    volumes = structures.shares([recipe, *others], size=membranes_vae.SIZE)
    more, thicker, stranger = inverse.latent_distances(networks["own seeds"], volumes[:1], volumes[1:])
    assert thicker < more < 0.5 * stranger


def test_transfer_was_compared_twenty_times(found):
    outcomes = found["own seeds"].outcomes
    assert pd.Series([one.strategy for one in outcomes]).value_counts().to_dict() == dict.fromkeys(transfer.STRATEGIES, 20)
    assert all(one.unchanged == (one.strategy != "scratch") for one in outcomes)
    assert transfer.paired(outcomes, second="mean")["better in"] == 20
    assert transfer.paired(outcomes, second="random encoder")["better in"] == 18
    row = transfer.paired(outcomes)
    assert row["n"] == 20 and row["better in"] == 0 and row["high"] < 0  # scratch is ahead; the lesson says so
