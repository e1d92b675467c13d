"""What the tests of sweeps run in other processes. Imports little: each process waits for it."""

import os
import signal
import time
from pathlib import Path

import numpy as np

SETTINGS = [{"x": x, "scale": scale} for scale in (0.5, 2) for x in range(3)]


def line(x, scale, shift=1.0):
    return {"y": scale * x + shift, "name": f"{x} times {scale}", "curve": scale * np.arange(x + 2)}


def logged(x, log, seconds=0.0):
    """Leave a line at the beginning and at the end, as whatever process."""
    _note(log, f"begin {x} {os.getpid()}")
    time.sleep(seconds)
    _note(log, f"end {x} {os.getpid()}")
    return {"y": x**2, "curve": np.arange(x) / 7}


def troubled(x, trouble="", log=""):
    """Go wrong in the way that the trouble names."""
    if log:
        _note(log, f"begin {x} {os.getpid()}")
    if trouble == "raise":
        raise RuntimeError(f"no result for {x}")
    if trouble == "exit":
        raise SystemExit(4)
    if trouble == "end":
        os._exit(3)
    if trouble == "kill" or (trouble == "kill once" and noted(log, f"begin {x}") == 1):
        os.kill(os.getpid(), signal.SIGKILL)
    if trouble == "no dict":
        return x
    if trouble == "odd value":
        return {"y": {1, 2}}
    return {"y": x**2}


def waiting(x, log, until):
    """Wait for a file, for a long time."""
    _note(log, f"begin {x} {os.getpid()}")
    for _ in range(6000):
        if Path(until).exists():
            return {"y": x**2}
        time.sleep(0.01)
    return {"y": -1}


def digits(C):  # noqa: N803
    """Accuracy of a logistic regression."""
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    inputs, targets = load_digits(return_X_y=True)
    model = LogisticRegression(C=C, max_iter=1000).fit(inputs[::4] / 16, targets[::4])
    return {"accuracy": model.score(inputs[1::4] / 16, targets[1::4]), "norm": np.linalg.norm(model.coef_)}


def training_run(learning_rate, seed):
    """A small training; how it went, and on how many threads."""
    import torch
    from training_cases import data, network

    from toolkit import training

    model = network(dropout=0.3)
    optimizer = torch.optim.SGD(model.parameters(), learning_rate)
    run = training.fit(model, data(), loss=torch.nn.CrossEntropyLoss(), optimizer=optimizer, epochs=2, seed=seed, device="cpu")
    losses = [record.metrics["train_loss"] for record in run]
    return {"losses": np.array(losses), "weight": next(model.parameters())[0, 0], "threads": torch.get_num_threads()}


def noted(log, start):
    """How many lines begin in this way."""
    path = Path(log)
    return sum(entry.startswith(f"{start} ") for entry in path.read_text().splitlines()) if path.exists() else 0


def _note(log, text):
    with open(log, "a") as file:
        file.write(f"{text}\n")
