import io
import json
import math
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import time
import zipfile
from collections import OrderedDict, namedtuple
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from toolkit import recordings
from toolkit.recordings import origin

STATE = {"step": 3, "loss": 0.5, "weights": np.arange(12.0).reshape(3, 4), "momentum": torch.arange(5)}


def same(one, other) -> bool:
    """Equal in type, shape and every bit; nan equals nan."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return list(one) == list(other) and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    if isinstance(one, torch.Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and bits(one) == bits(other)
    if isinstance(one, np.ndarray | np.generic):
        return one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    if isinstance(one, float):
        return math.isnan(one) and math.isnan(other) or one.hex() == other.hex()
    return one == other


def bits(tensor: torch.Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes() if tensor.numel() else b""


def tensors(dtypes=(torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.bool, torch.uint8, torch.int64)):
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    return st.builds(
        lambda shape, dtype, seed: torch.randint(0, 2, tuple(shape), generator=torch.Generator().manual_seed(seed)).to(dtype),
        shapes,
        st.sampled_from(dtypes),
        st.integers(0, 99),
    )


ARRAY_DTYPES = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(),
    hnp.unsigned_integer_dtypes(),
    hnp.floating_dtypes(),
    hnp.complex_number_dtypes(),
    hnp.unicode_string_dtypes(max_len=3),
    hnp.datetime64_dtypes(),
)
ARRAYS = hnp.arrays(ARRAY_DTYPES, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
NUMBERS = ARRAY_DTYPES.flatmap(hnp.from_dtype).map(lambda value: value[()] if isinstance(value, np.ndarray) else value)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), ARRAYS, tensors(), NUMBERS)
KEYS = st.one_of(st.text(), st.integers())
TREES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.lists(inner, max_size=4).map(tuple),
        st.dictionaries(KEYS, inner, max_size=4),
        st.dictionaries(KEYS, inner, max_size=4).map(OrderedDict),
    ),
    max_leaves=12,
)


# --- states


@given(state=TREES)
@settings(suppress_health_check=[HealthCheck.too_slow], max_examples=200)
def test_any_state_comes_back_in_type_and_bits(tmp_path_factory, state):
    path = tmp_path_factory.mktemp("state") / "state.npz"
    recordings.save_state(path, state)
    assert same(recordings.load_state(path), state)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.tensor(1.5, dtype=torch.bfloat16),
        torch.tensor([1.5, -0.0, math.nan, math.inf], dtype=torch.bfloat16),
        torch.tensor([0.5, 2.0]).to(torch.float8_e4m3fn),
        torch.zeros(0, 3, dtype=torch.bfloat16),
        torch.arange(12.0).reshape(3, 4).t(),
        torch.arange(12)[::3],
        torch.tensor([1 + 2j]).conj(),
        torch.tensor([0, 65535], dtype=torch.uint16),
        torch.zeros(2, 3).expand(4, 2, 3),
    ],
    ids=["bfloat16 scalar", "bfloat16", "float8", "empty", "transposed", "strided", "conjugate", "uint16", "expanded"],
)
def test_unusual_tensors_come_back(tmp_path, tensor):
    recordings.save_state(tmp_path / "state.npz", tensor)
    found = recordings.load_state(tmp_path / "state.npz")
    assert found.dtype == tensor.dtype and found.shape == tensor.shape
    assert bits(found) == bits(tensor.resolve_conj())


def test_parameters_come_back_as_tensors_on_the_cpu(tmp_path, device):
    parameter = torch.nn.Parameter(torch.tensor([1.0, 2.0], device=device))
    recordings.save_state(tmp_path / "state.npz", {"weights": parameter})
    found = recordings.load_state(tmp_path / "state.npz")["weights"]
    assert type(found) is torch.Tensor and found.device.type == "cpu" and not found.requires_grad
    assert found.tolist() == [1.0, 2.0]


def test_a_loaded_state_can_be_changed_and_does_not_touch_the_file(tmp_path):
    recordings.save_state(tmp_path / "state.npz", STATE)
    found = recordings.load_state(tmp_path / "state.npz")
    found["weights"] += 1
    found["momentum"] += 1
    assert same(recordings.load_state(tmp_path / "state.npz"), STATE)


def test_training_goes_on_with_the_same_numbers_from_a_saved_state(tmp_path):
    torch.manual_seed(0)
    inputs = torch.randn(8, 4)

    def machine():
        model = torch.nn.Linear(4, 2)
        return model, torch.optim.Adam(model.parameters(), amsgrad=True)

    def step(model, optimizer):
        optimizer.zero_grad()
        model(inputs).square().mean().backward()
        optimizer.step()

    model, optimizer = machine()
    step(model, optimizer)
    recordings.save_state(tmp_path / "state.npz", [model.state_dict(), optimizer.state_dict()])
    step(model, optimizer)
    other_model, other_optimizer = machine()
    model_state, optimizer_state = recordings.load_state(tmp_path / "state.npz")
    other_model.load_state_dict(model_state)
    other_optimizer.load_state_dict(optimizer_state)
    step(other_model, other_optimizer)
    assert torch.equal(model.weight, other_model.weight) and torch.equal(model.bias, other_model.bias)


def test_states_of_random_generators_come_back(tmp_path):
    generators = random.Random(1), np.random.default_rng(2), torch.Generator().manual_seed(3)
    state = [generators[0].getstate(), generators[1].bit_generator.state, generators[2].get_state()]
    recordings.save_state(tmp_path / "state.npz", state)
    expected = generators[0].random(), generators[1].random(), torch.rand(1, generator=generators[2]).item()
    python, numpy, pytorch = recordings.load_state(tmp_path / "state.npz")
    others = random.Random(), np.random.default_rng(), torch.Generator()
    others[0].setstate(python)
    others[1].bit_generator.state = numpy
    others[2].set_state(pytorch)
    assert (others[0].random(), others[1].random(), torch.rand(1, generator=others[2]).item()) == expected


Point = namedtuple("Point", "x y")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"optimizer": {"state": {0: {"momentum": {1}}}}}, "optimizer.state.0.momentum: object of type set"),
        ({"a": [1, (2, b"x")]}, "a.1.1: object of type bytes"),
        (object(), "state: object of type object"),
        ({"p": Point(1, 2)}, "p: object of type Point"),
        ({"z": 1 + 2j}, "z: object of type complex"),
        ({"when": time.gmtime()}, "when: object of type struct_time"),
        ({"f": len}, "f: object of type builtin_function_or_method"),
        ({"size": torch.Size([1])}, "size: object of type Size"),
        ({"dtype": torch.float32}, "dtype: object of type dtype"),
        ({"m": np.ma.masked_array([1.0], [True])}, "m: object of type MaskedArray"),
        ({"o": np.array([None, 1])}, "o: array of dtype object"),
        ({"v": np.zeros(2, dtype=[("a", "f4"), ("b", "O")])}, "v: array of dtype"),
        ({"s": torch.eye(2).to_sparse()}, "s: tensor (sparse_coo, float32, on cpu)"),
        ({"t": torch.zeros(2, device="meta")}, "t: tensor (strided, float32, on meta)"),
        ({"d": {1.5: 0}}, "d: key 1.5 of type float"),
        ({"d": {True: 0}}, "d: key True of type bool"),
        ({"d": {(1, 2): 0}}, "d: key (1, 2) of type tuple"),
        ({None: 0}, "state: key None of type NoneType"),
    ],
)
def test_what_cannot_be_saved_is_named_by_its_place_and_no_file_is_touched(tmp_path, state, message):
    path = tmp_path / "state.npz"
    recordings.save_state(path, STATE)
    before = path.read_bytes()
    with pytest.raises(TypeError) as refusal:
        recordings.save_state(path, state)
    assert str(refusal.value).startswith(message) and "admitted are" in str(refusal.value)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["state.npz"]


# --- safety of the file


@pytest.mark.parametrize("fault", [OSError("no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, call, fault):
    path = tmp_path / "state.npz"
    recordings.save_state(path, STATE)

    def fail(*arguments):
        raise fault

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(type(fault)):
        recordings.save_state(path, {"step": 4})
    monkeypatch.undo()
    assert same(recordings.load_state(path), STATE)
    assert os.listdir(tmp_path) == ["state.npz"]


def test_the_new_file_is_complete_on_disk_before_it_replaces_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "state.npz"
    synced, replaced = [], []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(len(replaced)), fsync(file)))
    monkeypatch.setattr(os, "replace", lambda old, new: (replaced.append(recordings.load_state(old)), replace(old, new)))
    recordings.save_state(path, STATE)
    assert same(replaced, [STATE])
    assert synced[0] == 0


def test_the_remains_of_a_killed_writer_do_not_shadow_the_file(tmp_path):
    path = tmp_path / "state.npz"
    recordings.save_state(path, STATE)
    (tmp_path / ".state.npz.0123.partial").write_bytes(path.read_bytes()[:100])
    assert same(recordings.load_state(path), STATE)
    recordings.save_state(path, {"step": 4})
    assert recordings.load_state(path) == {"step": 4}


WRITER = """
import sys
import numpy as np
from toolkit import recordings
count = 0
while True:
    recordings.save_state(sys.argv[1], {"count": count, "values": np.full(100_000, count)})
    count += 1
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is a signal of POSIX systems")
def test_a_file_is_whole_whenever_its_writer_is_killed(tmp_path):
    path = tmp_path / "state.npz"
    delays = random.Random(0)
    for _ in range(5):
        path.unlink(missing_ok=True)
        writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)])
        try:
            while not path.exists():
                assert writer.poll() is None
                time.sleep(0.002)
            time.sleep(delays.uniform(0, 0.05))
            during = recordings.load_state(path)
        finally:
            writer.send_signal(signal.SIGKILL)
            writer.wait()
        after = recordings.load_state(path)
        assert after["count"] >= during["count"]
        for state in (during, after):
            assert state["values"].shape == (100_000,) and (state["values"] == state["count"]).all()


