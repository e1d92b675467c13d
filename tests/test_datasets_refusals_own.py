"""Damaged and hostile files of one's own: each is refused with a message that names file and fault."""

import io
import struct
import zlib

import numpy as np
import pytest
from datasets_on_disk import Table, png, random_images, write_class_folders, write_zip

from toolkit.datasets import DamagedFile, DataNotFound, files, image_files, images

CASES = Table()
refused = CASES.refused


# --- npz -------------------------------------------------------------------------------------------------------------------


def npz_file(folder, **arrays):
    np.savez(folder / "mine.npz", **arrays)
    return images.npz(folder / "mine.npz")


X, Y = np.zeros((8, 4, 4), np.uint8), np.arange(8) % 2


@refused(r"mine\.npz/x\.npy: an object array, which could run code when loaded")
def object_array(folder):
    npz_file(folder, x=np.array([{}, []], dtype=object), y=Y)


@refused(r"mine\.npz/y\.npy: an object array")
def labels_that_are_objects(folder):
    npz_file(folder, x=X, y=np.array(["cat", "dog"], dtype=object))


@refused(r"mine\.npz: inputs and targets must have equal lengths, got 8 and 7")
def npz_of_unequal_lengths(folder):
    npz_file(folder, x=X, y=Y[:7])


@refused(r"mine\.npz: targets must be an array of whole or real numbers, got <U3")
def npz_with_labels_as_text(folder):
    npz_file(folder, x=X, y=np.array(["cat", "dog"] * 4))


@refused(r"mine\.npz: targets must be labels from 0 upwards, got -1")
def npz_with_negative_labels(folder):
    npz_file(folder, x=X, y=Y - 1)


@refused(r"mine\.npz: targets: no sample of class '1'")
def npz_with_a_gap_in_the_labels(folder):
    npz_file(folder, x=X, y=Y * 2)


@refused(r"mine\.npz: inputs must be finite, got nan at position \(0, 0\)")
def npz_with_nan(folder):
    npz_file(folder, x=np.full((8, 2), np.nan), y=Y)


@refused(r"mine\.npz: holds a, b, but neither x and y, images and labels nor x_train and y_train")
def npz_with_other_names(folder):
    npz_file(folder, a=X, b=Y)


@refused(r"mine\.npz: truncated or corrupt archive \(File is not a zip file\)")
def npz_that_is_text(folder):
    (folder / "mine.npz").write_text("x,y")
    images.npz(folder / "mine.npz")


@refused(r"mine\.npz/x\.npy: the header promises 1,000,000,000,000 bytes for shape \(1000000000000,\), the file holds 3")
def npy_header_that_promises_too_much(folder):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (1000000000000,), }\n"
    content = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + b"abc"
    write_zip(folder / "mine.npz", {"x.npy": content})
    images.npz(folder / "mine.npz")


@refused(r"mine\.npz/x\.npy: not an \.npy array of plain numbers or text")
def npy_that_is_a_pickle(folder):
    write_zip(folder / "mine.npz", {"x.npy": b"\x80\x04\x95cos\nsystem\n."})
    images.npz(folder / "mine.npz")


@refused(r"mine\.npz/run\.py: not an array; an \.npz holds \.npy files only")
def npz_with_a_program(folder):
    write_zip(folder / "mine.npz", {"run.py": b"import os"})
    images.npz(folder / "mine.npz")


@refused(r"mine\.npz: unpacks to more than 5,000 bytes")
def npz_bomb(folder):
    np.savez_compressed(folder / "mine.npz", x=np.zeros((1000, 28, 28), np.uint8), y=Y)
    images.npz(folder / "mine.npz")


@refused(r"missing\.npz does not exist", DataNotFound)
def no_such_npz(folder):
    images.npz(folder / "missing.npz")


# --- image folders ---------------------------------------------------------------------------------------------------------

GREY = np.zeros((4, 4), np.uint8)


