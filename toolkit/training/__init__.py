"""Train a network as an iterator of records.

    for record in fit(model, data, loss=nn.CrossEntropyLoss(), optimizer=optimizer, epochs=20):
        print(record.epoch, record.metrics["train_loss"])

Each `next()` does one unit of work (an epoch, or `every` steps of one) and returns one small immutable `Record`. To stop is to
ask no further; to pause is to wait before asking; what may be changed during a run, such as `optimizer.param_groups[0]["lr"]`,
is read at every step. The data lie on the device, a batch is a slice of the shuffled epoch.
"""

from toolkit.training.evaluation import METRICS, accuracy, evaluate, outputs
from toolkit.training.fit import Data, Fit, Record, choose_device, fit, race
from toolkit.training.randomness import shuffled
from toolkit.training.stopping import EarlyStopping

__all__ = [
    "METRICS", "Data", "EarlyStopping", "Fit", "Record", "accuracy", "choose_device", "evaluate", "fit", "outputs", "race",
    "shuffled",
]  # fmt: skip