def test_every_truncated_file_is_refused_by_name(tmp_path):
    path = tmp_path / "state.npz"
    recordings.save_state(path, STATE)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=r"state\.npz: damaged"):
            recordings.load_state(path)


@pytest.mark.parametrize("compressed", [False, True])
def test_a_changed_byte_is_refused_or_changes_nothing(tmp_path, compressed):
    path = tmp_path / "file.npz"
    records = [{"loss": step / 7} for step in range(5)]
    if compressed:
        recordings.save(path, records, settings={}, provenance={})
    else:
        recordings.save_state(path, STATE)
    content = path.read_bytes()
    refused = 0
    for place in range(0, len(content), 3):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        try:
            found = recordings.load(path).records if compressed else recordings.load_state(path)
        except ValueError as fault:
            assert str(path) in str(fault)
            refused += 1
        else:
            assert same(found, records if compressed else STATE)
    assert refused > len(content) / 12


def archive(**members) -> bytes:
    content = io.BytesIO()
    np.savez(content, **members)
    return content.getvalue()


def own_archive(tree, version=1, kind="state", name="thesis-toolkit", **arrays) -> bytes:
    document = json.dumps({"format": name, "version": version, "kind": kind, "tree": tree})
    return archive(document=np.frombuffer(document.encode(), dtype=np.uint8), **arrays)


