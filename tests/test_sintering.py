"""Sintering: the measured samples, the model of the laboratory with the facts of the text."""

import numpy as np
import pandas as pd
import pytest
from sintering_cases import ACID, TEMPERATURE, TIME

from toolkit import published
from toolkit.datasets import sintering


def test_the_samples_are_those_of_the_table():
    samples = sintering.measured()
    assert len(samples) == 22 and samples[sintering.CONDUCTIVITY].nlargest(2).index.tolist() == [14, 3]
    second = samples[samples["iteration"] == 2][sintering.CONDUCTIVITY].mean()
    statements = published.table("zhao_section_4_1_bo_statements").set_index("key")["value"]
    assert round(second, 6) == statements["mean_conductivity_iteration_2"]


def test_the_model_holds_every_fact_of_the_text():
    facts = sintering.facts()
    assert len(facts) == 6 and facts["holds"].all()


def test_the_model_is_near_the_samples():
    samples = sintering.measured()
    miss = np.log10(sintering.response_surface()(samples) / samples[sintering.CONDUCTIVITY])
    scatter = sintering.response_surface().scatter
    assert np.sqrt((miss**2).mean()) == pytest.approx(scatter) and scatter < 0.2
    assert np.corrcoef(np.log10(sintering.response_surface()(samples)), np.log10(samples[sintering.CONDUCTIVITY]))[0, 1] > 0.9
    dense = sintering.response_surface(sintering.DENSITY)
    assert np.sqrt(((dense(samples) - samples[sintering.DENSITY]) ** 2).mean()) == pytest.approx(dense.scatter)
    assert dense.scatter < 3


def test_the_density_stays_between_green_and_dense():
    dense = sintering.response_surface(sintering.DENSITY)(sintering.points("iteration_3_4"))
    assert dense.min() >= 62 and dense.max() <= 100


def test_a_laboratory_repeats_itself_with_its_seed_and_scatters_as_told():
    grid = sintering.points("initial_grid")
    one, same, other = (sintering.VirtualLaboratory(noise=0.1, seed=seed).measure(grid) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)
    many = pd.concat([grid] * 50)
    miss = np.log10(sintering.VirtualLaboratory(noise=0.1).measure(many)[sintering.CONDUCTIVITY])
    miss = miss - np.log10(sintering.response_surface()(many))
    assert miss.std() == pytest.approx(0.1, rel=0.03) and abs(miss.mean()) < 0.01


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: sintering.levels("iteration_5"), "phase must be one of"),
        (lambda: sintering.response_surface("hardness"), "quantity must be one of"),
        (lambda: sintering.VirtualLaboratory(noise=-0.1), "noise must be a finite number"),
        (lambda: sintering.response_surface()(pd.DataFrame({ACID: [0], TIME: [30]})), f"no column '{TEMPERATURE}'"),
    ],
)
def test_bad_input_is_refused(act, words):
    with pytest.raises(ValueError, match=words.replace("[", "\\[")):
        act()
