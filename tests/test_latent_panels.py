"""The panels of lesson 13 without a browser: what they show, what they choose, the code they give, replay, refusals."""

import re
from pathlib import Path

import numpy as np
import pytest

from toolkit import recordings
from toolkit.microstructure import inverse
from toolkit.microstructure.generator import Recipe, build
from toolkit.panels import InversePanel, LatentPanel
from toolkit.studies import membranes_crops, membranes_latent, membranes_vae

FOLDER = Path(__file__).parents[1] / "notebooks" / "recordings"


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A network and its results, as small as they come, written as the study writes them."""
    folder = tmp_path_factory.mktemp("study")
    model, found = membranes_latent.demonstration()
    membranes_vae.save_network(folder / "network.npz", model, [], seed=0, epochs=0)
    rows = found.structures.drop(columns=["direction", "intensity"]).to_dict("records")
    part = {"family": "own seeds", "latents": found.latents, "structures": rows, "reconstruction": [], "strangers": {}}
    recordings.save_state(folder / "latent_0.npz", [part])
    membranes_latent.merge(folder, folder / "results.npz")
    return folder / "network.npz", folder / "results.npz"


def pictures(panel):
    return re.findall(r"base64,([^\"]+)", panel.frame.value)


def test_the_latent_panel_reads_the_files_of_the_study(files):
    panel, own = LatentPanel(*files), LatentPanel()
    assert panel.found.structures.equals(own.found.structures)
    assert "random weights" in own.frame.value and "recorded on" in panel.frame.value
    np.testing.assert_allclose(panel.found.latents, own.found.latents)


def test_a_walk_goes_from_end_to_end_and_moves_the_decoded_place():
    panel = LatentPanel(steps=5, component=2).run()
    assert [record.coordinate for record in panel.records] == [-3, -1.5, 0, 1.5, 3]
    assert {record.component for record in panel.records} == {2}
    porosities = [record.porosity for record in panel.records]
    assert len(set(porosities)) == 5 and all(0 < one < 1 for one in porosities)


def test_the_decoded_place_follows_the_sliders():
    panel = LatentPanel()
    before = pictures(panel)
    panel.controls["coordinate"].value = 3.0
    after = pictures(panel)
    assert before[:2] == after[:2] and before[3] == after[3]  # structure, reconstruction and mean stay
    scores = panel.found.components.scores(panel._point(panel.settings, 3.0)[None])[0]
    np.testing.assert_allclose(scores[0], 3 * panel.found.components.variance[0] ** 0.5)
    np.testing.assert_allclose(scores[1:], 0, atol=1e-12)
    panel.controls["start"].value = "chosen structure"
    panel.controls["coordinate"].value = 0.0
    assert pictures(panel)[2] == pictures(panel)[1]  # nothing moved: its reconstruction


def test_a_click_chooses_the_nearest_structure():
    panel = LatentPanel()
    for number in (7, 2):
        points = re.findall(r"M(\d+) (\d+)h0", panel.frame.value)
        assert len(points) == 12
        across, up = panel._pixels(panel.settings)
        panel.pointed([float(across[number]) + 1, float(up[number]) - 1])
        assert panel.controls["chosen"].value == number
        assert f"structure {number}:" in panel.frame.value


@pytest.mark.parametrize("colour", ["direction", "porosity", "intensity", "points"])
def test_every_quantity_colours_every_structure(colour):
    panel = LatentPanel(colour=colour)
    assert len(re.findall(r"M\d+ \d+h0", panel.frame.value)) == 12


def test_the_code_of_the_latent_panel_gives_the_same_place(files, capsys):
    panel = LatentPanel(*files, start="chosen structure", chosen=3, component=2, coordinate=1.5)
    exec(panel.code(), {})
    expected = 1 - float(panel._decoded(panel.settings, 1.5).mean())
    assert float(capsys.readouterr().out) == pytest.approx(expected, rel=1e-5)


@pytest.fixture(scope="module")
def volume():
    """A volume as a reader may bring it: eight cubes of material and pores, twice as fine as the network."""
    return build([Recipe(8, radius=8.0)], size=64)[0].numpy()


def test_crops_lie_over_the_training_structures_and_are_chosen(volume):
    panel = LatentPanel(volumes={"mine": volume}, split="mine", chosen=2)
    assert panel.controls["split"].options == ("train", "test", "mine")
    assert panel.controls["chosen"].max == 7
    assert len(re.findall(r"M\d+ \d+h0", panel.frame.value)) == 12  # the training structures
    assert len(re.findall(r"<title>crop \d</title>", panel.frame.value)) == 8
    assert "crop 2 of mine" in panel.frame.value and "nearest in training" in panel.frame.value
    across, up = panel._pixels(panel.settings)
    panel.pointed([float(across[5]) + 1, float(up[5]) - 1])
    assert panel.controls["chosen"].value == 5 and "crop 5 of mine" in panel.frame.value
    dot = re.search(r'<circle cx="([\d.]+)" cy="([\d.]+)"[^>]*><title>crop 5</title>', panel.frame.value)
    assert [float(one) for one in dot.groups()] == pytest.approx([across[5], up[5]], abs=0.1)


def test_what_is_said_of_a_crop_is_what_the_study_says(volume):
    panel = LatentPanel(volumes={"mine": volume}, split="mine", chosen=3)
    crops = membranes_crops.own("mine", volume, size=16)
    table = membranes_crops.estimates(panel.model, panel.found, crops)
    assert membranes_crops.in_words(table.iloc[3]) in panel.frame.value
    assert not panel.crops["mine"].simulated


def test_a_walk_may_begin_at_a_crop(volume, capsys):
    panel = LatentPanel(volumes={"mine": volume}, split="mine", chosen=1, start="chosen structure", steps=3).run()
    assert len({record.porosity for record in panel.records}) == 3
    code = panel.code().replace("...", "volume")
    exec(code, {"volume": volume})
    assert float(capsys.readouterr().out) == pytest.approx(1 - float(panel._decoded(panel.settings, 0.0).mean()), rel=1e-5)


def test_recorded_crops_are_offered(tmp_path, files):
    crops = membranes_crops.own("sandstone", build([Recipe(8, radius=8.0)], size=32)[0].numpy(), size=16)
    state = {"samples": [vars(crops) | {"measured": crops.measured.to_dict("records")}], "provenance": {}}
    recordings.save_state(tmp_path / "crops.npz", state)
    panel = LatentPanel(*files, crops=tmp_path / "crops.npz", split="sandstone", start="chosen structure")
    assert "crop 0 of sandstone" in panel.frame.value
    assert f"load({str(tmp_path / 'crops.npz')!r})['sandstone']" in panel.code()


def test_volumes_that_do_not_fit_are_refused(tmp_path, volume):
    with pytest.raises(ValueError, match="must not be one of"):
        LatentPanel(volumes={"train": volume})
    with pytest.raises(ValueError, match="0 and 1"):
        LatentPanel(volumes={"mine": 0.5 * volume})
    with pytest.raises(ValueError, match="32 voxels, the network takes 16"):
        LatentPanel(crops=FOLDER / membranes_crops.FILE)


def test_one_file_without_the_other_is_refused(files):
    with pytest.raises(ValueError, match="both"):
        LatentPanel(files[0])


def test_a_family_that_was_not_measured_is_refused(files):
    with pytest.raises(ValueError, match="one seed"):
        LatentPanel(*files, family="one seed")


def test_a_file_of_another_kind_is_refused(files):
    with pytest.raises(ValueError, match="does not hold a network"):
        membranes_vae.network(files[1])
    with pytest.raises(ValueError, match="does not hold results"):
        membranes_latent.results(files[0])


# The search -------------------------------------------------------------------------------------------------------------


def test_the_inverse_panel_is_the_search_of_the_library(files):
    panel = InversePanel(files[0], initial=4, iterations=3, target="B", search_seed=2).run()
    recipe = membranes_latent.targets()["B"]
    goal = inverse.shares([recipe], size=panel.model.size)
    search = inverse.recover(
        panel.model, goal, seed=recipe.seed, box=inverse.ranges(0.1), initial=4, iterations=3, search_seed=2, acquisition="ucb"
    )
    assert list(search) == panel.records


def test_target_and_best_are_shown_with_their_recipes():
    panel = InversePanel(initial=4, iterations=1)
    assert len(pictures(panel)) == 2 and "press Run" in panel.frame.value
    panel.run()
    assert len(pictures(panel)) == 4 and "best of 5" in panel.frame.value
    assert f"{panel.records[-1].best_point[1]:.4g}" in panel.frame.value
    assert "least" in panel.status_line.value


def test_another_seed_is_another_structure():
    own, other = (InversePanel(initial=3, iterations=0, seed=seed).run() for seed in (0, 1))
    assert [trial.point for trial in own.records] == [trial.point for trial in other.records]
    assert [trial.value for trial in own.records] != [trial.value for trial in other.records]
    assert "another seed" in other.frame.value


def test_an_own_target_comes_first():
    recipe = Recipe(7, (1.0, 1.0, 0.8), 8.0, seed=4)
    panel = InversePanel(own=recipe, initial=2, iterations=0)
    assert panel.settings["target"] == "own"
    assert "0.8" in panel.frame.value
    assert repr(recipe) in panel.code()
    panel.run()


def test_the_code_of_the_inverse_panel_gives_the_same_numbers(capsys):
    panel = InversePanel(initial=3, iterations=2, target="D").run()
    exec(panel.code(), {})
    lines = capsys.readouterr().out.splitlines()
    assert lines == [f"{trial.number} {trial.best} {trial.best_point}" for trial in panel.records]


@pytest.mark.parametrize("panel_type, settings", [(InversePanel, {"initial": 3, "iterations": 1}), (LatentPanel, {"steps": 3})])
def test_a_run_is_saved_and_shown_again(panel_type, settings, tmp_path):
    panel = panel_type(**settings).run()
    panel.save(tmp_path / "run.npz")
    again = panel_type()
    again.replay(tmp_path / "run.npz")
    assert again.records == panel.records
    assert pictures(again) == pictures(panel)
