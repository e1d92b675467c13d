"""A panel's run saved and replayed: the same settings and the same picture, or a reason why not."""

import re

import pytest
from small_panels import Count, CountingPanel

from toolkit import recordings


def test_there_is_nothing_to_save_before_a_run(tmp_path):
    panel = CountingPanel()
    with pytest.raises(ValueError, match="nothing to save yet"):
        panel.save(tmp_path / "run.npz")
    panel.path.value = str(tmp_path / "run.npz")
    panel.save_button.click()
    assert "nothing to save yet" in panel.error_line.value
    assert list(tmp_path.iterdir()) == []


def test_a_saved_run_comes_back_with_its_settings_and_its_frame(tmp_path):
    panel = CountingPanel(first=3, words=("a", "b"), unit="m", step=2.5).run()
    panel.path.value = str(tmp_path / "run.npz")
    panel.save_button.click()
    assert panel.error_line.value == ""
    other = CountingPanel(first=50, most=900)
    other.path.value = panel.path.value
    other.replay_button.click()
    assert other.error_line.value == ""
    assert other.settings == panel.settings
    assert other.records == panel.records
    assert other.frame.value == panel.frame.value
    assert (other.timeline.value, other.timeline.max, other.timeline.layout.display) == (5, 5, None)
    other.save(tmp_path / "again.npz")
    assert recordings.load(tmp_path / "again.npz").settings == recordings.load(tmp_path / "run.npz").settings


def test_a_recording_holds_the_settings_of_its_run_not_those_of_now(tmp_path):
    panel = CountingPanel(first=3).run()
    panel.controls["first"].value = 70
    panel.save(tmp_path / "run.npz")
    assert recordings.load(tmp_path / "run.npz").settings["first"] == 3


def test_the_timeline_shows_as_many_records_as_it_says(tmp_path):
    panel = CountingPanel().run()
    panel.save(tmp_path / "run.npz")
    panel.replay(tmp_path / "run.npz")
    for count in (4, 1, 3, 5):
        panel.timeline.value = count
        assert panel.frame.value == f"{count} records in cm"
    panel.timeline.value = 2
    panel.run()
    assert panel.frame.value == "5 records in cm"
    assert (panel.timeline.max, panel.timeline.layout.display) == (0, "none")


def damaged(path):
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def of_another_panel(path):
    recordings.save(path, [Count(1)], settings={"first": 99}, title="Weighing")


def of_other_records(path):
    recordings.save(path, [{"weight": 1.0}], settings={"first": 99}, title=CountingPanel.title)


def missing(path):
    path.unlink()


def folder(path):
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (damaged, "run.npz: damaged"),
        (of_another_panel, "a recording of &#x27;Weighing&#x27;, this panel is &#x27;Counting&#x27;"),
        (of_other_records, "run.npz: a record with the fields .*weight"),
        (missing, "FileNotFoundError.*run.npz"),
        (folder, "IsADirectoryError.*run.npz"),
    ],
)
def test_a_file_that_cannot_be_replayed_changes_nothing(spoil, message, tmp_path):
    panel = CountingPanel(first=3).run()
    panel.path.value = str(tmp_path / "run.npz")
    panel.save_button.click()
    spoil(tmp_path / "run.npz")
    settings, records, frame = panel.settings, list(panel.records), panel.frame.value
    panel.replay_button.click()
    assert re.search(message, panel.error_line.value), panel.error_line.value
    assert (panel.settings, panel.records, panel.frame.value) == (settings, records, frame)
    with pytest.raises((ValueError, OSError)):
        panel.replay(tmp_path / "run.npz")


def test_a_recorded_setting_that_this_panel_does_not_offer_is_said_and_the_run_is_shown(tmp_path):
    panel = CountingPanel().run()
    settings = panel.settings | {"unit": "mile", "most": 5000, "first": 8, "colour": "red"}
    recordings.save(tmp_path / "run.npz", panel.records, settings=settings, title=panel.title)
    panel.replay(tmp_path / "run.npz")
    assert panel.settings["first"] == 8
    assert (panel.settings["unit"], panel.settings["most"]) == ("cm", 5)
    assert "recorded with most = 5000, unit = &#x27;mile&#x27;, colour" in panel.error_line.value
    assert panel.frame.value == "5 records in cm"
    panel.save(tmp_path / "again.npz")
    assert recordings.load(tmp_path / "again.npz").settings == settings


@pytest.mark.parametrize("path", ["", "no/such/folder/run.npz"])
def test_a_file_that_cannot_be_written_is_said(path, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    panel = CountingPanel().run()
    panel.path.value = path
    panel.save_button.click()
    assert "Error" in panel.error_line.value
    assert list(tmp_path.iterdir()) == []
