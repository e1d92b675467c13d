"""Many settings at once: the same function on every core of this machine or on a cluster.

    def train(learning_rate, seed):
        run = training.fit(...)
        return {"accuracy": [record.metrics["validation_accuracy"] for record in run][-1]}

    settings = sweep.grid(learning_rate=[0.01, 0.1, 1.0], seed=range(3))
    for record in sweep.run(train, settings, results="learning_rates"):
        print(record.settings, record.result or record.error)
    sweep.table("learning_rates").groupby("learning_rate")["accuracy"].agg(["mean", "std"])

A run that raises, or whose process dies, becomes a record with its error; the others go on. With `results` each finished run is
a file of its own, so that a sweep which was interrupted or killed goes on where it was when it is started again.

A cluster differs by one argument, the address of its Dask scheduler. Its workers need this package, the module that holds the
function, and one thread each. On one's own machines (`dask scheduler`, then `dask worker tcp://... --nthreads 1`):

    sweep.run(train, settings, backend="dask", address="tcp://10.0.0.7:8786")

On a SLURM cluster, with the package dask-jobqueue, up to 20 jobs that come and go with the work:

    from dask_jobqueue import SLURMCluster

    cluster = SLURMCluster(cores=8, processes=8, memory="32GB", walltime="04:00:00", queue="batch")
    cluster.adapt(minimum_jobs=0, maximum_jobs=20)
    sweep.run(train, settings, backend="dask", address=cluster.scheduler_address, results="learning_rates")

`cluster.scale(jobs=20)` instead of `adapt` asks for a fixed number. A job that reaches its wall time counts as a worker that
died; `SLURMCluster(..., worker_extra_args=["--lifetime", "230m"])` lets workers leave in time. Every other kind of Dask cluster
(Kubernetes, SSH, clouds) has the same `scheduler_address`, `scale` and `adapt`.
"""

from toolkit.sweep.record import SweepRecord
from toolkit.sweep.results import table
from toolkit.sweep.run import run
from toolkit.sweep.settings import grid, random

__all__ = ["SweepRecord", "grid", "random", "run", "table"]
