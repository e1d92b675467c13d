"""Damaged, mislabelled and hostile files of the documented sets: each is refused with a message that names file and fault."""

import gzip
import stat
import tarfile
import zipfile

import numpy as np
import pytest
from datasets_on_disk import (
    NORB_NAMES,
    Table,
    cifar_binary,
    idx_bytes,
    matlab_bytes,
    norb_bytes,
    png,
    python2_batch,
    random_images,
    write_idx_set,
    write_tar,
    write_zip,
)  # fmt: skip

from toolkit.datasets import DamagedFile, DataNotFound, files, images
from toolkit.datasets.catalogue import CARDS

TEN = np.arange(10)
CASES = Table()
refused = CASES.refused


# --- idx -------------------------------------------------------------------------------------------------------------------


def mnist_files(folder, *, images_content=None, labels_content=None, suffix=""):
    write_idx_set(folder, (random_images((10, 28, 28)), TEN), (random_images((10, 28, 28)), TEN), suffix=suffix)
    for kind, content in (("images-idx3", images_content), ("labels-idx1", labels_content)):
        if content is not None:
            (folder / f"train-{kind}-ubyte{suffix}").write_bytes(content)
    return images.mnist(folder)


@refused(r"train-images-idx3-ubyte\.gz: truncated or not a gzip file \(Compressed file ended")
def truncated_gzip(folder):
    mnist_files(folder, images_content=gzip.compress(idx_bytes(random_images((10, 28, 28))))[:-3000], suffix=".gz")


@refused(r"train-images-idx3-ubyte\.gz: truncated or not a gzip file \(Not a gzipped file")
def a_web_page_instead_of_gzip(folder):
    mnist_files(folder, images_content=b"<html>404 not found</html>", suffix=".gz")


@refused(r"train-labels-idx1-ubyte\.gz: truncated or not a gzip file \(CRC check failed")
def gzip_with_a_changed_byte(folder):
    content = bytearray(gzip.compress(idx_bytes(TEN), mtime=0))
    content[-8] ^= 1
    mnist_files(folder, labels_content=bytes(content), suffix=".gz")


@refused(r"train-images-idx3-ubyte: not an idx file of 3 dimensions: begins with 00000801, not 00000803")
def labels_in_place_of_images(folder):
    mnist_files(folder, images_content=idx_bytes(TEN))


@refused(r"train-images-idx3-ubyte: not an idx file of 3 dimensions: begins with nothing")
def empty_idx_file(folder):
    mnist_files(folder, images_content=b"")


@refused(r"train-images-idx3-ubyte: truncated inside the header")
def idx_header_cut_off(folder):
    mnist_files(folder, images_content=idx_bytes(random_images((10, 28, 28)))[:9])


@refused(r"promises 7,840 bytes for shape \(10, 28, 28\), the file holds 7,839")
def idx_one_byte_short(folder):
    mnist_files(folder, images_content=idx_bytes(random_images((10, 28, 28)))[:-1])


@refused(r"the file holds 7,841")
def idx_one_byte_long(folder):
    mnist_files(folder, images_content=idx_bytes(random_images((10, 28, 28))) + b"x")


@refused(r"promises 79,228,162,458,924,105,385,300,197,375 bytes")
def idx_header_that_promises_too_much(folder):
    mnist_files(folder, images_content=bytes([0, 0, 8, 3]) + b"\xff" * 12 + b"abc")


@refused(r"train-labels-idx1-ubyte: 9 labels for 10 images")
def fewer_labels_than_images(folder):
    mnist_files(folder, labels_content=idx_bytes(TEN[:9]))


@refused(r"train-labels-idx1-ubyte: label 10 at position 3 lies outside of 0 \.\. 9")
def label_out_of_range(folder):
    mnist_files(folder, labels_content=idx_bytes(np.where(TEN == 3, 10, TEN)))


@refused(r"train-images-idx3-ubyte: targets: no sample of class '9'")
def class_without_an_image(folder):
    mnist_files(folder, labels_content=idx_bytes(np.minimum(TEN, 8)))


