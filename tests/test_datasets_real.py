"""Known facts about the real files of the folder that TOOLKIT_DATA names."""

import pytest
import torch

from toolkit.datasets import available, images


def bincount(labels) -> list[int]:
    return torch.bincount(labels).tolist()


def test_fashion_mnist(data_folder):
    data = images.fashion_mnist(data_folder / "fashion_mnist", validation=0)
    assert bincount(data.train[1]) == [6000] * 10
    assert bincount(data.test[1]) == [1000] * 10
    assert data.mean == pytest.approx((0.2860,), abs=5e-5)
    assert data.std == pytest.approx((0.3530,), abs=5e-5)
    assert data.source.endswith("published files, checksums right")
    assert data.licence == "MIT"
    assert data.train[1][:5].tolist() == [9, 0, 0, 3, 0]  # an ankle boot comes first


def test_validation_is_cut_out_of_the_training_part_only(data_folder):
    data = images.fashion_mnist(data_folder / "fashion_mnist")
    assert bincount(data.validation[1]) == [600] * 10
    assert bincount(data.train[1]) == [5400] * 10
    assert len(data.test[0]) == 10_000


def test_mnist(data_folder):
    data = images.mnist(data_folder / "mnist", validation=0)
    assert bincount(data.train[1]) == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert bincount(data.test[1]) == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (*data.mean, *data.std) == pytest.approx((0.1307, 0.3081), abs=5e-5)


def test_the_part_of_cifar10(data_folder):
    data = images.cifar10(data_folder / "cifar10", validation=0)
    assert bincount(data.train[1]) == [1000] * 10
    assert bincount(data.test[1]) == [103, 89, 100, 103, 90, 86, 112, 102, 106, 109]
    assert data.input_shape == (3, 32, 32)
    assert data.name == "cifar10 (part)"
    assert "a part, 10,000 + 1,000 images of the published 50,000 + 10,000" in data.source
    assert data.mean == pytest.approx((0.4914, 0.4822, 0.4465), abs=5e-3)  # published for all 50,000
    assert data.std == pytest.approx((0.2470, 0.2435, 0.2616), abs=5e-3)


def test_the_part_of_emnist(data_folder):
    data = images.emnist(data_folder / "emnist", validation=0)
    assert (len(data.train[0]), len(data.test[0]), data.n_classes) == (23_306, 5_798, 62)
    assert (min(bincount(data.train[1])), min(bincount(data.test[1]))) == (64, 16)
    assert "results do not compare with published ones" in data.source
    assert (*data.mean, *data.std) == pytest.approx((0.1736, 0.3317), abs=1e-3)


def test_they_are_found_through_the_environment(data_folder):
    assert all(available(name) for name in ("digits", "mnist", "fashion_mnist", "cifar10", "emnist"))


def test_files_of_another_set_are_recognised(data_folder, tmp_path):
    for path in (data_folder / "mnist").iterdir():
        (tmp_path / path.name).symlink_to(path)
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz: this is a file of MNIST, not of Fashion-MNIST"):
        images.fashion_mnist(tmp_path)