def zipped(name: str, content: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as members:
        members.writestr(name, content)
    return file.getvalue()


def huge_array() -> bytes:
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000000,), }\n"
    return zipped("document.npy", b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"", "not a zip file"),
        (b"epoch,loss\n1,0.5\n", "not a zip file"),
        (pickle.dumps({"step": 1}), "not a zip file"),
        (archive(weights=np.zeros(3)), "has no member 'document'"),
        (zipped("[Content_Types].xml", b"<xml/>"), "magic string"),
        (archive(document=np.array([{"a": 1}], dtype=object)), "allow_pickle=False"),
        (own_archive({"array": "x"}, x=np.array([{}], dtype=object)), "allow_pickle=False"),
        (archive(document=np.zeros(3)), "damaged"),
        (huge_array(), "damaged"),
        (own_archive(1, name="other"), "holds a other state, not a thesis-toolkit state"),
        (own_archive(1, kind="recording"), "holds a thesis-toolkit recording, not a thesis-toolkit state"),
        (own_archive(1, version=2), "format version 2, this toolkit reads up to 1: a newer toolkit is needed"),
        (own_archive(1, version="new"), "damaged"),
        (own_archive({"array": "000007"}), "'000007'"),
        (own_archive({"call": "os.system"}), "'call'"),
        (own_archive({"dict": [[1, 2]], "list": []}), "too many values"),
        (own_archive({"dict": [1]}), "damaged"),
        (own_archive({"tensor": ["x", "load"]}, x=np.zeros(2)), "damaged"),
        (own_archive({"tensor": ["x", "no_such_type"]}, x=np.zeros(2)), "no_such_type"),
        (archive(document=np.frombuffer(b"[" * 100_000, dtype=np.uint8)), "damaged"),
        (archive(document=np.frombuffer(b"[1, 2", dtype=np.uint8)), "damaged"),
        (archive(document=np.frombuffer(b"[1, 2]", dtype=np.uint8)), "damaged"),
    ],
)
def test_foreign_and_damaged_files_are_refused_with_the_fault(tmp_path, content, fault):
    path = tmp_path / "run 1.npz"
    path.write_bytes(content)
    with pytest.raises(ValueError) as refusal:
        recordings.load_state(path)
    assert str(refusal.value).startswith(f"{path}: ") and fault in str(refusal.value)


