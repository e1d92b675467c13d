"""Train K members of one network at once, each with its own settings.

    settings = {"learning_rate": [0.1, 0.05, 0.02], "friction": [0.5, 1.0, 2.0]}
    for record in fit(build, data, settings=settings, loss=nn.CrossEntropyLoss(), epochs=20):
        print(record.epoch, record.metrics["train_loss"])  # one number per member

A population is an iterator of the same records as `training.fit`, with one column per member. Each member goes through the
numbers of a run of its own, up to rounding, whichever way is taken to train them together: as one stacked network
(`layers`), through `torch.func.vmap`, or one beside the other on the cores.
"""

from toolkit.population.fit import Population, fit
from toolkit.population.strategy import STRATEGIES

__all__ = ["STRATEGIES", "Population", "fit"]
