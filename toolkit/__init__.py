"""Which module holds what, chapter by chapter.

=====================================================  ===========================================
Burghoff, chapter 2: the basics, by hand               `learning`
Burghoff, chapter 3: the port-Hamiltonian heavy ball   `optim`, `landscapes`, `networks`
Ghimire: neural network potentials, their descriptors  `potential`
Burghoff, chapters 4 to 6: MorphNet and ResBuilder     `search`
Schiessler et al.: neural network surgery              `search`
Burghoff, chapter 7: survival analysis                 `survival`
Every chapter on images: data sets and their splits    `datasets`
Every chapter: training, an iterator of records        `training`
Every chapter: many settings as one training           `population`
Every chapter: many settings on cores or a cluster     `sweep`
Every chapter: runs that are saved and played again    `recordings`
Zhao, chapters 2 and 3: classical models, workflow     `workflow`, `network_ideas`
Zhao, section 4.1: design of experiments               `bayesopt`
Zhao, section 4.2: porous membranes                    `microstructure`
Zhao, section 4.3: mass spectra of surfaces            `spectra`
Every table that the four documents print              `published`
The full-scale runs behind those tables                `studies`
Both beside each other, with a verdict                 `results`
Every lesson's exercises, which check themselves       `exercises`
Every picture                                          `figures`
What runs on this machine                              `doctor`
Every notebook's panel                                 `panels`
=====================================================  ===========================================

Importing the package loads none of them: ``toolkit.optim`` is imported when it is first named.
"""

import importlib
from types import ModuleType

__version__ = "0.1.0"

_MODULES = (
    "bayesopt", "datasets", "doctor", "exercises", "figures", "landscapes", "learning", "microstructure", "network_ideas",
    "networks", "optim", "panels", "population", "potential", "published", "recordings", "results", "search", "spectra",
    "studies", "survival", "sweep", "training", "workflow",
)  # fmt: skip
__all__ = [*_MODULES, "__version__"]


def __getattr__(name: str) -> ModuleType:
    if name in _MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
