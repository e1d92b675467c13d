"""Virtual experiments as one batch against loops of scikit-learn and of BoTorch processes, and the time of one proposal.

The loops do the same campaigns with the same policy: inputs and target scaled alike, the same prior on the logarithms of the
hyper-parameters, fitted anew before each pick from the last ones with L-BFGS to the same slope. They are measured on a stated
sample of campaigns and extrapolated by the number of picks. `python tests/benchmarks/bayesopt.py [--quick]`
"""

import argparse
import json
import math
import statistics
import time
import warnings
from pathlib import Path

import numpy as np
import torch
from scipy import stats
from scipy.optimize import minimize
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from toolkit import bayesopt, recordings
from toolkit.bayesopt import process
from toolkit.datasets import sintering
from toolkit.studies import strategies

RESULT = Path("build/benchmarks/bayesopt.json")
ACQUISITIONS = ("ucb", "ei", "pi")
KAPPA, NOISE, ROWS = 3.0, 0.05, 80
PRIOR = process.Prior()


def scaled_table():
    """The inputs in [0, 1] and log10 of the conductivity."""
    table = strategies.table()
    x = np.array(table[list(sintering.INPUTS)], float)
    x[:, 2] = np.log10(x[:, 2])
    return (x - x.min(0)) / np.ptp(x, axis=0), np.log10(table[sintering.CONDUCTIVITY].to_numpy())


def whole_figure(repeats, initial):
    """Seconds of processor and of clock, picks and states of the one batch."""
    busy, clock, picks, state = time.process_time(), time.perf_counter(), 0, None
    settings = {"strategies": ACQUISITIONS, "initial": initial, "repeats": repeats, "kappa": KAPPA, "noise": NOISE}
    running = len(ACQUISITIONS) * len(initial) * repeats
    for state in bayesopt.virtual_experiments(strategies.table(), **strategies.COLUMNS, **settings):
        picks, running = picks + running, state.running
    return {"cpu": time.process_time() - busy, "clock": time.perf_counter() - clock, "picks": picks}, state


class ScikitLearn:
    """A Gaussian process of scikit-learn with the prior added to its evidence."""

    def __init__(self):
        self.theta = PRIOR.centre(3).numpy()

    def predict(self, x, y, candidates):
        """Fit from the last hyper-parameters, then mean and deviation at the candidates."""
        centre, width = PRIOR.centre(3).numpy(), PRIOR.width(3).numpy()
        lengths, signal, noise = np.exp(self.theta[:3]), *np.exp(self.theta[3:])
        order = [3, 0, 1, 2, 4]  # scikit-learn's: signal, lengthscales, noise

        def optimizer(objective, start, bounds):
            def with_prior(theta):
                value, slope = objective(theta)
                away = (theta - centre[order]) / width[order]
                return value + 0.5 * (away**2).sum(), slope + away / width[order]

            found = minimize(with_prior, start, jac=True, method="L-BFGS-B", options={"gtol": process.TOLERANCE})
            return found.x, found.fun

        kernel = ConstantKernel(signal, (1e-9, 1e9)) * RBF(lengths, (1e-9, 1e9)) + WhiteKernel(noise, (1e-12, 1e9))
        model = GaussianProcessRegressor(kernel, alpha=process.NOISE_FLOOR, optimizer=optimizer).fit(x, y)
        fitted = model.kernel_.theta
        self.theta = fitted[[1, 2, 3, 0, 4]]
        mean, deviation = model.predict(candidates, return_std=True)
        return mean, np.sqrt(np.maximum(deviation**2 - np.exp(self.theta[4]), 0))  # of the function without noise


class BoTorch:
    """A SingleTaskGP with the same kernel; its evidence and the prior are maximised over the same logarithms."""

    def __init__(self):
        self.theta = PRIOR.centre(3).numpy()

    def predict(self, x, y, candidates):
        """Fit from the last hyper-parameters, then mean and deviation at the candidates."""
        from gpytorch.mlls import ExactMarginalLogLikelihood

        from toolkit.bayesopt import joint
        from toolkit.bayesopt.surrogate import Surrogate

        x, y = torch.tensor(x), torch.tensor(y)
        model = joint.model(Surrogate(x, y, torch.tensor(self.theta)[None], 0.0, 1.0, "rbf")).train()
        evidence = ExactMarginalLogLikelihood(model.likelihood, model)
        base, scale, noise = model.covar_module.base_kernel, model.covar_module, model.likelihood.noise_covar
        parameters = [base.raw_lengthscale, scale.raw_outputscale, noise.raw_noise]
        centre, width = PRIOR.centre(3), PRIOR.width(3)

        def objective(raw):
            parts = torch.tensor(raw[:3])[None], torch.tensor(raw[3]), torch.tensor(raw[4:])
            for parameter, part in zip(parameters, parts, strict=True):
                parameter.data = part
                parameter.grad = None
            logs = torch.cat([base.lengthscale[0], scale.outputscale[None], noise.noise]).log()
            loss = -evidence(model(x), y) * len(y) + 0.5 * (((logs - centre) / width) ** 2).sum()
            loss.backward()
            return loss.item(), torch.cat([parameter.grad.flatten() for parameter in parameters]).numpy()

        start = torch.cat([parameter.detach().flatten() for parameter in parameters]).numpy()
        minimize(objective, start, jac=True, method="L-BFGS-B", options={"gtol": process.TOLERANCE})
        with torch.no_grad():
            self.theta = torch.cat([base.lengthscale[0], scale.outputscale[None], noise.noise]).log().numpy()
            posterior = model.eval().posterior(torch.tensor(candidates))
            return posterior.mean[:, 0].numpy(), posterior.variance[:, 0].clamp(min=0).sqrt().numpy()


