"""The doctor tells what is here and advises only where something is amiss."""

import pytest

from toolkit import doctor


def test_a_healthy_machine_gets_no_advice_on_versions():
    report = doctor.report()
    assert list(report.columns) == ["found", "advice"]
    assert (report.loc[["python", *doctor.PACKAGES], "advice"] == "").all()
    assert "digits" in report.loc["data sets here", "found"]


@pytest.mark.parametrize(
    ("version", "advice"),
    [("7.0.1", "loses widget updates from threads: take 7.1 or newer"), ("7.4.0", ""), ("6.31.0", "")],
)
def test_the_ipykernel_that_loses_widget_updates_is_named(monkeypatch, version, advice):
    versions = {name: "1.0" for name in doctor.PACKAGES} | {"ipykernel": version}
    monkeypatch.setattr(doctor.metadata, "version", versions.__getitem__)
    assert tuple(doctor.report().loc["ipykernel"]) == (version, advice)


def test_a_missing_package_is_named(monkeypatch):
    def missing(name):
        raise doctor.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(doctor.metadata, "version", missing)
    assert tuple(doctor.report().loc["torch"]) == ("missing", "run the set-up of the README again")


def test_the_memory_limit_of_a_container_counts(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("1500000000\n")
    monkeypatch.setattr(doctor, "MEMORY_LIMITS", (limit,))
    used, available = doctor.memory()
    assert available == 1.5 and 0 < used < 30
    limit.write_text(f"{int(used * 1e9) + 1000}")
    assert doctor.report().loc["memory", "advice"] == "shut down other kernels before a lesson"


def test_a_container_without_limit_has_the_memory_of_the_machine(monkeypatch, tmp_path):
    limit = tmp_path / "memory.max"
    limit.write_text("max\n")
    monkeypatch.setattr(doctor, "MEMORY_LIMITS", (limit,))
    assert doctor.memory()[1] > 1
