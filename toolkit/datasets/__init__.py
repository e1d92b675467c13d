"""Data for the lessons: one `Dataset` type, image sets, one's own arrays, deterministic splits, augmentation.

    from toolkit import datasets

    data = datasets.images.digits()
    data = datasets.from_arrays(x, y, classes=("no", "yes"))
    augment = datasets.Augment(shift=0.1, flip=True)

============================================  =========================================================
`dataset`, `arrays`, `splits`                 the type, how arrays become it, which sample goes where
`images`, `catalogue`                         loaders of the image sets, and the facts about them
`files`, `archives`, `download`, `forms`      finding, unpacking in memory, fetching, which files make a set
`idx`, `cifar`, `norb`, `matlab`, `npz`,      one file format each
`image_files`
`conductivities`, `elements`                  solid electrolytes, chemical formulas and features of compositions
`survival`                                    tables of subjects with censoring, published ones and one's own
`patients`, `sections`                        simulated patients of two clinics, and the pictures of their scanners
`slides`                                      whole-slide images
`peak_tables`, `lithium_spectra`,             peak tables of mass spectra: CSV files, simulated lithium compounds, measured
`alloy_spectra`, `nuclides`                   alloys; masses of nuclides
`frames`, `aluminium`                         atomic structures with energies and forces; aluminium by molecular dynamics
`membranes`                                   tomographs of porous materials, and three published volumes
`augmentation`                                shifts and flips on the device
============================================  =========================================================
"""

from toolkit.datasets import frames, images, membranes, peak_tables, survival
from toolkit.datasets.arrays import from_arrays
from toolkit.datasets.augmentation import Augment
from toolkit.datasets.dataset import Dataset
from toolkit.datasets.download import DownloadFailed
from toolkit.datasets.files import DamagedFile, DataNotFound
from toolkit.datasets.images import NAMES, available, load
from toolkit.datasets.splits import sample, split

__all__ = [
    "NAMES", "Augment", "DamagedFile", "DataNotFound", "Dataset", "DownloadFailed", "available", "frames", "from_arrays",
    "images", "load", "membranes", "peak_tables", "sample", "split", "survival",
]  # fmt: skip