@pytest.mark.parametrize("read", [recordings.load, recordings.load_state])
def test_a_missing_file_is_said_to_be_missing(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="nothing.npz"):
        read(tmp_path / "nothing.npz")


def test_a_missing_folder_is_said_to_be_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        recordings.save_state(tmp_path / "nowhere" / "state.npz", STATE)


def test_files_hold_plain_npz_arrays(tmp_path):
    recordings.save_state(tmp_path / "state.npz", STATE)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as members:
        assert any(np.array_equal(members[name], STATE["weights"]) for name in members)


# --- recordings


@dataclass(frozen=True)
class Record:
    epoch: float
    step: int
    seconds: float
    metrics: Mapping[str, float]
    diverged: bool = False
    run: str = ""


def run_of(steps: int) -> list[Record]:
    for step in range(steps):
        metrics = {"batch_loss": 1 / (step + 1), "friction": None if step < 3 else 0.1}
        if step % 4 == 3:
            metrics |= {"train_loss": math.nan, "members": np.full(3, step), "tensor": torch.tensor(step)}
        yield Record(step / 4, step, 0.1 * step, MappingProxyType(metrics), step == steps - 1, f"run {step % 2}")


def test_records_come_back_in_order_and_as_their_class(tmp_path):
    path = tmp_path / "run.npz"
    recordings.save(path, run_of(20), settings={"lr": 0.1, "sizes": (1, 2)}, title="LeNet", provenance={"seeds": [1]})
    found = recordings.load(path, record=Record)
    assert (found.title, found.settings, found.provenance) == ("LeNet", {"lr": 0.1, "sizes": (1, 2)}, {"seeds": [1]})
    assert all(type(record) is Record for record in found.records)
    plain = [{**vars(record), "metrics": dict(record.metrics)} for record in run_of(20)]
    assert same([vars(record) for record in found.records], plain)
    assert same(recordings.load(path).records, plain)


RECORDS = st.lists(
    st.fixed_dictionaries(
        {"step": st.integers(), "loss": st.one_of(st.floats(), st.none())},
        optional={
            "run": st.text(max_size=3),
            0: st.booleans(),
            "members": ARRAYS,
            "tensor": tensors(),
            "number": NUMBERS,
            "nested": st.tuples(st.lists(st.integers(), max_size=2), st.dictionaries(KEYS, st.floats(), max_size=2)),
        },
    ),
    max_size=8,
)


