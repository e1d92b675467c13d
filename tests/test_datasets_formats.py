"""Every format of every set: tiny files written in it come back as the same images and labels."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from datasets_on_disk import (
    NORB_NAMES,
    cifar_binary,
    idx_bytes,
    matlab_bytes,
    norb_bytes,
    png,
    python2_batch,
    random_images,
    write_class_folders,
    write_idx_set,
    write_tar,
    write_zip,
)

from toolkit.datasets import DataNotFound, available, files, images, load
from toolkit.datasets.catalogue import CARDS


@pytest.fixture(autouse=True)
def empty_machine(tmp_path, monkeypatch):
    """A machine with nothing but the folders that a test writes."""
    monkeypatch.delenv("TOOLKIT_DATA", raising=False)
    monkeypatch.setattr(files, "cache", lambda name: tmp_path / "cache" / name)


def pairs(classes: int, shape: tuple[int, ...], per_class: int = 2):
    """Training and test images with every class in them."""
    made = []
    for seed, count in ((1, per_class), (2, 1)):
        labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(classes), count)).astype(np.uint8)
        made.append((random_images((len(labels), *shape), seed), labels))
    return made


def assert_holds(data, train, test):
    """The data set holds exactly these images (n, c, h, w) in this order."""
    for (x, y), (images_found, labels_found) in zip((train, test), (data.train, data.test), strict=True):
        assert images_found.dtype == torch.uint8
        assert np.array_equal(images_found.numpy(), x)
        assert np.array_equal(labels_found.numpy(), y)


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx(tmp_path, name, suffix):
    train, test = pairs(10, (28, 28))
    write_idx_set(tmp_path / "raw", train, test, suffix=suffix)
    data = load(name, folder=tmp_path, validation=0)
    assert_holds(data, *((x[:, None], y) for x, y in (train, test)))
    assert data.name == f"{name} (part)"
    assert "a part, 20 + 10 images of the published 60,000 + 10,000" in data.source
    assert data.classes == CARDS[name].classes


def test_emnist_images_are_turned_upright(tmp_path):
    train, test = pairs(62, (28, 28))
    transposed = [(x.transpose(0, 2, 1), y) for x, y in (train, test)]
    names = ("emnist-byclass-train", "emnist-byclass-test")
    write_idx_set(tmp_path / "idx", *transposed, names=names, suffix=".gz")
    members = {f"gzip/{path.name}": path.read_bytes() for path in (tmp_path / "idx").iterdir()}
    (tmp_path / "zip").mkdir()
    write_zip(tmp_path / "zip" / "gzip.zip", {"gzip/emnist-letters-mapping.txt": b"1 65", **members})
    for folder in ("idx", "zip"):
        assert_holds(images.emnist(tmp_path / folder, validation=0), *((x[:, None], y) for x, y in (train, test)))


@pytest.mark.parametrize("packed", [False, True])
def test_emnist_matlab(tmp_path, packed):
    train, test = pairs(62, (28, 28))
    parts = {
        name: {"images": x.transpose(0, 2, 1).reshape(-1, 784), "labels": y[:, None]}
        for name, (x, y) in (("train", train), ("test", test))
    }
    content = matlab_bytes({"dataset": parts})
    if packed:
        write_zip(tmp_path / "matlab.zip", {"matlab/emnist-byclass.mat": content})
    else:
        (tmp_path / "emnist-byclass.mat").write_bytes(content)
    assert_holds(images.emnist(tmp_path, validation=0), *((x[:, None], y) for x, y in (train, test)))


def cifar_members(name: str, form: str, train, test) -> dict[str, bytes]:
    """The files of CIFAR-10 or CIFAR-100 in the binary or the Python version; training images in five parts."""
    if name == "cifar10":
        batches = {f"data_batch_{i + 1}": tuple(part[i::5] for part in train) for i in range(5)} | {"test_batch": test}
    else:
        batches = {"train": train, "test": test}
    if form == "binary":
        coarse = {"cifar10": lambda y: (y,), "cifar100": lambda y: (y // 5, y)}[name]
        return {f"{key}.bin": cifar_binary(x, *coarse(y)) for key, (x, y) in batches.items()}
    key = {"cifar10": "labels", "cifar100": "fine_labels"}[name]
    return {batch: python2_batch(x, y, key) for batch, (x, y) in batches.items()}


@pytest.mark.parametrize("form", ["binary", "python"])
@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("name", ["cifar10", "cifar100"])
def test_cifar(tmp_path, name, packed, form):
    train, test = pairs(10 if name == "cifar10" else 100, (3, 32, 32))
    members = cifar_members(name, form, train, test)
    if packed:
        write_tar(tmp_path / f"{name.replace('cifar', 'cifar-')}-{form}.tar.gz", {f"in/{k}": v for k, v in members.items()})
    else:
        for key, content in members.items():
            (tmp_path / key).write_bytes(content)
    order = np.concatenate([np.arange(i, 20, 5) for i in range(5)]) if name == "cifar10" else np.arange(200)
    assert_holds(load(name, folder=tmp_path, validation=0), tuple(part[order] for part in train), test)


@pytest.mark.parametrize("name", ["cifar10", "emnist"])
def test_npz_of_a_documented_set(tmp_path, name):
    train, test = pairs(len(CARDS[name].classes), (28, 28))
    named = np.array(CARDS[name].classes)
    np.savez(tmp_path / "some.npz", x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1], class_names=named)
    assert_holds(load(name, folder=tmp_path, validation=0), *((x[:, None], y) for x, y in (train, test)))


@pytest.mark.parametrize("compressed", [False, True])
def test_svhn_label_10_is_the_digit_0(tmp_path, compressed):
    train, test = pairs(10, (3, 32, 32))
    for name, (x, y) in (("train", train), ("test", test)):
        content = matlab_bytes({"X": x.transpose(2, 3, 1, 0), "y": np.where(y == 0, 10, y)[:, None]}, compressed)
        (tmp_path / f"{name}_32x32.mat").write_bytes(content)
    assert_holds(images.svhn(tmp_path, validation=0), train, test)


def test_small_norb_uses_the_first_camera(tmp_path):
    import gzip

    train, test = pairs(5, (2, 96, 96))
    contents = [norb_bytes(part) for x, y in (train, test) for part in (x, y.astype("<i4"))]
    for name, content in zip(NORB_NAMES, contents, strict=True):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(content))
    assert_holds(images.small_norb(tmp_path, validation=0), *((x[:, :1], y) for x, y in (train, test)))


@pytest.mark.parametrize("packed", [False, True])
def test_eurosat(tmp_path, packed):
    x = random_images((10, 2, 64, 64, 3))
    classes = CARDS["eurosat"].classes
    if packed:
        members = {f"{name}/{name}_{i}.jpg": png(x[k, i]) for k, name in enumerate(classes) for i in range(2)}
        write_zip(tmp_path / "EuroSAT.zip", {"2750/readme.txt": b"", **{f"2750/{k}": v for k, v in members.items()}})
    else:
        write_class_folders(tmp_path / "2750", {name: list(x[k]) for k, name in enumerate(classes)})
    data = images.eurosat(tmp_path, validation=0, test=0)
    assert np.array_equal(data.train[0].numpy(), x.reshape(20, 64, 64, 3).transpose(0, 3, 1, 2))
    assert np.array_equal(data.train[1].numpy(), np.repeat(np.arange(10), 2))
    assert data.classes == classes


@pytest.mark.parametrize("language", ["Italian", "English"])
def test_animals10_is_brought_to_one_size(tmp_path, language):
    (form,) = CARDS["animals10"].forms
    names = list(form.folders)[:10] if language == "Italian" else list(form.folders)[10:]
    grey = {name: [np.full((30 + k, 40), 10 * k, np.uint8)] * 2 for k, name in enumerate(names)}
    write_class_folders(tmp_path / "raw-img", grey)
    data = images.animals10(tmp_path, size=16, validation=0, test=0)
    assert data.input_shape == (1, 16, 16)
    for name, value in zip(names, range(0, 100, 10), strict=True):
        label = data.classes.index(form.folders[name])
        assert data.train[0][data.train[1] == label].unique().tolist() == [value]
    assert data.classes[0] == "butterfly"


def test_digits_are_those_of_scikit_learn():
    from sklearn.datasets import load_digits

    data, original = images.digits(validation=0, test=0), load_digits()
    assert np.array_equal(data.train[0].squeeze(1).numpy() // 15, original.images)
    assert np.array_equal(data.train[0].squeeze(1).numpy() % 15, np.zeros((1797, 8, 8)))
    assert np.array_equal(data.train[1].numpy(), original.target)


def test_digits_load_without_scikit_learn():
    import subprocess
    import sys

    code = "import sys; from toolkit.datasets import images; images.digits(); print({'sklearn', 'pooch'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("keys", [("x", "y"), ("images", "labels"), ("x_train", "y_train")])
def test_own_npz(tmp_path, keys):
    x, y = random_images((40, 8, 8, 3)), np.arange(40) % 4
    np.savez_compressed(tmp_path / "mine.npz", **dict(zip(keys, (np.asfortranarray(x), y), strict=True)), extra=np.ones(3))
    data = images.npz(tmp_path / "mine.npz", seed=5)
    assert [len(pair[0]) for pair in (data.train, data.validation, data.test)] == [32, 4, 4]
    assert data.input_shape == (3, 8, 8)
    assert data.name == "mine"
    assert data.classes == ("0", "1", "2", "3")
    whole = images.npz(tmp_path / "mine.npz", validation=0, test=0)
    assert np.array_equal(whole.train[0].numpy(), x.transpose(0, 3, 1, 2))


def test_own_npz_with_a_test_part_and_names(tmp_path):
    x, y = np.random.default_rng(0).normal(size=(20, 5)), np.arange(20) % 2
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x[:4], y_test=y[:4], class_names=np.array(["no", "yes"]))
    data = images.npz(str(tmp_path / "mine.npz"), validation=0)
    assert data.classes == ("no", "yes")
    assert np.allclose(data.test[0], x[:4])


def test_own_npz_for_regression(tmp_path):
    np.savez(tmp_path / "mine.npz", x=np.eye(10), y=np.linspace(0, 1, 10))
    assert images.npz(tmp_path / "mine.npz").classes is None


def test_own_folder(tmp_path):
    x = random_images((2, 10, 7, 9))
    write_class_folders(tmp_path / "cells", {"round": list(x[0]), "flat": list(x[1])})
    (tmp_path / "cells" / ".hidden").mkdir()
    (tmp_path / "cells" / "flat" / "notes.txt").write_text("not an image")
    data = images.folder(tmp_path / "cells", validation=0, test=0)
    assert data.classes == ("flat", "round")
    assert np.array_equal(data.train[0].numpy(), x[::-1].reshape(20, 1, 7, 9))
    assert images.folder(tmp_path / "cells", size=5).input_shape == (1, 5, 5)


def test_own_folder_with_train_and_test(tmp_path):
    x = random_images((2, 6, 5, 5, 3))
    write_class_folders(tmp_path / "train", {"a": list(x[0]), "b": list(x[1])})
    write_class_folders(tmp_path / "test", {"b": [x[1, 0]], "a": [x[0, 0, :, :, 0]]})
    data = images.folder(tmp_path, validation=0)
    assert len(data.train[0]) == 12
    assert np.array_equal(
        data.test[0].numpy(), [np.repeat(x[0, 0, :, :, :1], 3, 2).transpose(2, 0, 1), x[1, 0].transpose(2, 0, 1)]
    )


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK"])
def test_image_modes_become_levels(tmp_path, mode):
    from PIL import Image

    white = Image.new("RGB", (4, 4), "white").convert("L" if mode == "LA" else "RGB").convert(mode)
    for number in range(4):
        (tmp_path / "ab"[number % 2]).mkdir(exist_ok=True)
        white.save(tmp_path / "ab"[number % 2] / f"{number}.{'jpg' if mode == 'CMYK' else 'png'}")
    data = images.folder(tmp_path, validation=0, test=0)
    assert data.input_shape[0] == (1 if mode in ("1", "L", "LA") else 3)
    assert data.train[0].unique().tolist() == [255]


def test_photographs_are_turned_upright(tmp_path):
    from PIL import Image

    lying = np.zeros((8, 16, 3), np.uint8)
    lying[:, :8] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # orientation: the top of the picture is stored on the left
    for name in "ab":
        (tmp_path / name).mkdir()
        Image.fromarray(lying).save(tmp_path / name / "photo.jpg", quality=100, exif=exif)
    upright = images.folder(tmp_path, validation=0, test=0).train[0]
    assert upright.shape == (2, 3, 16, 8)
    assert (upright[:, :, :8] > 250).all()
    assert (upright[:, :, 8:] < 5).all()


def test_idx_of_another_dimension_count_round_trips():
    from toolkit.datasets.files import RawFile
    from toolkit.datasets.idx import read_idx

    array = random_images((2, 3, 4, 5))
    assert np.array_equal(read_idx(RawFile("array", idx_bytes(array)), dimensions=4), array)


def test_the_places_are_searched_in_order(tmp_path, monkeypatch):
    train, test = pairs(10, (28, 28))
    monkeypatch.setitem(CARDS, "mnist", replace(CARDS["mnist"], remotes=()))
    monkeypatch.setenv("TOOLKIT_DATA", str(tmp_path / "data"))
    assert not available("mnist")
    write_idx_set(tmp_path / "cache" / "mnist", train, test)
    assert available("mnist")
    assert np.array_equal(images.mnist(validation=0).train[0].squeeze(1), train[0])
    other = (255 - train[0], train[1])
    write_idx_set(tmp_path / "data" / "mnist", other, test)
    assert np.array_equal(images.mnist(validation=0).train[0].squeeze(1), other[0])
    with pytest.raises(DataNotFound, match="elsewhere"):
        images.mnist(tmp_path / "elsewhere")


def test_nothing_is_fetched_unless_asked_for(tmp_path, monkeypatch):
    monkeypatch.setattr("toolkit.datasets.documented.fetch", lambda *_: pytest.fail("fetched silently"))
    for name in CARDS:
        assert not available(name)
        with pytest.raises(DataNotFound) as caught:
            load(name)
        card = CARDS[name]
        assert str(tmp_path / "cache" / name) in str(caught.value)
        assert card.licence in str(caught.value)
        if card.remotes:
            assert f"write images.{name}(download=True) to fetch {card.megabytes:.0f} MB" in str(caught.value)
        else:
            assert f"get it from {card.page}" in str(caught.value)


def test_names_are_those_of_the_loaders():
    assert images.NAMES[0] == "digits"
    assert set(images.NAMES) == {"digits", *CARDS}
    for ask in (load, available):
        with pytest.raises(ValueError, match="name must be one of digits, fashion_mnist, .* got 'imagenet'"):
            ask("imagenet")


@pytest.mark.parametrize("card", CARDS.values(), ids=CARDS.keys())
def test_the_catalogue_is_consistent(card):
    assert len(set(card.classes)) == len(card.classes)
    lengths = {"sha256": 64, "md5": 32}
    for remote in card.remotes:
        algorithm, digest = remote.checksum.split(":")
        assert len(bytes.fromhex(digest)) * 2 == lengths[algorithm]
        assert remote.url.endswith(f"/{remote.name}")
    assert len(CARDS["cifar100"].classes) == 100
    assert list(CARDS["cifar100"].classes) == sorted(CARDS["cifar100"].classes)