@refused(r"unpacks to more than 5,000 bytes")
def gzip_bomb(folder):
    mnist_files(folder, images_content=gzip.compress(bytes(100_000)), suffix=".gz")


@refused(r"MNIST lies in several folders, .*a and .*b: name one with folder=", DataNotFound)
def two_copies_below_one_folder(folder):
    for name in "ab":
        mnist_files(folder / name)
    images.mnist(folder)


@refused(r"MNIST was not found in", DataNotFound)
def one_file_of_four_missing(folder):
    mnist_files(folder)
    (folder / "t10k-labels-idx1-ubyte").unlink()
    images.mnist(folder)


# --- archives --------------------------------------------------------------------------------------------------------------


def cifar10_archive(folder, members=None, *special):
    good = {name: cifar_binary(random_images((10, 3, 32, 32)), TEN) for name in CARDS["cifar10"].forms[0].names}
    write_tar(folder / "cifar-10-binary.tar.gz", good | (members or {}), *special)
    return images.cifar10(folder)


def special(name, kind, **more):
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in more.items():
        setattr(info, key, value)
    return info


@refused(r"cifar-10-binary\.tar\.gz: member '\.\./\.\./\.ssh/authorized_keys' would leave the folder")
def tar_path_traversal(folder):
    cifar10_archive(folder, {"../../.ssh/authorized_keys": b"key"})


@refused(r"member '/etc/passwd' would leave the folder")
def tar_absolute_path(folder):
    cifar10_archive(folder, {"/etc/passwd": b"root"})


@refused(r"member 'C:\\\\Windows\\\\x' would leave the folder")
def tar_windows_path(folder):
    cifar10_archive(folder, {"C:\\Windows\\x": b""})


@refused(r"member 'data' is a link or a device")
def tar_symbolic_link(folder):
    cifar10_archive(folder, None, special("data", tarfile.SYMTYPE, linkname="/etc/passwd"))


@refused(r"member 'data' is a link or a device")
def tar_hard_link(folder):
    cifar10_archive(folder, None, special("data", tarfile.LNKTYPE, linkname="data_batch_1.bin"))


@refused(r"member 'null' is a link or a device")
def tar_device(folder):
    cifar10_archive(folder, None, special("null", tarfile.CHRTYPE, devmajor=1, devminor=3))


@refused(r"cifar-10-binary\.tar\.gz: unpacks to more than 5,000 bytes")
def tar_bomb(folder):
    cifar10_archive(folder, {"zeros": bytes(1_000_000)})


@refused(r"cifar-10-binary\.tar\.gz: truncated or corrupt archive")
def truncated_tar(folder):
    cifar10_archive(folder)
    path = folder / "cifar-10-binary.tar.gz"
    path.write_bytes(path.read_bytes()[:-5000])
    images.cifar10(folder)


@refused(r"cifar-10-binary\.tar\.gz: holds no file 'data_batch_1\.bin'")
def archive_without_the_files(folder):
    write_tar(folder / "cifar-10-binary.tar.gz", {"readme": b""})
    images.cifar10(folder)


def eurosat_zip(folder, change=lambda archive: None):
    path = folder / "EuroSAT.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in CARDS["eurosat"].classes:
            archive.writestr(f"2750/{name}/1.png", png(np.zeros((4, 4, 3), np.uint8)))
        change(archive)
    return images.eurosat(folder, validation=0, test=0)


@refused(r"EuroSAT\.zip: member '\.\./x\.png' would leave the folder")
def zip_path_traversal(folder):
    eurosat_zip(folder, lambda archive: archive.writestr("../x.png", b""))


@refused(r"EuroSAT\.zip: member 'link' is a link or a device")
def zip_symbolic_link(folder):
    info = zipfile.ZipInfo("link")
    info.external_attr = (stat.S_IFLNK | 0o777) << 16
    eurosat_zip(folder, lambda archive: archive.writestr(info, "/etc/passwd"))


@refused(r"EuroSAT\.zip: unpacks to more than 5,000 bytes")
def zip_bomb(folder):
    eurosat_zip(folder, lambda archive: archive.writestr("zeros", bytes(1_000_000), zipfile.ZIP_DEFLATED))


