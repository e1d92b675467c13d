"""The simulated spectra: what is seeded, what is physics, what the published table lists, and what is refused."""

import math

import numpy as np
import pytest

from toolkit import published
from toolkit.datasets import lithium_spectra as spectra
from toolkit.datasets.lithium_spectra import COMPOUNDS, SAMPLES, simulate, surface


@pytest.fixture(scope="module")
def everything():
    return simulate(spots=200, variation=0.0)


def mean(data, sample):
    return dict(zip(data.ions.tolist(), data.of(sample).intensities.mean(0), strict=True))


def test_the_samples_of_the_document_are_all_there():
    data = simulate()
    rows = published.table("zhao_section_4_3_1_samples")
    assert list(dict.fromkeys(data.samples.tolist())) == rows["sample"].tolist() == list(SAMPLES)
    assert [SAMPLES[name].fluence for name in SAMPLES] == rows["sputter_fluence_ions_per_cm2"].tolist()
    assert [set(SAMPLES[name].expected) for name in SAMPLES] == [set(cell.split("/")) for cell in rows["expected_composition"]]
    assert data.intensities.shape == (120, len(data.mz)) and (data.intensities == np.rint(data.intensities)).all()
    assert data.simulated and (data.spots.reshape(10, 12) == np.arange(1, 13)).all()
    assert (np.diff(data.mz) > 0).all() and len(set(data.ions.tolist())) == len(data.mz)


def test_every_readable_row_of_table_4_6_has_its_peak():
    rows = published.table("zhao_table_4_6_specific_peaks")
    masses = rows.loc[rows["mass_consistent"].fillna(False).astype(bool), "mz_calc"].to_numpy(float)
    nearest = np.abs(masses[:, None] - simulate(["LiH"], spots=1).mz).min(1)
    assert len(masses) == 210
    assert nearest.max() < 0.012  # the tolerance with which the table's own masses are called consistent


@pytest.mark.parametrize(("ion", "mz"), [("Li-", 7.016552), ("OH-", 17.003288), ("CO3-", 59.985295)])
def test_masses_are_those_of_the_ions(ion, mz):
    data = simulate(["Li2CO3"], spots=1)
    assert data.mz[data.ions == ion] == pytest.approx([mz], abs=1e-5)


def test_the_same_seed_gives_the_same_counts_whatever_else_is_simulated():
    alone, among = simulate(["sample_2"], seed=3), simulate(["LiH", "sample_2", "Li2O"], seed=3)
    np.testing.assert_array_equal(alone.intensities, among.of("sample_2").intensities)
    assert (simulate(["sample_2"], seed=4).intensities != alone.intensities).any()


def test_counts_are_poisson_where_nothing_else_varies(everything):
    counts = everything.of("LiOH").intensities
    expected = counts.mean(0)
    chi_square = ((counts - expected) ** 2 / np.maximum(expected, 1e-9)).sum(0)[expected > 5]
    deviation = (chi_square - 199) / math.sqrt(2 * 199)
    assert abs(deviation.mean()) < 0.5 and deviation.std() == pytest.approx(1, abs=0.3)


def test_spots_differ_by_more_than_counting():
    counts = simulate(["LiOH"], spots=200).intensities.astype(float)
    strong = counts.mean(0) > 1000
    assert (counts.var(0) / counts.mean(0))[strong].min() > 5


@pytest.mark.parametrize(("light", "heavy", "atoms"), [("6Li-", "Li-", 1), ("6LiCO3-", "LiCO3-", 1), ("6LiLi2-", "Li3-", 3)])
def test_lithium_has_its_natural_isotopes(everything, light, heavy, atoms):
    of = mean(everything, "Li2CO3")
    assert of[light] / of[heavy] == pytest.approx(atoms * 0.0759 / 0.9241, rel=0.03)


@pytest.mark.parametrize(
    ("compound", "ion"),
    [("Li2CO3", "LiCO3-"), ("Li3N", "LiN-"), ("LiH", "LiH2-"), ("LiOH", "LiO2H2-"), ("Li2CO3", "CO3-"), ("LiOH", "OH-")],
)
def test_a_compound_is_brightest_in_its_own_ion(everything, compound, ion):
    counts = {name: mean(everything, name)[ion] for name in COMPOUNDS}
    others = max(count for name, count in counts.items() if name != compound)
    assert counts[compound] > 3 * others


