"""Fetching the published files of a set: on request only, checked, and never left half done."""

from __future__ import annotations

from pathlib import Path

from toolkit.datasets.catalogue import Card, Remote


class DownloadFailed(OSError):
    """A file that could not be fetched whole; the message names address and fault, and nothing of it is kept."""


def fetch(card: Card, folder: Path) -> None:
    """Fetch the files of a set that `folder` does not hold yet, with a progress bar.

    Each file goes into a temporary one beside its place and is moved there when its checksum is right.

    Args:
        card: the set.
        folder: where the files go.

    Raises:
        DownloadFailed: no connection, a refusal, an interrupted transfer or a wrong checksum.
    """
    for remote in card.remotes:
        _fetch(remote, folder)


def _fetch(remote: Remote, folder: Path) -> None:
    import pooch
    import requests

    downloader = pooch.HTTPDownloader(progressbar=True, chunk_size=2**16)
    try:
        pooch.retrieve(remote.url, known_hash=remote.checksum, fname=remote.name, path=folder, downloader=downloader)
    except (requests.RequestException, ValueError) as error:
        raise DownloadFailed(f"{remote.url} could not be fetched ({error}); nothing of it was kept") from error
