"""Campaigns and tables that the tests of Bayesian optimisation share."""

import numpy as np
import pandas as pd

from toolkit.bayesopt import Campaign, Objective, grid
from toolkit.datasets import sintering

ACID, TEMPERATURE, TIME = sintering.INPUTS
CONDUCTIVITY = Objective("conductivity", "S/cm", log=True)
DENSITY = Objective("relative density", "%")


def sintering_table() -> pd.DataFrame:
    """The 80 grid points with the conductivity of the model."""
    table = sintering.points("initial_grid")
    return table.assign(**{sintering.CONDUCTIVITY: sintering.response_surface()(table)})


def sintering_campaign(phase="initial_grid", objectives=CONDUCTIVITY, past=12, **settings) -> Campaign:
    """A campaign that has begun with experiments drawn from its candidates."""
    campaign = Campaign(grid(sintering.levels(phase), log=[TIME]), objectives, **settings)
    rows = np.random.default_rng(3).choice(len(campaign.space), past, replace=False)
    if past:
        laboratory = sintering.VirtualLaboratory(noise=0.05, seed=1)
        made = laboratory.measure(campaign.space.frame(campaign.space.points[rows]))
        campaign.record(made, made)
    return campaign


def small_campaign(values=(0.0, 1.0, 0.4), **settings) -> Campaign:
    """One variable with eleven levels and a few experiments at its lowest ones."""
    campaign = Campaign(grid({"x [1]": np.linspace(0, 1, 11)}), Objective("y", "1"), **settings)
    if len(values):
        campaign.record(np.linspace(0, 1, 11)[: len(values), None], values)
    return campaign