@refused(r"EuroSAT\.zip: truncated or corrupt archive \(Bad CRC-32")
def zip_with_a_changed_byte(folder):
    eurosat_zip(folder)
    path = folder / "EuroSAT.zip"
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 8] ^= 1
    path.write_bytes(bytes(content))
    images.eurosat(folder)


@refused(r"EuroSAT\.zip: truncated or corrupt archive")
def truncated_zip(folder):
    eurosat_zip(folder)
    path = folder / "EuroSAT.zip"
    path.write_bytes(path.read_bytes()[:-200])
    images.eurosat(folder)


@refused(r"EuroSAT\.zip/2750/River/0\.jpg: not an image that can be decoded")
def corrupt_image_in_a_zip(folder):
    eurosat_zip(folder, lambda archive: archive.writestr("2750/River/0.jpg", b"\xff\xd8\xff\xe0 broken"))


@refused(r"EuroSAT\.zip: holds no images of class 'AnnualCrop'")
def zip_without_a_class(folder):
    write_zip(folder / "EuroSAT.zip", {"2750/River/1.png": png(np.zeros((4, 4, 3), np.uint8))})
    images.eurosat(folder)


# --- CIFAR -----------------------------------------------------------------------------------------------------------------


def cifar100_files(folder, train: bytes, suffix=".bin"):
    (folder / f"train{suffix}").write_bytes(train)
    (folder / f"test{suffix}").write_bytes(train)
    return images.cifar100(folder)


@refused(r"train\.bin: 1,000 bytes are not a whole number of records of 3074 bytes")
def truncated_record(folder):
    cifar100_files(folder, bytes(1000))


@refused(r"train\.bin: 0 bytes are not a whole number of records")
def empty_record_file(folder):
    cifar100_files(folder, b"")


@refused(r"train\.bin: label 100 at position 1 lies outside of 0 \.\. 99")
def fine_label_out_of_range(folder):
    cifar100_files(folder, cifar_binary(random_images((2, 3, 32, 32)), np.array([0, 0]), np.array([1, 100])))


@refused(r"train: not a published CIFAR batch \(.*\); the binary version \(\.bin\) is read too")
def python_batch_that_runs_code(folder):
    cifar100_files(folder, b"cos\nsystem\n(S'touch HACKED'\ntR.", suffix="")


@refused(r"train: not a published CIFAR batch \(.*(expected|exhausted|unpack)")
def truncated_python_batch(folder):
    cifar100_files(folder, python2_batch(random_images((2, 3, 32, 32)), [1, 2], "fine_labels")[:3000], suffix="")


@refused(r"train: not a published CIFAR batch \(cannot reshape array of size 6144 into shape \(3,3,32,32\)\)")
def python_batch_with_a_label_too_many(folder):
    cifar100_files(folder, python2_batch(random_images((2, 3, 32, 32)), [1, 2, 3], "fine_labels"), suffix="")


@refused(r"train: not a published CIFAR batch \(pixels in Fortran order\)")
def python_batch_in_fortran_order(folder):
    cifar100_files(folder, python2_batch(random_images((2, 3, 32, 32)), [1, 2], "fine_labels", fortran=True), suffix="")


# --- MATLAB and smallNORB --------------------------------------------------------------------------------------------------


def svhn_files(folder, content: bytes):
    for part in ("train", "test"):
        (folder / f"{part}_32x32.mat").write_bytes(content)
    return images.svhn(folder)


SVHN = {"X": random_images((4, 4, 3, 10)), "y": TEN[:, None]}


@refused(r"train_32x32\.mat: not a MATLAB 5 file")
def not_a_matlab_file(folder):
    svhn_files(folder, b"MATLAB 7.3 MAT-file, Platform: GLNXA64" + bytes(500))


@refused(r"train_32x32\.mat: truncated or corrupt MATLAB file")
def truncated_matlab_file(folder):
    svhn_files(folder, matlab_bytes(SVHN)[:-100])


@refused(r"train_32x32\.mat: has no variable 'y'")
def matlab_file_without_labels(folder):
    svhn_files(folder, matlab_bytes({"X": SVHN["X"]}))