def image_folder(folder, content: bytes, name="b/bad.png", **settings):
    write_class_folders(folder, {"a": [GREY, GREY], "b": [GREY]})
    (folder / name).write_bytes(content)
    return images.folder(folder, **settings)


@refused(r"b/bad\.png: not an image that can be decoded \(cannot identify image file")
def text_called_png(folder):
    image_folder(folder, b"not a picture")


@refused(r"b/bad\.png: not an image that can be decoded")
def truncated_png(folder):
    image_folder(folder, png(random_images((40, 40)))[:-900], size=4)


@refused(r"b/bad\.jpg: not an image that can be decoded \(image file is truncated")
def truncated_jpeg(folder):
    image_folder(folder, png(random_images((40, 40)), "JPEG")[:-500], name="b/bad.jpg", size=4)


@refused(r"b/bad\.png: 5x6 pixels, the images before it have 4x4; pass size= to bring all to one", ValueError)
def images_of_different_sizes(folder):
    image_folder(folder, png(np.zeros((6, 5), np.uint8)))


@refused(r"b/bad\.png: more than 8 bits per pixel \(mode I;16\)")
def sixteen_bit_image(folder):
    image_folder(folder, png(np.zeros((4, 4), np.uint16)))


@refused(r"b/bad\.tif: 2 pages or frames; one image per file is read")
def image_of_several_pages(folder):
    from PIL import Image

    stream = io.BytesIO()
    Image.fromarray(GREY).save(stream, "TIFF", save_all=True, append_images=[Image.fromarray(GREY)])
    image_folder(folder, stream.getvalue(), name="b/bad.tif")


@refused(r"b/bad\.png: 9000x9000 pixels; up to 50,000,000 are read")
def image_bomb(folder):
    header = struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0)
    chunks = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(9001))), (b"IEND", b""))
    )
    image_folder(folder, b"\x89PNG\r\n\x1a\n" + chunks)


@refused(r"empty: a class folder without images")
def class_folder_without_images(folder):
    (folder / "empty").mkdir()
    image_folder(folder, png(GREY))


@refused(r": no sub-folders; images are sorted into one sub-folder per class")
def images_without_class_folders(folder):
    (folder / "1.png").write_bytes(png(GREY))
    images.folder(folder)


@refused(r"test/c: a class that the train folder does not have")
def own_test_folder_with_another_class(folder):
    write_class_folders(folder / "train", {"a": [GREY], "b": [GREY]})
    write_class_folders(folder / "test", {"a": [GREY], "c": [GREY]})
    images.folder(folder)


@refused(r"test: inputs must be torch\.uint8 of shape \(n, 1x4x4\)")
def own_test_images_of_another_size(folder):
    write_class_folders(folder / "train", {"a": [GREY] * 2, "b": [GREY] * 2})
    write_class_folders(folder / "test", {"a": [GREY[:3]]})
    images.folder(folder)


@refused("size must be a number of pixels of 1 or more, got 0", ValueError)
def size_zero(folder):
    image_folder(folder, png(GREY), size=0)


@refused("nowhere does not exist", DataNotFound)
def no_such_folder(folder):
    images.folder(folder / "nowhere")


@refused("0 <= validation < 1, got 2", ValueError)
def share_checked_before_anything_is_read(folder):
    image_folder(folder, b"broken", validation=2)


@pytest.mark.parametrize(("case", "error", "message"), CASES)
def test_bad_input_is_refused(tmp_path, monkeypatch, case, error, message):
    if case.__name__.endswith("bomb"):
        monkeypatch.setattr(files, "LARGEST", 5_000)
    with pytest.raises(error, match=message):
        case(tmp_path)


def test_the_table_is_long_enough():
    assert len(CASES) >= 25


def test_the_largest_image_is_a_setting_of_one_place(tmp_path, monkeypatch):
    monkeypatch.setattr(image_files, "LARGEST_IMAGE", 15)
    with pytest.raises(DamagedFile, match="4x4 pixels; up to 15 are read"):
        image_folder(tmp_path, png(GREY))
