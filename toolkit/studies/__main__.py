"""`python -m toolkit.studies phs --dataset fashion_mnist`: make a recording of published rows, with resume."""

from __future__ import annotations

import argparse
from pathlib import Path

from toolkit.studies import phs


def main(arguments: list[str] | None = None) -> None:
    """Run the study that the command line names; each finished run is in the recording at once."""
    parser = argparse.ArgumentParser(prog="python -m toolkit.studies", description=__doc__)
    studies = parser.add_subparsers(dest="study", required=True)
    study = studies.add_parser("phs", help="Tables 3.1 and 3.2 of Burghoff: the heavy ball on CIFAR-10 and Fashion-MNIST")
    study.add_argument("--dataset", choices=tuple(phs.TABLES), default="fashion_mnist")
    study.add_argument("--reading", choices=phs.READINGS, default="implied", help="of the friction column")
    study.add_argument("--epochs", type=int, default=50)
    study.add_argument("--seeds", type=int, default=3, help="how many")
    study.add_argument("--rows", type=int, nargs="*", help="numbers of rows of the table, from 0; all without this")
    study.add_argument("--workers", type=int, default=1, help="runs at a time, one core each")
    study.add_argument("--folder", type=Path, default=Path("build/studies"), help="for the files of single runs")
    study.add_argument("--recordings", type=Path, default=Path("notebooks/recordings"), help="where the joined file goes")
    chosen = parser.parse_args(arguments)
    name = f"{chosen.dataset}_{chosen.reading}"
    chosen.recordings.mkdir(parents=True, exist_ok=True)
    for path in phs.record(
        chosen.folder / name, dataset=chosen.dataset, epochs=chosen.epochs, seeds=range(chosen.seeds), reading=chosen.reading,
        only=chosen.rows, workers=chosen.workers,
    ):  # fmt: skip
        phs.merge(path.parent, chosen.recordings / f"phs_{name}.npz")
        print(path, flush=True)


if __name__ == "__main__":
    main()
