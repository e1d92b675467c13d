"""Downloads from a server on this machine: whole or not at all, whatever goes wrong on the way."""

import gzip
import hashlib
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import numpy as np
import pytest
from datasets_on_disk import idx_bytes, random_images

from toolkit.datasets import DamagedFile, DataNotFound, DownloadFailed, catalogue, documented, files, images

FILES = {
    f"{part}-{kind}-ubyte.gz": gzip.compress(idx_bytes(array), mtime=0)
    for part, seed in (("train", 1), ("t10k", 2))
    for kind, array in (("images-idx3", random_images((10, 28, 28), seed)), ("labels-idx1", np.arange(10)))
}
FIRST = "train-images-idx3-ubyte.gz"


class Server(ThreadingHTTPServer):
    """Serves `FILES`; `faults` holds one fault per request to come, None for a good answer."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.faults, self.requests = [], []


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.strip("/")
        self.server.requests.append(name)
        fault = self.server.faults.pop(0) if self.server.faults else None
        if fault == "missing":
            return self.send_error(404)
        content = FILES[name][::-1] if fault == "changed" else FILES[name]
        self.send_response(200)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if fault == "cut" else content)

    def log_message(self, *arguments):
        """Keep the test's output quiet."""


@pytest.fixture
def server():
    with Server() as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def cache(server, tmp_path, monkeypatch):
    """The cache folder of a machine for which MNIST lies on the test server."""
    remotes = tuple(
        catalogue.Remote(
            name, f"http://127.0.0.1:{server.server_port}/{name}", f"sha256:{hashlib.sha256(content).hexdigest()}", len(content)
        )
        for name, content in FILES.items()
    )
    monkeypatch.setitem(catalogue.CARDS, "mnist", replace(catalogue.MNIST, remotes=remotes))
    monkeypatch.setattr(files, "cache", lambda name: tmp_path / "cache" / name)
    monkeypatch.delenv("TOOLKIT_DATA", raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return tmp_path / "cache" / "mnist"


def held(folder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.rglob("*") if path.is_file()} if folder.exists() else {}


def test_a_download_is_checked_kept_and_not_repeated(server, cache, capsys):
    data = images.mnist(download=True, validation=0)
    assert np.array_equal(data.train[0].squeeze(1), random_images((10, 28, 28), 1))
    assert data.source.split("; ")[1] == "published files, checksums right"
    assert held(cache) == FILES
    assert "100%" in capsys.readouterr().err
    images.mnist(download=True)
    images.mnist()
    assert server.requests == list(FILES)


def test_it_may_go_into_a_folder_of_ones_own(cache, tmp_path):
    images.mnist(tmp_path / "own", download=True)
    assert held(tmp_path / "own") == FILES
    assert held(cache) == {}


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("changed", f"/{FIRST} could not be fetched .*hash.*; nothing of it was kept"),
        ("cut", f"/{FIRST} could not be fetched .*IncompleteRead.*; nothing of it was kept"),
        ("missing", f"/{FIRST} could not be fetched .*404.*; nothing of it was kept"),
    ],
)
def test_after_a_failed_download_nothing_is_kept_and_the_next_one_works(server, cache, fault, message):
    server.faults = [fault]
    with pytest.raises(DownloadFailed, match=f"(?si){message}"):
        images.mnist(download=True)
    assert held(cache) == {}
    with pytest.raises(DataNotFound):
        images.mnist()
    assert len(images.mnist(download=True, validation=0).train[0]) == 10
    assert held(cache) == FILES


def test_files_that_arrived_before_a_failure_are_not_fetched_again(server, cache):
    server.faults = [None, None, "cut"]
    with pytest.raises(DownloadFailed):
        images.mnist(download=True)
    names = list(FILES)
    assert set(held(cache)) == set(names[:2])
    images.mnist(download=True)
    assert server.requests == [*names[:3], *names[2:]]


def test_ctrl_c_leaves_no_half_file(cache, monkeypatch):
    class Bar:
        def __init__(self, **settings): ...

        def update(self, size):
            assert any(cache.iterdir())  # the temporary file is there
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pooch.downloaders.tqdm", Bar)
        with pytest.raises(KeyboardInterrupt):
            images.mnist(download=True)
    assert held(cache) == {}
    images.mnist(download=True)
    assert held(cache) == FILES


def test_a_machine_without_network_gets_a_clear_error(server, cache):
    server.shutdown()
    server.server_close()
    with pytest.raises(DownloadFailed, match=f"/{FIRST} could not be fetched"):
        images.mnist(download=True)
    assert held(cache) == {}


def test_a_damaged_copy_in_the_cache_is_refused(cache):
    images.mnist(download=True)
    (cache / FIRST).write_bytes(gzip.compress(idx_bytes(random_images((10, 28, 28), 3))))
    with pytest.raises(DamagedFile, match=rf"{FIRST}: its checksum is not the published one; delete it, then download again"):
        images.mnist(download=True)


def test_the_source_tells_published_files_from_other_ones(cache, tmp_path):
    images.mnist(tmp_path, download=True)
    assert "published files, checksums right" in images.mnist(tmp_path).source
    (tmp_path / FIRST).write_bytes(gzip.compress(idx_bytes(random_images((10, 28, 28), 3))))
    assert "checksums differ from the published ones" in images.mnist(tmp_path).source


def test_sets_without_published_checksums_are_never_fetched(cache, monkeypatch):
    monkeypatch.setattr(documented, "fetch", lambda *_: pytest.fail("fetched without a checksum"))
    with pytest.raises(DataNotFound, match=r"cannot be fetched from here because no checksum.*kaggle\.com.*licence: GPL 2"):
        images.animals10(download=True)