def test_mixing_is_linear_without_matrix_effect_and_with_it_is_not():
    def departure(matrix_effect):
        kept = {"contamination": 0.0, "variation": 0.0, "matrix_effect": matrix_effect, "spots": 400, "fluence": 0.0}
        data = simulate(["Li2O", "LiH", "sample_2"], **kept)
        volumes = np.array([1 / 2.01, 1 / 0.78])  # equal weights
        parts = volumes / volumes.sum()
        mixed = parts @ [data.of(name).intensities.mean(0) for name in ("Li2O", "LiH")]
        strong = mixed > 1000
        return np.abs(data.of("sample_2").intensities.mean(0)[strong] / mixed[strong] - 1).max()

    assert departure(0.0) < 0.01
    assert departure(1.0) > 0.1


def test_dirt_is_what_contamination_adds():
    def fluorine(factor):
        return mean(simulate(["Li2O"], spots=50, variation=0.0, contamination=factor), "Li2O")["F-"]

    assert fluorine(0.0) == 0
    assert fluorine(2.0) == pytest.approx(2 * fluorine(1.0), rel=0.05)


def test_equal_weights_cover_by_volume():
    coverage = surface("sample_1", 0.0)
    assert coverage["Li2CO3"] / (1 - coverage["Li2CO3"]) == pytest.approx((1 / 2.11 + 0.05 / 1.46) / (0.95 / 1.46), rel=1e-6)
    assert sum(coverage.values()) == pytest.approx(1)


def test_a_sputter_beam_digs_from_film_to_oxide_to_metal():
    doses = [0.0, 9e13, 4e15, 9.5e15, 1e17]
    layers = [surface("sample_5", dose) for dose in doses]
    assert all(sum(layer.values()) == pytest.approx(1) for layer in layers)
    carbonate, metal = ([layer.get(phase, 0.0) for layer in layers] for phase in ("Li2CO3", "Li"))
    assert carbonate == sorted(carbonate, reverse=True) and metal == sorted(metal)
    assert carbonate[0] == 0.5 and metal[-1] > 0.98
    assert surface("sample_4", 9.5e15) == layers[3]  # the same foil, measured after another dose


def test_a_dose_given_by_hand_replaces_the_samples_own():
    np.testing.assert_array_equal(simulate(["sample_4"]).intensities, simulate(["sample_4"], fluence=9e13).intensities)
    deep = mean(simulate(["sample_4"], fluence=9.5e15), "sample_4")
    assert deep["CO3-"] < 0.05 * mean(simulate(["sample_4"]), "sample_4")["CO3-"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"samples": ["LiF"]}, r"samples: 'LiF' is not one of \('Li2CO3'"),
        ({"samples": "LiH"}, "samples must be a sequence of names"),
        ({"samples": []}, "samples must be a sequence of names"),
        ({"samples": ["LiH", "LiH"]}, r"samples must not repeat, got \['LiH', 'LiH'\]"),
        ({"spots": 0}, "spots must be 1 or more, got 0"),
        ({"contamination": -1.0}, "contamination must be a number of 0 or more, got -1.0"),
        ({"matrix_effect": math.nan}, "matrix_effect must be a number of 0 or more, got nan"),
        ({"variation": math.inf}, "variation must be a number of 0 or more, got inf"),
        ({"fluence": -1e13}, "fluence must be a dose of 0 or more"),
    ],
)
def test_what_cannot_be_simulated_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        simulate(**wrong)


def test_the_ions_are_the_tables_own():
    assert len(set(spectra.FORMULAS)) == len(spectra.FORMULAS)
    pieces = {piece for clusters in spectra.SALT_CLUSTERS.values() for piece in clusters} | set(spectra.DIRT_PIECES)
    assert pieces | {piece for parts in spectra.FRAGMENTS.values() for piece in parts} <= set(spectra.FORMULAS)
