"""`python -m toolkit.studies phs --dataset fashion_mnist`: make a recording of published rows, with resume."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

from toolkit.studies import (
    alloys,
    clinics,
    descriptors,
    descriptors_dft,
    lithium,
    membranes,
    membranes_crops,
    membranes_latent,
    membranes_vae,
    mnist_survival,
    morphnet,
    phs,
    potentials,
    resbuilder,
    strategies,
    surgery,
    survival_tables,
)

Run = Callable[[argparse.Namespace], None]


def main(arguments: list[str] | None = None) -> None:
    """Run the study that the command line names; each finished run is in the recording at once."""
    parser = argparse.ArgumentParser(prog="python -m toolkit.studies", description=__doc__)
    studies = parser.add_subparsers(dest="study", required=True)
    study = studies.add_parser("phs", help="Tables 3.1 and 3.2 of Burghoff: the heavy ball on CIFAR-10 and Fashion-MNIST")
    study.add_argument("--dataset", choices=tuple(phs.TABLES), default="fashion_mnist")
    study.add_argument("--reading", choices=phs.READINGS, default="implied", help="of the friction column")
    study.add_argument("--rows", type=int, nargs="*", help="numbers of rows of the table, from 0; all without this")
    _add_common(study, _phs, epochs=50, seeds=3)
    study = studies.add_parser("surgery", help="Table 3 of Schiessler et al.: the Surgeon beside training the start alone")
    study.add_argument("--dataset", default="fashion_mnist", help=f"{', '.join(surgery.DATASETS)}, or another image set")
    study.add_argument("--topologies", nargs="*", choices=tuple(surgery.STARTS), default=tuple(surgery.STARTS))
    _add_common(study, _surgery, epochs=surgery.EPOCHS, seeds=len(surgery.SEEDS))
    study = studies.add_parser(
        "mnist_survival", help="Burghoff, chapter 7: the public experiment on survival times of MNIST digits"
    )
    _add_common(study, _mnist_survival, epochs=mnist_survival.EPOCHS, seeds=5)
    study = studies.add_parser("morphnet", help="chapter 5 of Burghoff: widths under a penalty on FLOPs, MNIST")
    study.add_argument("--dataset", default="mnist")
    study.add_argument("--images", type=int, help="to train on; all of them without this")
    _add_common(study, _morphnet, epochs=1, seeds=1)
    study = studies.add_parser("resbuilder", help="Table 6.1 of Burghoff: searching residual networks under a FLOP budget")
    study.add_argument("--dataset", default="fashion_mnist")
    study.add_argument("--images", type=int, help="to train on; all of them without this")
    study.add_argument("--methods", nargs="*", choices=(*resbuilder.METHODS, resbuilder.FOUND), default=resbuilder.METHODS)
    study.add_argument("--searched", type=Path, help='recording of a search, for --methods "found"')
    study.add_argument("--recipes", nargs="*", choices=resbuilder.RECIPES, default=resbuilder.RECIPES)
    study.add_argument("--budget", type=float, default=resbuilder.BUDGET, help="FLOPs per image")
    study.add_argument("--batch", type=int, default=resbuilder.BATCH, help="images per step")
    study.add_argument("--steps", type=int, help="most architectures after the start; all 35 without this")
    _add_common(study, _resbuilder, epochs=resbuilder.EPOCHS, seeds=3)
    study = studies.add_parser("alloys", help="Zhao, section 4.3, on measured spectra: noble-metal alloys")
    study.add_argument("--workers", type=int, default=1, help="units of work at a time, one core each")
    _add_places(study, _alloys)
    study = studies.add_parser("clinics", help="Table 7.2 of Burghoff on simulated clinics: penalties and merging")
    study.add_argument("--size", choices=tuple(clinics.SIZES), default="published")
    study.add_argument("--seeds", type=int, default=5, help="how many")
    study.add_argument("--workers", type=int, default=1, help="runs at a time, one core each")
    _add_places(study, _clinics)
    study = studies.add_parser(
        "membranes", help="the 10,000 generated membranes of Zhao, section 4.2.1, with their tortuosities"
    )
    study.add_argument("--count", type=int, default=10_000, help="membranes")
    study.add_argument("--size", type=int, default=128, help="voxels along an edge")
    study.add_argument("--axes", type=int, choices=(0, 1, 2), default=1, help="stretched at a time")
    study.add_argument("--seed", type=int, default=0)
    study.add_argument("--without-tortuosity", action="store_true", help="only generate")
    study.add_argument("--workers", type=int, default=1, help="parts at a time, one core each")
    _add_places(study, _membranes)
    study = studies.add_parser(
        "membranes_vae", help="Zhao, sections 4.2.2 to 4.2.5: autoencoder, recipes found again, transfer"
    )
    study.add_argument(
        "--size", type=int, choices=tuple(membranes_vae.SCALES), default=membranes_vae.SIZE,
        help=f"voxels along an edge; networks of another size than {membranes_vae.SIZE} are large and stay in --folder",
    )  # fmt: skip
    study.add_argument("--precision", choices=("bf16", "float32"), default="float32", help="of its training")
    study.add_argument("--repeats", type=int, default=10, help="searches for each target")
    study.add_argument("--iterations", type=int, default=60, help="proposals of each search")
    study.add_argument("--transfers", type=int, default=20, help="repeats of transfer against scratch, as in a class")
    study.add_argument("--published", type=int, default=20, help="repeats of the same at the document's settings")
    _add_places(study, _membranes_vae)
    study = studies.add_parser("membranes_crops", help="Zhao, Table 4.4 on public volumes: crops, measured (not yet encoded)")
    _add_places(study, _membranes_crops)
    study = studies.add_parser(
        "potentials", help="Tables 3.1 and 3.3 and Fig. 3.5 of Ghimire on EMT cells, and on real DFT cells of aluminium"
    )
    study.add_argument("--datasets", nargs="*", choices=tuple(potentials.STRUCTURES), default=("emt", "dft"))
    study.add_argument("--scale", default="classroom", help="of the EMT cells: classroom, laptop or published")
    study.add_argument("--seeds", type=int, default=2, help="how many")
    study.add_argument("--workers", type=int, default=1, help="runs at a time, one core each")
    _add_places(study, _potentials)
    study = studies.add_parser("descriptors", help="chapter 4 of Ghimire: which functions are needed")
    study.add_argument(
        "--data", choices=("emt", "dft"), default="emt", help="simulated cells, or real DFT cells (some sets only)"
    )
    study.add_argument("--seeds", type=int, default=5, help="how many")
    _add_places(study, _descriptors)
    study = studies.add_parser("lithium", help="the statements of Zhao, section 4.3, on simulated spectra of lithium compounds")
    study.add_argument("--seeds", type=int, default=5, help="how many")
    _add_places(study, _lithium)
    study = studies.add_parser("survival_tables", help="linear and deep Cox models on clinical tables")
    study.add_argument("--names", nargs="*", default=survival_tables.NAMES, help="of the tables")
    study.add_argument("--seeds", type=int, default=5, help="how many networks, of which the best in validation is compared")
    _add_recordings(study, _survival_tables)
    study = studies.add_parser("strategies", help="Fig. 4.2 of Zhao: virtual experiments on the sintering model")
    study.add_argument("--kappa", type=float, default=3.0, help="of UCB")
    study.add_argument("--repeats", type=int, default=200)
    _add_recordings(study, _strategies)
    chosen = parser.parse_args(arguments)
    chosen.recordings.mkdir(parents=True, exist_ok=True)
    chosen.run(chosen)


def _add_common(study: argparse.ArgumentParser, run: Run, *, epochs: int, seeds: int) -> None:
    study.add_argument("--epochs", type=int, default=epochs)
    study.add_argument("--seeds", type=int, default=seeds, help="how many")
    study.add_argument("--workers", type=int, default=1, help="runs at a time, one core each")
    _add_places(study, run)


def _add_places(study: argparse.ArgumentParser, run: Run) -> None:
    study.add_argument("--folder", type=Path, default=Path("build/studies"), help="for the files of single runs")
    _add_recordings(study, run)


def _add_recordings(study: argparse.ArgumentParser, run: Run) -> None:
    study.add_argument("--recordings", type=Path, default=Path("notebooks/recordings"), help="where the recording goes")
    study.set_defaults(run=run)


def _phs(chosen: argparse.Namespace) -> None:
    name = f"{chosen.dataset}_{chosen.reading}"
    for path in phs.record(
        chosen.folder / name, dataset=chosen.dataset, epochs=chosen.epochs, seeds=range(chosen.seeds), reading=chosen.reading,
        only=chosen.rows, workers=chosen.workers,
    ):  # fmt: skip
        phs.merge(path.parent, chosen.recordings / f"phs_{name}.npz")
        print(path, flush=True)


def _surgery(chosen: argparse.Namespace) -> None:
    name = f"surgery_{chosen.dataset}"
    for path in surgery.record(
        chosen.folder / name, dataset=chosen.dataset, topologies=chosen.topologies, seeds=surgery.SEEDS[: chosen.seeds],
        epochs=chosen.epochs, workers=chosen.workers,
    ):  # fmt: skip
        surgery.merge(path.parent, chosen.recordings / f"{name}.npz")
        print(path, flush=True)


def _morphnet(chosen: argparse.Namespace) -> None:
    name, seeds = f"morphnet_{chosen.dataset}", range(chosen.seeds)
    for path in morphnet.record(
        chosen.folder / name, dataset=chosen.dataset, epochs=chosen.epochs, images=chosen.images, seeds=seeds,
        workers=chosen.workers,
    ):  # fmt: skip
        morphnet.merge(path.parent, chosen.recordings / f"{name}.npz")
        print(path, flush=True)


def _resbuilder(chosen: argparse.Namespace) -> None:
    name, seeds = f"resbuilder_{chosen.dataset}{'_found' if chosen.searched else ''}", range(chosen.seeds)
    for path in resbuilder.record(
        chosen.folder / name, dataset=chosen.dataset, images=chosen.images, methods=chosen.methods, recipes=chosen.recipes,
        seeds=seeds, budget=chosen.budget, epochs=chosen.epochs, batch_size=chosen.batch, steps=chosen.steps,
        searched=chosen.searched, workers=chosen.workers,
    ):  # fmt: skip
        resbuilder.merge(path.parent, chosen.recordings / f"{name}.npz")
        print(path, flush=True)


def _mnist_survival(chosen: argparse.Namespace) -> None:
    folder = chosen.folder / "mnist_survival"
    for path in mnist_survival.record(folder, epochs=chosen.epochs, seeds=range(chosen.seeds), workers=chosen.workers):
        mnist_survival.merge(folder, chosen.recordings / "mnist_survival.npz")
        print(path, flush=True)


def _clinics(chosen: argparse.Namespace) -> None:
    name = f"clinics_{chosen.size}"
    for path in clinics.record(chosen.folder / name, size=chosen.size, seeds=range(chosen.seeds), workers=chosen.workers):
        clinics.join(path.parent, chosen.recordings / f"{name}.npz")
        print(path, flush=True)


def _alloys(chosen: argparse.Namespace) -> None:
    folder = chosen.folder / "alloys"
    for path in alloys.record(folder, workers=chosen.workers):
        alloys.merge(folder, chosen.recordings / "tofsims_alloys.npz")
        print(path, flush=True)


def _membranes(chosen: argparse.Namespace) -> None:
    folder = chosen.folder / f"membranes_{chosen.size}"
    for path in membranes.record(
        folder, count=chosen.count, size=chosen.size, axes=chosen.axes, seed=chosen.seed, solve=not chosen.without_tortuosity,
        workers=chosen.workers,
    ):  # fmt: skip
        print(path, flush=True)
    membranes.merge(folder, chosen.recordings / f"{folder.name}.npz")


def _membranes_vae(chosen: argparse.Namespace) -> None:
    result = chosen.recordings / membranes_vae.results_file(chosen.size)
    folder = chosen.folder / result.stem.removesuffix("_results")
    place = chosen.recordings if chosen.size == membranes_vae.SIZE else folder.parent
    for needed in (place, chosen.recordings):
        needed.mkdir(parents=True, exist_ok=True)
    for family, name in membranes_vae.files(chosen.size).items():
        if not (place / name).exists():
            for record in membranes_vae.train(place / name, family=family, size=chosen.size, precision=chosen.precision):
                print(f"{family}, epoch {record.epoch:g}: {record.metrics['validation_loss']:.1f} nat", flush=True)
    names = ("size", "repeats", "iterations", "transfers", "published")
    for path in membranes_latent.record(folder, place, **{name: getattr(chosen, name) for name in names}):
        if all((folder / f"latent_{number}.npz").exists() for number in range(2)):
            membranes_latent.merge(folder, result)
        print(path, flush=True)


def _membranes_crops(chosen: argparse.Namespace) -> None:
    chosen.recordings.mkdir(parents=True, exist_ok=True)
    for crops in membranes_crops.record(chosen.recordings / membranes_crops.FILE):
        print(f"{crops.name}: {len(crops.volumes)} crops", flush=True)


def _potentials(chosen: argparse.Namespace) -> None:
    folder = chosen.folder / f"potentials_{chosen.scale}"
    for dataset in chosen.datasets:
        for path in potentials.record(
            folder, dataset=dataset, seeds=range(chosen.seeds), scale=chosen.scale, workers=chosen.workers
        ):
            potentials.join(folder, chosen.recordings / "potentials.npz")
            print(path, flush=True)


def _descriptors(chosen: argparse.Namespace) -> None:
    study, suffix = (descriptors, "") if chosen.data == "emt" else (descriptors_dft, "_dft")
    folder = chosen.folder / f"descriptors{suffix}"
    for path in study.record(folder, seeds=range(chosen.seeds)):
        study.merge(folder, chosen.recordings / f"descriptors_{chosen.data}.npz")
        print(path, flush=True)


def _lithium(chosen: argparse.Namespace) -> None:
    folder = chosen.folder / "lithium"
    for path in lithium.record(folder, seeds=range(chosen.seeds)):
        lithium.merge(folder, chosen.recordings / "tofsims_lithium.npz")
        print(path, flush=True)


def _survival_tables(chosen: argparse.Namespace) -> None:
    path = chosen.recordings / "survival_tables.npz"
    for table in survival_tables.record(path, names=chosen.names, seeds=range(chosen.seeds)):
        print(table, flush=True)


def _strategies(chosen: argparse.Namespace) -> None:
    path = chosen.recordings / f"strategies_kappa_{chosen.kappa:g}.npz"
    strategies.record(path, kappa=chosen.kappa, repeats=chosen.repeats)
    print(path, flush=True)


if __name__ == "__main__":
    main()
