"""Units, series and what xarray sees of them."""

import h5py
import numpy as np
import pytest
import xarray as xr

from dynascope import ArtifactError, Output, UnknownName
from dynascope.store.artifacts import Artifacts
from dynascope.store.hdf5 import Vanished, open_trusted
from dynascope.store.series import SERIES_FILE
from dynascope.store.stamps import Stamp, Stamps, place_of
from dynascope.store.units import list_units, write_unit

OUTPUTS = {
    "map": Output(("neuron", "a"), "float32", "1", "a map", chunk=("neuron",)),
    "packed": Output(("neuron", "a"), "float32", "1", "the same in 16 bits", chunk=("neuron",), packed="int16"),
    "share": Output(("frequency",), "float64", "1", "per frequency", {"frequency": 1}),
    "component": Output(("component",), "str", "1", "names"),
    "norm": Output(("component",), "float32", "1", "norm per component"),
    "flag": Output(("neuron",), "int8", "1", "a flag"),
    "total": Output((), "float64", "1", "a number"),
}
ANALYZER = "plug.one"


def stamp(epoch, **changes):
    values = {
        "family": "f", "family_version": "1.0", "variant": "v", "place": place_of(epoch),
        "analyzer": ANALYZER, "analyzer_version": 1,
        "plugin_version": "1.0", "parameters": "{}", "probe": "grid", "probe_sha256": "p",
        "checkpoint_sha256": f"c{epoch}", "context_sha256": "x",
    }  # fmt: skip
    return Stamp(**{**values, **changes})


def arrays(epoch):
    rng = np.random.default_rng(epoch)
    image = rng.normal(size=(3, 5)).astype(np.float32) * (epoch + 1)
    return {
        "map": image,
        "packed": image,
        "share": rng.random(4),
        "component": np.array(["const", "cos 1"]),
        "norm": np.array([1.0, epoch], dtype=np.float32),
        "flag": image[:, 0] > 0,
        "total": np.float64(epoch / 3),
    }


@pytest.fixture
def artifacts(tmp_path):
    found = Artifacts(tmp_path)
    for epoch in (0, 20, 100):
        write_unit(tmp_path / ANALYZER, stamp(epoch), OUTPUTS, arrays(epoch))
    return found


def test_arrays_come_back_with_labels(artifacts):
    share = artifacts.read(f"{ANALYZER}/share", 20)
    np.testing.assert_array_equal(share.values, arrays(20)["share"])
    np.testing.assert_array_equal(share["frequency"], [1, 2, 3, 4])
    norm = artifacts.read(f"{ANALYZER}/norm", 100)
    assert list(norm["component"].values) == ["const", "cos 1"]
    assert float(norm.sel(component="cos 1")) == 100
    assert artifacts.read(f"{ANALYZER}/total", 100).item() == 100 / 3


def test_one_coordinate_is_read_by_itself(artifacts):
    row = artifacts.read(f"{ANALYZER}/map", 20, neuron=2)
    assert row.dims == ("a",)
    np.testing.assert_array_equal(row.values, arrays(20)["map"][2])
    assert artifacts.read(f"{ANALYZER}/share", 20, frequency=1).item() == arrays(20)["share"][0]


def test_packing_keeps_its_stated_bound(artifacts):
    with open_trusted(artifacts.units(ANALYZER)[100].path) as file:
        dataset = file[f"00000100/{ANALYZER}/packed"]
        assert dataset.dtype == np.int16
        bound = dataset.attrs["packing_error"]
        assert bound <= 0.51 * dataset.attrs["scale_factor"] + 1e-6 * np.abs(arrays(100)["packed"]).max()
    error = np.abs(artifacts.read(f"{ANALYZER}/packed", 100).values - arrays(100)["packed"]).max()
    assert 0 < error <= bound * 1.01


