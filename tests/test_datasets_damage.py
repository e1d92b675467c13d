"""Damage of any kind to any format: it is harmless or refused, never another error."""

import gzip

import numpy as np
import pytest
from datasets_on_disk import idx_bytes, matlab_bytes, norb_bytes, npz_bytes, png, python2_batch, random_images
from hypothesis import given
from hypothesis import strategies as st

from toolkit.datasets import DamagedFile, cifar, files, idx, image_files, matlab, norb, npz

X, Y = np.zeros((8, 4, 4), np.uint8), np.arange(8) % 2
SVHN = {"X": random_images((4, 4, 3, 10)), "y": np.arange(10)[:, None]}
READERS = {
    "idx": (gzip.compress(idx_bytes(X)), lambda raw: idx.read_idx(files.unpacked(raw), dimensions=3)),
    "npz": (npz_bytes(x=X, y=Y), npz.read_npz),
    "npz, compressed": (npz_bytes(np.savez_compressed, x=X, y=Y), npz.read_npz),
    "cifar": (python2_batch(random_images((2, 3, 32, 32)), [1, 2]), lambda raw: cifar.read_python_batch(raw, key="labels")),
    "matlab": (matlab_bytes(SVHN), lambda raw: matlab.read_variables(raw, ["X", "y"])),
    "norb": (norb_bytes(X), norb.read_matrix),
    "png": (png(random_images((9, 9, 3))), image_files.decode),
    "jpeg": (png(random_images((9, 9, 3)), "JPEG"), image_files.decode),
}


@pytest.mark.parametrize("kind", READERS)
@given(data=st.data())
def test_any_damage_is_harmless_or_refused(kind, data):
    good, read = READERS[kind]
    start = data.draw(st.integers(0, len(good)))
    removed, inserted = data.draw(st.integers(0, 20)), data.draw(st.binary(max_size=20))
    end = data.draw(st.sampled_from([len(good), start + removed]))
    try:
        read(files.RawFile("file.gz", good[:start] + inserted + good[end:]))
    except DamagedFile as error:
        assert str(error).startswith("file.gz")
