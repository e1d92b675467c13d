"""From the 262 raw alloy spectra to peak tables: time and memory, and what our scale of m/z is worth.

    TOOLKIT_DATA=... python tests/benchmarks/spectra.py

Reading, calibration from channels alone, peak search and integration, both polarities, in one process. The memory is the
largest resident set of the process, imports included. The scales are compared with the origin's: the median difference at four
masses, in parts per million. One spectrum is a copy of another in the origin and is not read twice, so there are 261. Writes
build/benchmarks/spectra.json.
"""

from __future__ import annotations

import json
import resource
import time
from pathlib import Path

import numpy as np

from toolkit import recordings
from toolkit.datasets import alloy_spectra
from toolkit.spectra import search
from toolkit.studies import alloys

RESULT = Path("build/benchmarks/spectra.json")
MASSES = (27.0, 102.0, 200.0, 300.0)


def memory() -> float:
    """Largest resident set so far [MB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def chain(polarity):
    """One polarity: seconds of processor time by step, the table, and the differences of the scales."""
    seconds, start = {}, time.process_time()

    def lap(name):
        nonlocal start
        seconds[name], start = time.process_time() - start, time.process_time()

    spectra = alloy_spectra.raw(polarity)
    lap("read")
    scales = alloys.calibrated(spectra, polarity)
    lap("calibrate")
    table = search.peak_table(spectra, lambda each: scales[each.name].mz(each.times), mz=alloys.MASSES)
    lap("search and integrate")
    return {"spectra": len(spectra), "peaks": len(table.mz), "seconds": seconds, "ppm": differences(spectra, scales)}


def differences(spectra, scales):
    """Median over the spectra of |our m/z - the origin's| at each mass [ppm]."""
    found = {}
    for mass in MASSES:
        places = [int(np.abs(each.mz - mass).argmin()) for each in spectra]
        own = np.array([scales[each.name].mz(each.times[place]) for each, place in zip(spectra, places, strict=True)])
        origin = np.array([each.mz[place] for each, place in zip(spectra, places, strict=True)])
        found[f"{mass:g}"] = float(np.median(np.abs(own / origin - 1)) * 1e6)
    return found


def main():
    before, started = memory(), time.perf_counter()
    rows = {polarity: chain(polarity) for polarity in alloys.POLARITIES}
    wall, used = time.perf_counter() - started, sum(sum(row["seconds"].values()) for row in rows.values())
    for polarity, row in rows.items():
        steps = ", ".join(f"{name} {value:.2f} s" for name, value in row["seconds"].items())
        ppm = ", ".join(f"{value:.0f} at {mass} u" for mass, value in row["ppm"].items())
        print(f"{polarity}: {row['spectra']} spectra, {row['peaks']} peaks; {steps}; scale {ppm} ppm from the origin's")
    result = {
        "provenance": recordings.provenance(),
        "wall_seconds": wall,
        "cpu_seconds": used,
        "imports_mb": before,
        "most_mb": memory(),
    }
    print(f"in all {wall:.1f} s, of the processor {used:.1f} s; at most {memory():.0f} MB, {before:.0f} MB of it imports")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    RESULT.write_text(json.dumps(result | {"rows": rows}, indent=1))


if __name__ == "__main__":
    main()