def test_a_series_is_the_units_in_a_row_with_and_without_the_stacked_file(artifacts):
    names = artifacts.series(f"{ANALYZER}/component")
    slow = artifacts.series(f"{ANALYZER}/share")
    artifacts.refresh_series(ANALYZER)
    assert (artifacts.folder / ANALYZER / SERIES_FILE).exists()
    fast = artifacts.series(f"{ANALYZER}/share")
    xr.testing.assert_equal(slow, fast)
    xr.testing.assert_equal(names, artifacts.series(f"{ANALYZER}/component"))
    assert names.dims == ("epoch", "component")
    assert fast.dims == ("epoch", "frequency")
    np.testing.assert_array_equal(fast.sel(epoch=20), arrays(20)["share"])
    assert artifacts.series(f"{ANALYZER}/total").values.tolist() == [0, 20 / 3, 100 / 3]
    assert artifacts.series(f"{ANALYZER}/map", neuron=1).shape == (3, 5)


def test_ranges_are_over_all_epochs_with_and_without_the_stacked_file(artifacts):
    every = np.stack([arrays(epoch)["map"] for epoch in (0, 20, 100)])
    for _ in range(2):
        assert artifacts.range(f"{ANALYZER}/map") == pytest.approx((every.min(), every.max()))
        assert artifacts.range(f"{ANALYZER}/packed") == pytest.approx((every.min(), every.max()))
        artifacts.refresh_series(ANALYZER)


def test_a_stacked_file_that_does_not_list_the_units_is_not_used(artifacts):
    artifacts.refresh_series(ANALYZER)
    write_unit(artifacts.folder / ANALYZER, stamp(200), OUTPUTS, arrays(200))
    assert artifacts.series(f"{ANALYZER}/total").sizes["epoch"] == 4
    changed = stamp(20, analyzer_version=2)
    write_unit(artifacts.folder / ANALYZER, changed, OUTPUTS, arrays(21))
    assert artifacts.series(f"{ANALYZER}/total").sel(epoch=20).item() == 7.0


def test_a_new_unit_replaces_the_stale_one(artifacts):
    write_unit(artifacts.folder / ANALYZER, stamp(20, plugin_version="2.0"), OUTPUTS, arrays(21))
    (unit,) = list_units(artifacts.folder / ANALYZER)[20]
    assert unit.digest == stamp(20, plugin_version="2.0").digest
    assert artifacts.read(f"{ANALYZER}/total", 20).item() == 7.0
    assert artifacts.stamp(ANALYZER, 20)["plugin_version"] == "2.0"


def test_the_tree(artifacts):
    assert list(artifacts) == [0, 20, 100]
    assert list(artifacts[20]) == [ANALYZER]
    assert set(artifacts[20][ANALYZER]) >= set(OUTPUTS)
    np.testing.assert_array_equal(artifacts[20][ANALYZER]["map"], arrays(20)["map"])


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_units_and_series_with_labels(artifacts, engine):
    artifacts.refresh_series(ANALYZER)
    with xr.open_datatree(artifacts.units(ANALYZER)[20].path, engine=engine) as tree:
        group = tree[f"00000020/{ANALYZER}"]
        assert group["map"].dims == ("neuron", "a")
        np.testing.assert_array_equal(group["frequency"], [1, 2, 3, 4])
        np.testing.assert_array_equal(group["map"], arrays(20)["map"])
        np.testing.assert_allclose(group["packed"], arrays(20)["packed"], atol=2e-3)
        assert list(group["component"].values) == ["const", "cos 1"]
        assert group.attrs["checkpoint_sha256"] == "c20"
    with xr.open_dataset(artifacts.folder / ANALYZER / SERIES_FILE, engine=engine) as data:
        assert data["share"].dims == ("epoch", "frequency")
        np.testing.assert_array_equal(data["epoch"], [0, 20, 100])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"map": None}, "returned the arrays .* it declares"),
        ({"extra": np.zeros(3)}, "returned the arrays .*'extra'"),
        ({"map": np.zeros(3, np.float32)}, r"'map' is declared as \(neuron, a\); the array has shape \(3,\)"),
        ({"map": np.zeros((4, 5), np.float32)}, "axis 'neuron' has length"),
        ({"flag": np.zeros(3)}, "'flag' is declared as int8; the array is float64"),
        ({"flag": np.array([1, 2, 300])}, "'flag' is declared as int8; it holds numbers that are too large"),
        ({"norm": np.array([1.0, 1e300])}, "'norm' is declared as float32; it holds numbers that are too large"),
        ({"norm": [[1.0], [1.0, 2.0]]}, "output 'norm' is no array"),
        ({"packed": np.full((3, 5), np.nan, np.float32)}, "'packed' is packed as int16, and so must be finite"),
    ],
)
def test_arrays_that_are_not_as_declared_are_refused_and_nothing_is_written(tmp_path, change, message):
    made = {name: array for name, array in {**arrays(0), **change}.items() if array is not None}
    with pytest.raises(ArtifactError, match=message):
        write_unit(tmp_path / ANALYZER, stamp(0), OUTPUTS, made)
    assert list(tmp_path.rglob("*.h5")) == []