@refused(r"train_32x32\.mat: X must be bytes of shape \(h, w, 3, n\), the file holds float64 \(4, 4\)")
def matlab_file_of_another_shape(folder):
    svhn_files(folder, matlab_bytes({"X": np.eye(4), "y": np.ones((4, 1))}))


@refused(r"train_32x32\.mat: label 11 at position 0 lies outside of 0 \.\. 9")
def matlab_label_out_of_range(folder):
    svhn_files(folder, matlab_bytes(SVHN | {"y": np.full((10, 1), 11)}))


@refused(r"train_32x32\.mat: 9 labels for 10 images")
def matlab_file_with_fewer_labels(folder):
    svhn_files(folder, matlab_bytes(SVHN | {"y": TEN[:9, None]}))


@refused(r"train_32x32\.mat: unpacks to more than 5,000 bytes")
def matlab_bomb(folder):
    svhn_files(folder, matlab_bytes({"X": np.zeros((100, 1000), np.uint8)}))


@refused(r"emnist-byclass\.mat: not laid out like emnist-byclass\.mat")
def emnist_matlab_of_another_layout(folder):
    (folder / "emnist-byclass.mat").write_bytes(matlab_bytes({"dataset": np.eye(2)}))
    images.emnist(folder)


def norb_files(folder, images_content=None, labels_content=None):
    contents = [norb_bytes(random_images((10, 2, 4, 4))), norb_bytes(TEN.astype("<i4") % 5)] * 2
    contents[0] = contents[0] if images_content is None else images_content
    contents[1] = contents[1] if labels_content is None else labels_content
    for name, content in zip(NORB_NAMES, contents, strict=True):
        (folder / name).write_bytes(content)
    return images.small_norb(folder)


@refused(r"training-dat\.mat: not a smallNORB matrix .*wrong magic number")
def norb_file_that_is_matlab(folder):
    norb_files(folder, matlab_bytes(SVHN))


@refused(r"training-dat\.mat: not a smallNORB matrix")
def empty_norb_file(folder):
    norb_files(folder, b"")


@refused(r"training-dat\.mat: the header promises 320 bytes for shape \(10, 2, 4, 4\), the file holds 319")
def truncated_norb_file(folder):
    norb_files(folder, norb_bytes(random_images((10, 2, 4, 4)))[:-1])


@refused(r"training-dat\.mat: images must be bytes of shape \(n, 2, h, w\), the file holds \(10, 4, 4\)")
def norb_images_of_one_camera(folder):
    norb_files(folder, norb_bytes(random_images((10, 4, 4))))


@refused(r"training-cat\.mat: label -1 at position 0")
def negative_norb_label(folder):
    norb_files(folder, None, norb_bytes(np.full(10, -1, "<i4")))


# --- npz of a documented set ------------------------------------------------------------------------------------------------

X, Y = np.zeros((8, 4, 4), np.uint8), np.arange(8) % 2


@refused(r"some\.npz: its classes begin with \['cat', 'dog'\], not with \['airplane', 'automobile', 'bird'\]")
def documented_npz_of_other_classes(folder):
    np.savez(folder / "some.npz", x_train=X, y_train=Y, x_test=X, y_test=Y, class_names=np.array(["cat", "dog"]))
    images.cifar10(folder)


@refused(r"some\.npz: holds no array 'x_test', only x_train, y_train")
def documented_npz_without_a_test_part(folder):
    np.savez(folder / "some.npz", x_train=X, y_train=Y)
    images.cifar10(folder)


@pytest.mark.parametrize(("case", "error", "message"), CASES)
def test_bad_input_is_refused(tmp_path, monkeypatch, case, error, message):
    if case.__name__.endswith("bomb"):
        monkeypatch.setattr(files, "LARGEST", 5_000)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(error, match=message):
        case(tmp_path)
    assert not (tmp_path / "HACKED").exists()


def test_the_table_is_long_enough():
    assert len(CASES) >= 25


def test_nothing_of_an_archive_is_unpacked_to_disk(tmp_path):
    with pytest.raises(DamagedFile):
        tar_symbolic_link(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["cifar-10-binary.tar.gz"]