def score(name, mean, deviation, best):
    if name == "ucb":
        return mean + KAPPA * deviation
    z = (mean - best) / np.maximum(deviation, 1e-300)
    return stats.norm.cdf(z) if name == "pi" else (mean - best) * stats.norm.cdf(z) + deviation * stats.norm.pdf(z)


def one_campaign(peer, name, initial, seed):
    """Picks made until the best row was picked or no attempt was left, and whether it was found."""
    x, value = scaled_table()
    draw, model, best_row = np.random.default_rng(seed), peer(), int(value.argmax())
    rows = draw.integers(ROWS, size=initial).tolist()
    seen = [value[row] + NOISE * draw.standard_normal() for row in rows]
    for pick in range(1, ROWS - initial + 1):
        y = (np.array(seen) - np.mean(seen)) / (np.std(seen, ddof=1) or 1.0)
        mean, deviation = model.predict(x[rows], y, x)
        row = int(score(name, mean, deviation, y.max()).argmax())
        if row == best_row:
            return pick, True
        rows.append(row)
        seen.append(value[row] + NOISE * draw.standard_normal())
    return pick, False


def loop(peer, initial, seeds):
    """Seconds of processor for each pick, over a sample of campaigns."""
    one_campaign(peer, "ei", 20, 0)  # warm
    busy, picks, found, campaigns = time.process_time(), 0, 0, 0
    for seed in seeds:
        for name in ACQUISITIONS:
            for size in initial:
                made, success = one_campaign(peer, name, size, seed)
                picks, found, campaigns = picks + made, found + success, campaigns + 1
    return {"cpu": time.process_time() - busy, "picks": picks, "found": found, "campaigns": campaigns}


def proposal(rounds):
    """Seconds for one proposal of 2,574 candidates from 102 samples, the fit included, and for five."""
    laboratory = sintering.VirtualLaboratory(noise=NOISE, seed=0)
    space = bayesopt.grid(sintering.levels("iteration_3_4"), log=[sintering.INPUTS[2]])
    points = np.concatenate(
        [sintering.points("initial_grid").to_numpy(), sintering.measured()[list(sintering.INPUTS)].to_numpy()]
    )
    past = laboratory.measure(space.frame(points))
    times = {1: [], 5: []}
    for _ in range(rounds):
        for n, seconds in times.items():
            campaign = bayesopt.Campaign(space, bayesopt.Objective("conductivity", "S/cm", log=True))
            campaign.record(past, past)
            started = time.process_time()
            campaign.ask(n)
            seconds.append(time.process_time() - started)
    return {f"ask({n})": statistics.median(seconds) for n, seconds in times.items()} | {"samples": len(points)}


def main():
    parser = argparse.ArgumentParser(description="Measure virtual experiments and proposals.")
    parser.add_argument("--quick", action="store_true", help="40 repeats, one campaign of each kind in the loops")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")  # scikit-learn and BoTorch warn of bounds and jitter
    repeats, seeds = (40, range(1)) if quick else (200, range(3))
    ours, state = whole_figure(repeats, strategies.INITIAL)
    per_pick = ours["cpu"] / ours["picks"]
    report = {"ours": ours | {"repeats": repeats, "initial": strategies.INITIAL, "found": state.fraction().tolist()}}
    print(f"one batch: {ours['picks']:,} picks in {ours['cpu']:.1f} s of processor, {ours['clock']:.1f} s of clock")
    for peer in (ScikitLearn, BoTorch):
        sample = loop(peer, strategies.INITIAL, seeds)
        again, _ = whole_figure(max(repeats // 10, 1), strategies.INITIAL)  # interleaved: the machine may have slowed down
        sample["extrapolated"] = sample["cpu"] / sample["picks"] * ours["picks"]
        sample["ratio"] = sample["extrapolated"] / ours["cpu"]
        sample["ratio_interleaved"] = sample["cpu"] / sample["picks"] / (again["cpu"] / again["picks"])
        report[peer.__name__] = sample
        print(
            f"{peer.__name__}: {sample['campaigns']} campaigns, {sample['picks']} picks, {sample['found']} found, "
            f"{1e3 * sample['cpu'] / sample['picks']:.1f} ms a pick against {1e3 * per_pick:.2f}; extrapolated "
            f"{sample['extrapolated']:.0f} s, {sample['ratio']:.1f} times the batch"
        )
    report["proposal"] = proposal(3 if quick else 9)
    print(f"2,574 candidates, {report['proposal']}")
    assert all(math.isfinite(report[peer.__name__]["ratio"]) for peer in (ScikitLearn, BoTorch))
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps({"provenance": recordings.provenance(), **report}, indent=1))


if __name__ == "__main__":
    main()
