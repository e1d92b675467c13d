"""Training throughput of the autoencoder against a plain loop of the same network, and the memory of a step.

The plain loop is what one writes by hand: the layers of Table 4.3 as they come from torch, volumes kept as float32, a data
loader, loss and gradient, Adam. Both take as many batches of the same membranes, in interleaved rounds; the ratio is the median
over the rounds of processor time. `python tests/benchmarks/autoencoder.py [--quick]`
"""

import argparse
import json
import statistics
import time
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from toolkit import training
from toolkit.datasets import Dataset
from toolkit.microstructure import structures
from toolkit.microstructure.autoencoder import VAE, NegativeBound, ToOneChannel, divergence, reconstruction, training_memory

RESULT = Path("build/benchmarks/autoencoder.json")
BATCH = 32


def plain(model):
    """The same network with torch's own transposed convolution at its end."""
    layer = model.decoder[-1]
    assert isinstance(layer, ToOneChannel)
    twin = nn.ConvTranspose3d(layer.in_channels, 1, 4, 2, 1)
    twin.load_state_dict(layer.state_dict())
    model.decoder[-1] = twin
    return model


def membranes(n, size):
    """The training part of a data set of n membranes; the other parts are as small as they may be."""
    some = structures.random_recipes(n, points=(4, 17), radius=7.3)
    return structures.dataset({"train": some, "validation": some[:1], "test": some[:1]}, size=size)


def by_hand(data, size, epochs, layout):
    """Seconds of processor for the epochs, without what comes before them."""
    model = plain(VAE(size, seed=0, **layout))
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    volumes = data.train[0].float() / 255
    loader = DataLoader(TensorDataset(volumes), batch_size=BATCH, shuffle=True)
    started = time.process_time()
    for _ in range(epochs):
        for (batch,) in loader:
            mean, log_variance = model.encode(batch)
            z = mean + torch.exp(0.5 * log_variance) * torch.randn_like(mean)
            error = functional.binary_cross_entropy(torch.sigmoid(model.decode(z)), batch, reduction="none")
            kl = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp(), dim=1)
            loss = (error.sum((1, 2, 3, 4)) + kl).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return time.process_time() - started


def by_toolkit(data, size, epochs, layout, precision):
    """Likewise through `training.fit`; the evaluation at the end of each epoch is one structure."""
    model = VAE(size, seed=0, **layout).to(memory_format=torch.channels_last_3d)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3)
    run = training.fit(
        model, data, loss=NegativeBound(), optimizer=optimizer, epochs=epochs, batch_size=BATCH, device="cpu",
        precision=precision, metrics=[reconstruction, divergence],
    )  # fmt: skip
    next(run)
    started = time.process_time()
    for _ in run:
        pass
    return time.process_time() - started


def kept(size, layout):
    """Bytes that autograd keeps for the backward pass of one batch [MB]."""
    model, storages = VAE(size, seed=0, **layout), {}
    weights = {weight.untyped_storage().data_ptr() for weight in model.parameters()}

    def keep(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in weights:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        loss = NegativeBound()(model(torch.rand(BATCH, 1, size, size, size)), None)
    return (sum(storages.values()) + 0 * float(loss.detach())) / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="one round")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    size, n, epochs, rounds = 32, 2 * BATCH, 1, 1 if quick else 5
    started = time.process_time()
    data = membranes(n, size)
    result = {"generation [ms per membrane]": 1e3 * (time.process_time() - started) / (n + 2), "membranes": n, "size": size}
    assert isinstance(data, Dataset)
    for name, layout in (("Table 4.3 at 32", {}), ("classroom", {"latent": 64, "hidden": 256})):
        rows = []
        for _ in range(rounds):
            hand = by_hand(data, size, epochs, layout)
            rows.append({"by hand": hand, **{p: by_toolkit(data, size, epochs, layout, p) for p in ("float32", "bf16")}})
        per_membrane = {key: 1e3 * statistics.median(row[key] for row in rows) / n / epochs for key in rows[0]}
        ratios = {p: statistics.median(row["by hand"] / row[p] for row in rows) for p in ("float32", "bf16")}
        stated = training_memory(size, batch=BATCH, **layout)
        result[name] = {"ms per membrane and step": per_membrane, "times faster than by hand": ratios,
                        "activations kept, measured [MB]": kept(size, layout), "stated [MB]": stated}  # fmt: skip
        print(name, json.dumps(result[name], indent=1), flush=True)
    result["stated at 128, batch 64 [MB]"] = training_memory(128, batch=64)
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=1))
    print(json.dumps({key: value for key, value in result.items() if not isinstance(value, dict) or "128" in key}, indent=1))


if __name__ == "__main__":
    main()
