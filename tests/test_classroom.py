"""What a room of seats needs, from planted measurements, and the measurements that are kept."""

import subprocess
import sys
from dataclasses import asdict

import psutil
import pytest

from course import classroom, lessons
from course.memory import PeakMemory, descendants, own_bytes, resident_bytes

SEAT = classroom.Seat("03_planted", cpu=30, seconds=40, peak=400, idle=300, when="2026-01-01", machine="planted", load=0)


def test_seats_add_up_beside_the_libraries_that_they_share():
    one, forty = (classroom.needs(SEAT, seats) for seats in (1, 40))
    assert one["memory"] == pytest.approx((classroom.SHARED + 400) / 1000, abs=0.051)
    assert forty["memory"] == pytest.approx((classroom.SHARED + 40 * 400) / 1000, abs=0.051)
    assert forty["idle"] < forty["memory"]
    assert (one["cores"], forty["cores"]) == (1, 4)  # 40 x 30 s in 5 minutes


def test_the_report_names_what_was_measured_and_what_was_not():
    run = {"lesson": "03_planted", "seats": 4, "slower": 2.1}
    text = "\n".join(classroom.report({"seats": {SEAT.lesson: asdict(SEAT)}, "together": [run]}, 40))
    assert "40 seats" in text and "16.2 GB" in text and "measured on planted" in text and "slower 2.1" in text
    assert "not measured: 00, 01" in text


def test_what_is_kept_covers_every_lesson():
    measured = classroom.kept()
    assert set(measured["seats"]) == set(lessons.names())
    for name, values in measured["seats"].items():
        one = classroom.Seat(**values)
        assert one.lesson == name and 0 < one.idle <= one.peak < 1000 and one.cpu > 0
    assert all(run["seats"] > 1 for run in measured["together"])


def test_keeping_replaces_the_older_measurement(monkeypatch, tmp_path):
    monkeypatch.setattr(classroom, "KEPT", tmp_path / "kept.json")
    assert classroom.kept() == {"seats": {}, "together": []}
    for seconds in (40, 50):
        classroom.keep(seats={SEAT.lesson: asdict(SEAT) | {"seconds": seconds}}, together=[{"lesson": "03", "seats": seconds}])
    assert classroom.kept()["seats"][SEAT.lesson]["seconds"] == 50
    assert classroom.kept()["together"] == [{"lesson": "03", "seats": 50}]


def test_own_memory_is_a_part_of_the_resident():
    process = psutil.Process()
    assert 0 < own_bytes(process) <= resident_bytes(process)


def test_memory_of_processes_started_before_does_not_count():
    with PeakMemory(every=10) as memory:
        assert memory.now() == 0


def test_a_fork_about_to_become_another_program_does_not_count_twice():
    """Only once it runs a program of its own does it have memory of its own."""
    waiting = "import os, time; os.fork(); print(flush=True); time.sleep(60)"
    with PeakMemory(every=10) as memory, subprocess.Popen([sys.executable, "-c", waiting], stdout=subprocess.PIPE) as started:
        try:
            started.stdout.readline(), started.stdout.readline()
            assert len(descendants(psutil.Process(started.pid))) == 1
            assert memory.now() == pytest.approx(resident_bytes(psutil.Process(started.pid)) / 1e6)
        finally:
            for process in [*descendants(psutil.Process(started.pid)), started]:
                process.kill()


@pytest.mark.parametrize("arguments", [["--seats", "0"], ["--side-by-side", "0"], ["--measure", "99"]])
def test_wrong_arguments_are_refused_before_any_work(monkeypatch, capsys, arguments):
    monkeypatch.setattr("sys.argv", ["classroom", *arguments])
    monkeypatch.setattr(classroom, "seat", lambda name: pytest.fail("worked"))
    with pytest.raises(SystemExit) as stopped:
        classroom.main()
    assert stopped.value.code == 2 and capsys.readouterr().err