@given(records=RECORDS)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_records_come_back_in_type_and_bits(tmp_path_factory, records):
    path = tmp_path_factory.mktemp("run") / "run.npz"
    recordings.save(path, records, settings={}, provenance={})
    assert same(recordings.load(path).records, records)


def test_a_loaded_record_does_not_keep_its_whole_column_alive(tmp_path):
    path = tmp_path / "run.npz"
    run = [{"members": np.full(3, i), "tensor": torch.full((3,), i)} for i in range(4)]
    recordings.save(path, run, settings={}, provenance={})
    first = recordings.load(path).records[0]
    assert first["members"].base is None
    assert first["tensor"].untyped_storage().nbytes() == first["tensor"].nbytes


def test_records_that_share_their_keys_are_stored_as_columns(tmp_path):
    path = tmp_path / "run.npz"
    recordings.save(path, [{"step": i, "loss": i / 8} for i in range(1000)], settings={}, provenance={})
    with np.load(path) as members:
        columns = [members[name] for name in members if members[name].shape == (1000,)]
    assert any(np.array_equal(column, np.arange(1000)) and column.dtype == np.int64 for column in columns)
    assert any(np.array_equal(column, np.arange(1000) / 8) for column in columns)


def test_a_long_run_stays_small(tmp_path):
    path = tmp_path / "run.npz"
    draw = random.Random(0)
    records = [{"step": i, "run": f"run {i % 6}", **{f"metric {k}": draw.random() for k in range(6)}} for i in range(6000)]
    recordings.save(path, records, settings={})
    assert path.stat().st_size < 500_000
    assert recordings.load(path).records == records


def test_settings_may_be_a_dataclass_or_hold_one(tmp_path):
    @dataclass
    class Braking:
        goal: float = 0.15
        factors: list = field(default_factory=lambda: [5, 50])

    path = tmp_path / "run.npz"
    recordings.save(path, [], settings=MappingProxyType({"braking": Braking()}), provenance={})
    found = recordings.load(path)
    assert found.settings == {"braking": {"goal": 0.15, "factors": [5, 50]}} and found.records == []


@pytest.mark.parametrize(
    ("records", "keywords", "message"),
    [
        ([{"a": 1}, {"a": {1}}], {}, "records[1].a: object of type set"),
        ([{"metrics": {"loss": 1j}}], {}, "records[0].metrics.loss: object of type complex"),
        ([{"a": np.array([None])}], {}, "records[0].a: array of dtype object"),
        ([{1.5: 1}], {}, "records[0]: key 1.5 of type float"),
        ([{"s": torch.eye(2).to_sparse()}], {}, "records[0].s: tensor (sparse_coo"),
        ([3], {}, "records[0] must be a mapping or a dataclass instance, got 3"),
        ([Record], {}, "records[0] must be a mapping or a dataclass instance, got <class"),
        ([], {"settings": 3}, "settings must be a mapping or a dataclass instance, got 3"),
        ([], {"settings": {"optimizer": torch.optim.SGD}}, "settings.optimizer: object of type type"),
        ([], {"provenance": {"path": os}}, "provenance.path: object of type module"),
        ([], {"title": None}, "title must be a str, got None"),
    ],
)
def test_recordings_that_cannot_be_saved_are_refused_and_no_file_is_touched(tmp_path, records, keywords, message):
    with pytest.raises(TypeError) as refusal:
        recordings.save(tmp_path / "run.npz", records, **{"settings": {}, **keywords})
    assert str(refusal.value).startswith(message)
    assert os.listdir(tmp_path) == []


def test_a_run_that_fails_while_it_is_recorded_leaves_the_old_recording(tmp_path):
    path = tmp_path / "run.npz"
    recordings.save(path, [{"step": 0}], settings={})

    def records():
        yield {"step": 1}
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError):
        recordings.save(path, records(), settings={})
    assert recordings.load(path).records == [{"step": 0}]