def test_names_that_are_not_there_are_one_clear_error(artifacts):
    with pytest.raises(UnknownName, match="Did you mean 'share'"):
        artifacts.read(f"{ANALYZER}/shore", 20)
    with pytest.raises(UnknownName, match="no axis of plug.one/map named 'nueron'. Did you mean 'neuron'"):
        artifacts.read(f"{ANALYZER}/map", 20, nueron=1)
    with pytest.raises(ArtifactError, match="has no neuron 9; it has 0 to 2"):
        artifacts.read(f"{ANALYZER}/map", 20, neuron=9)
    with pytest.raises(ArtifactError, match="not been computed at epoch 21"):
        artifacts.read(f"{ANALYZER}/map", 21)


def test_a_damaged_unit_is_one_clear_error(artifacts):
    path = artifacts.units(ANALYZER)[20].path
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ArtifactError, match="is damaged"):
        artifacts.read(f"{ANALYZER}/map", 20)


def test_a_flipped_bit_is_found_by_the_checksum(artifacts):
    path = artifacts.units(ANALYZER)[20].path
    content = path.read_bytes()
    place = content.index(arrays(20)["map"][1].tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ArtifactError, match=r"is damaged at /00000020/plug.one/map"):
        artifacts.read(f"{ANALYZER}/map", 20, neuron=1)


def test_a_newer_format_is_refused(artifacts):
    path = artifacts.units(ANALYZER)[20].path
    with h5py.File(path, "a") as file:
        file.attrs["dynascope_format"] = 99
    with pytest.raises(ArtifactError, match="has format 99"):
        artifacts.read(f"{ANALYZER}/map", 20)


@pytest.mark.parametrize("trick", ["external", "virtual", "soft", "link"])
def test_a_file_that_reaches_outside_itself_is_refused(artifacts, tmp_path, trick):
    secret = tmp_path / "secret"
    secret.write_bytes(b"12345678")
    path = artifacts.units(ANALYZER)[20].path
    with h5py.File(path, "a") as file:
        group = file[f"00000020/{ANALYZER}"]
        if trick == "external":
            group.create_dataset("stolen", (8,), "u1", external=[(str(secret), 0, 8)])
        elif trick == "virtual":
            layout = h5py.VirtualLayout((8,), "u1")
            layout[:] = h5py.VirtualSource(str(secret), "x", (8,))
            group.create_virtual_dataset("stolen", layout)
        elif trick == "soft":
            group["stolen"] = h5py.SoftLink("/elsewhere")
        else:
            group["stolen"] = h5py.ExternalLink(str(secret), "/x")
    with pytest.raises(ArtifactError, match="is not trusted"):
        artifacts.read(f"{ANALYZER}/map", 20)


def test_a_file_whose_groups_are_a_circle_is_refused(artifacts):
    path = artifacts.units(ANALYZER)[20].path
    with h5py.File(path, "a") as file:
        file["00000020/again"] = file["00000020"]
    with pytest.raises(ArtifactError, match="is not trusted"):
        artifacts.read(f"{ANALYZER}/map", 20)


