"""Design of experiments by Bayesian optimisation (Zhao, sections 2.5.3 and 4.1).

    space = bayesopt.grid({"time [min]": (10, 30, 60, 480), "temperature [°C]": (800, 900, 1000, 1100)}, log=["time [min]"])
    campaign = bayesopt.Campaign(space, bayesopt.Objective("conductivity", "S/cm", log=True), acquisition="ucb")
    campaign.record(past, past_conductivities)
    proposals = campaign.ask(5)
    campaign.tell(proposals, measured_conductivities)

=============  ==============================================================================
`space`        variables, objectives and candidates with units
`box`          variables with any value in a range, whole numbers among them
`minimise`     search a box, record by record
`campaign`     ask, expand, predict, keep
`history`      tell and record: the experiments made and asked for
`logbook`      experiments as .csv and .xlsx
`acquisition`  EI, UCB and PI as formulas
`process`      Gaussian processes, many at once: evidence, fit, posterior
`surrogate`    the process of one objective, the kriging believer, samples
`rounds`       a campaign on a laboratory that answers at once, record by record
`duel`         a person against strategies, turn by turn
`virtual`      virtual experiments (Fig. 4.2), all campaigns as one batch
`joint`        what comes from BoTorch: batches as a whole, several objectives; imported when used
=============  ==============================================================================
"""

from toolkit.bayesopt.box import Box, Range
from toolkit.bayesopt.campaign import Campaign, Proposal
from toolkit.bayesopt.duel import Turn, duel
from toolkit.bayesopt.minimise import Search, Trial
from toolkit.bayesopt.process import Prior
from toolkit.bayesopt.rounds import Round, beginning, proposing, rounds
from toolkit.bayesopt.space import Objective, Space, Variable, grid, labelled
from toolkit.bayesopt.virtual import Tries, random_baseline, virtual_experiments, wilson_interval

__all__ = [
    "Box", "Campaign", "Objective", "Prior", "Proposal", "Range", "Round", "Search", "Space", "Trial", "Tries", "Turn",
    "Variable", "beginning", "duel", "grid", "labelled", "proposing", "random_baseline", "rounds", "virtual_experiments",
    "wilson_interval",
]  # fmt: skip