def test_records_that_do_not_fit_the_class_are_refused(tmp_path):
    path = tmp_path / "run.npz"
    recordings.save(path, [{"step": 0, "colour": "red"}], settings={})
    with pytest.raises(ValueError, match=r"run\.npz: a record with the fields \['step', 'colour'\] does not fit Record"):
        recordings.load(path, record=Record)


def test_a_state_is_no_recording(tmp_path):
    recordings.save_state(tmp_path / "state.npz", STATE)
    with pytest.raises(ValueError, match="holds a thesis-toolkit state, not a thesis-toolkit recording"):
        recordings.load(tmp_path / "state.npz")


@pytest.mark.parametrize(
    "tree",
    [
        {"dict": [["title", "t"]]},
        {"dict": [["title", ""], ["settings", 1], ["provenance", 1], ["groups", []], ["order", {"array": "order"}]]},
    ],
    ids=["no records", "a record of a group that is not there"],
)
def test_a_recording_without_its_parts_is_refused(tmp_path, tree):
    path = tmp_path / "run.npz"
    path.write_bytes(own_archive(tree, kind="recording", order=np.array([0])))
    with pytest.raises(ValueError, match=r"run\.npz: damaged"):
        recordings.load(path)


# --- provenance


def test_provenance_names_code_versions_machine_and_time(tmp_path):
    found = recordings.provenance(data={"digits": "sha256:00"}, seeds=range(3))
    assert torch.__version__.startswith(found["versions"]["torch"]) and found["versions"]["numpy"] == np.__version__
    assert found["versions"]["python"] == sys.version.split()[0]
    assert found["device"] and found["cores"] >= 1 and found["date"].endswith("+00:00")
    assert found["data"] == {"digits": "sha256:00"} and found["seeds"] == [0, 1, 2]
    recordings.save(tmp_path / "run.npz", [], settings={})
    saved = recordings.load(tmp_path / "run.npz").provenance
    assert saved.keys() == found.keys() and saved["versions"] == found["versions"]


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_provenance_tells_commit_and_changes_of_the_packages_own_checkout_only(tmp_path, monkeypatch):
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    package, installed = tmp_path / "toolkit", tmp_path / ".venv" / "lib" / "toolkit"
    package.mkdir()
    installed.mkdir(parents=True)
    (package / "optim.py").write_text("")
    assert origin.checkout(package) == (None, None)
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run([*git, "init", "-q"], check=True)
    assert origin.checkout(package) == (None, None)
    subprocess.run([*git, "add", "toolkit"], check=True)
    subprocess.run([*git, "commit", "-q", "--no-gpg-sign", "-m", "first"], check=True)
    commit, dirty = origin.checkout(package)
    assert len(commit) == 40 and dirty is False
    (package / "optim.py").write_text("changed")
    assert origin.checkout(package) == (commit, True)
    assert origin.checkout(installed) == (None, None)


def test_plain_recordings_need_neither_torch_nor_pandas(tmp_path):
    script = """
import sys
from toolkit import recordings
recordings.save(sys.argv[1], [{"loss": 0.5}], settings={})
recordings.save_state(sys.argv[2], {"step": 1})
assert recordings.load(sys.argv[1]).records == [{"loss": 0.5}] and recordings.load_state(sys.argv[2]) == {"step": 1}
assert not {"torch", "pandas", "matplotlib", "ipywidgets"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script, tmp_path / "run.npz", tmp_path / "state.npz"], check=True)


def test_the_provenance_names_the_commit_of_this_checkout():
    top = Path(__file__).parents[1]
    head = subprocess.run(["git", "-C", top, "rev-parse", "HEAD"], capture_output=True, text=True)
    if head.returncode:
        pytest.skip("the tests do not run in a git checkout")
    assert recordings.provenance()["commit"] == head.stdout.strip()