def test_units_and_descriptions_come_with_the_arrays(artifacts):
    expected = {"units": "1", "long_name": "per frequency"}
    assert artifacts.read(f"{ANALYZER}/share", 20).attrs == expected
    assert artifacts.series(f"{ANALYZER}/share").attrs == expected
    artifacts.refresh_series(ANALYZER)
    assert artifacts.series(f"{ANALYZER}/share").attrs == expected


def test_a_unit_that_is_replaced_while_it_is_read_is_read_again(artifacts, monkeypatch):
    old = artifacts.units(ANALYZER)
    write_unit(artifacts.folder / ANALYZER, stamp(20, plugin_version="2.0"), OUTPUTS, arrays(21))
    real, answers = Artifacts.units, [old, old]
    monkeypatch.setattr(Artifacts, "units", lambda self, name: answers.pop() if answers else real(self, name))
    assert artifacts.read(f"{ANALYZER}/total", 20).item() == 7.0
    answers += [old]
    artifacts.refresh_series(ANALYZER)
    assert artifacts.series(f"{ANALYZER}/total").sel(epoch=20).item() == 7.0


def test_two_writers_of_different_stamps_never_leave_an_epoch_without_a_unit(tmp_path):
    import threading

    barrier = threading.Barrier(2)

    def write(version):
        for epoch in range(30):
            barrier.wait()
            write_unit(tmp_path / ANALYZER, stamp(epoch, plugin_version=version), OUTPUTS, arrays(epoch))

    threads = [threading.Thread(target=write, args=(version,)) for version in ("1.0", "2.0")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(list_units(tmp_path / ANALYZER)) == list(range(30))


def test_an_axis_that_means_something_else_at_another_epoch_makes_no_series(artifacts):
    made = {**arrays(200), "component": np.array(["const", "cos 9"])}
    write_unit(artifacts.folder / ANALYZER, stamp(200), OUTPUTS, made)
    with pytest.raises(ArtifactError, match="the axis 'component' has other coordinates"):
        artifacts.refresh_series(ANALYZER)


def test_a_damaged_chunk_is_named_when_the_series_is_built(artifacts):
    path = artifacts.units(ANALYZER)[20].path
    content = path.read_bytes()
    place = content.index(arrays(20)["map"][1].tobytes())
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(ArtifactError, match="is damaged at /00000020/plug.one/map"):
        artifacts.refresh_series(ANALYZER)


def test_the_stamps_of_an_analyzer_have_the_digests_of_single_stamps():
    fields = {name: f"the {name}" for name in Stamp._fields}
    shared = {**fields, "analyzer_version": 3}
    del shared["place"], shared["checkpoint_sha256"]
    stamps = Stamps(**shared)
    for place, checkpoint in (("00000000", "a" * 64), ("00025000", "0" * 64), ("series", "")):
        whole = Stamp(**shared, place=place, checkpoint_sha256=checkpoint)
        assert stamps.at(place, checkpoint) == whole
        assert stamps.digest(place, checkpoint) == whole.digest


def test_a_unit_that_is_replaced_just_after_it_was_opened_is_read_as_it_was(artifacts, monkeypatch):
    unit = artifacts.units(ANALYZER)[20]
    opened = h5py.File

    def opened_and_gone(path, *arguments, **options):
        file = opened(path, *arguments, **options)
        unit.path.unlink(missing_ok=True)
        return file

    monkeypatch.setattr("dynascope.store.hdf5.h5py.File", opened_and_gone)
    with open_trusted(unit.path) as file:
        assert f"{unit.epoch:08d}" in file
    with pytest.raises(ArtifactError, match="There is no artifact"):
        open_trusted(unit.path)


def test_a_unit_that_vanishes_while_it_is_opened_is_not_called_damaged(artifacts, monkeypatch):
    unit = artifacts.units(ANALYZER)[20]

    def opened_too_late(path, *arguments, **options):
        unit.path.unlink()
        raise OSError("can't retrieve stat info for file")

    monkeypatch.setattr("dynascope.store.hdf5.h5py.File", opened_too_late)
    with pytest.raises(Vanished, match="was replaced while it was opened"):
        open_trusted(unit.path)
