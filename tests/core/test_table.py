"""What was measured, as a table and as xarray, of one variant and of many, from one file per analyzer and variant."""

import builtins
import json
import math
import shutil

import h5py
import numpy as np
import pandas as pd
import pytest
import xarray as xr
from tiny import FAMILY, TINY

from dynascope import InvalidSetting, UnknownName, Workspace, analyze, train
from dynascope.store import columns, dataset, units
from dynascope.store.metrics import MetricsFile
from dynascope.store.series import SERIES_FILE

GINI, LIVE = "fourier.embedding_frequencies/gini", "fourier.neuron_frequencies/live_neurons"
SHARE, FRACTION = "fourier.embedding_frequencies/power_share", "fourier.neuron_frequencies/fraction"
METRICS = ["train_loss", "test_loss", "train_accuracy", "test_accuracy"]


@pytest.fixture
def opened(monkeypatch):
    """The HDF5 files that are opened."""
    found = []

    class Counted(h5py.File):
        def __init__(self, path, *arguments, **options):
            found.append(path)
            super().__init__(path, *arguments, **options)

    monkeypatch.setattr(units.h5py, "File", Counted)
    return found


def test_a_variant_is_a_row_per_epoch_and_a_column_per_scalar(shared):
    variant = shared.variants()[0]
    frame = variant.table()
    assert frame.index.names == ["family", "variant", "epoch"]
    assert frame.index.tolist() == [(FAMILY, variant.name, epoch) for epoch in (0, 20, 40)]
    assert list(frame.columns[:4]) == METRICS
    scalars = [
        f"{name}/{array}"
        for name in variant.artifacts.analyzers()
        for array, axes in variant.artifacts.arrays(name).items()
        if not axes
    ]
    assert sorted(frame.columns[4:]) == sorted(scalars)
    for epoch in (0, 20, 40):
        row = frame.loc[(FAMILY, variant.name, epoch)]
        assert row[METRICS].tolist() == variant.metrics.loc[epoch, METRICS].tolist()
        for name in scalars:
            assert row[name] == variant.artifacts.read(name, epoch).item()
    assert frame[LIVE].dtype == np.int32
    assert frame.attrs["units"][GINI] == "1"


def test_variants_stand_below_each_other_and_one_file_is_opened_for_each_analyzer(shared, opened):
    frame = shared.table()
    assert len(opened) == len(set(opened)) == 2 * 3
    assert {path.name for path in opened} == {SERIES_FILE}
    assert len(frame) == 6
    parts = [variant.table() for variant in shared.variants()]
    pd.testing.assert_frame_equal(frame, pd.concat(parts))
    opened.clear()
    pd.testing.assert_frame_equal(shared.table(columns=[GINI, "test_loss"]), frame[[GINI, "test_loss"]])
    assert [path.name for path in opened[1:]] == [SERIES_FILE] * 2  # the first is a unit: how many axes has the array?
    name = shared.variants()[1].name
    assert set(shared.table([name]).index.get_level_values("variant")) == {name}
    assert len(shared.table([])) == 0


def test_one_axis_gives_a_column_per_coordinate(shared):
    variant = shared.variants()[0]
    frame = shared.table([variant], [SHARE, LIVE])
    assert list(frame.columns) == [f"{SHARE}[frequency={k}]" for k in range(1, 6)] + [LIVE]
    expected = variant.artifacts.read(SHARE, 20, frequency=3).item()
    assert frame.loc[(FAMILY, variant.name, 20), f"{SHARE}[frequency=3]"] == expected
    norms = variant.table(["fourier.embedding_frequencies/component_norm"])
    assert norms.columns[1] == "fourier.embedding_frequencies/component_norm[component=cos 1]"


def test_settings_and_whole_analyzers_are_columns_too(shared):
    frame = shared.table(columns=["seed", "fourier.embedding_frequencies", "train_loss"])
    assert list(frame.columns) == ["seed", GINI, f"{GINI}_without_constant", "train_loss"]
    assert frame["seed"].tolist() == [0, 0, 0, 1, 1, 1]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """p = 11, trained to 6 and analysed at its end only, and p = 7, trained to 4, with one analyzer."""
    workspace = Workspace.create(tmp_path_factory.mktemp("mixed") / "workspace")
    for p, schedule in ((7, "0,4"), (11, "0,4,6")):
        variant = workspace.new_variant(FAMILY, {**TINY, "p": p, "epochs": int(schedule[-1])})
        train(variant, schedule=schedule)
        if p == 11:
            analyze(variant, epochs=[6])
        else:
            analyze(variant, analyzers=["embedding_frequencies"])
    return workspace


def test_variants_of_other_shapes_have_no_value_where_they_have_no_coordinate(mixed):
    frame = mixed.table(columns=["p", SHARE, LIVE]).reset_index("epoch").reset_index(drop=True)
    assert frame["p"].tolist() == [11, 11, 11, 7, 7]
    assert frame[f"{SHARE}[frequency=3]"].notna().tolist() == [False, False, True, True, True]
    assert frame[f"{SHARE}[frequency=5]"].notna().tolist() == [False, False, True, False, False]
    assert frame[LIVE].notna().tolist() == [False, False, True, False, False]


def test_without_series_it_is_read_from_the_units_and_said_so(workspace, caplog):
    before = workspace.table(columns=[GINI, SHARE, LIVE])
    for path in workspace.path.rglob(SERIES_FILE):
        path.unlink()
    pd.testing.assert_frame_equal(workspace.table(columns=[GINI, SHARE, LIVE]), before)
    assert "4 series were read from their units" in caplog.text


def test_as_xarray_arrays_keep_their_axis(shared):
    variant = shared.variants()[0]
    data = variant.series([SHARE, GINI, "test_loss", "seed"])
    assert data[SHARE].dims == ("epoch", "frequency")
    assert data[SHARE].sel(epoch=20, frequency=3).item() == variant.artifacts.read(SHARE, 20, frequency=3).item()
    assert data["test_loss"].sel(epoch=40).item() == variant.metrics.loc[40, "test_loss"]
    assert (data.attrs["variant"], data.attrs["seed"]) == (variant.name, 0)
    assert set(METRICS) <= set(variant.series())


def test_as_xarray_variants_have_common_axes_and_no_value_where_they_have_none(mixed):
    larger, smaller = mixed.variants()
    data = mixed.series(columns=["p", "seed", SHARE, LIVE, "test_loss", FRACTION])
    assert dict(data.sizes) == {"variant": 2, "epoch": 3, "frequency": 5, "neuron": 32}
    assert data["variant"].values.tolist() == [larger.name, smaller.name]
    assert data["family"].values.tolist() == [FAMILY] * 2
    assert (data["p"].values.tolist(), data["p"].dims) == ([11, 7], ("variant",))
    assert data["epoch"].values.tolist() == [0, 4, 6]
    assert data["frequency"].values.tolist() == [1, 2, 3, 4, 5]
    assert data[SHARE].dims == ("variant", "epoch", "frequency")
    assert (data[SHARE].attrs["units"], data[SHARE].dtype) == ("1", larger.artifacts.series(SHARE).dtype)
    there = data[SHARE].notnull()
    assert there.sel(variant=larger.name).values.tolist() == [[False] * 5, [False] * 5, [True] * 5]
    assert there.sel(variant=smaller.name).values.tolist() == [[True] * 3 + [False] * 2] * 2 + [[False] * 5]
    for variant, epochs in ((larger, [6]), (smaller, [0, 4])):
        own = data.sel(variant=variant.name)
        for epoch in epochs:
            kept = variant.artifacts.read(SHARE, epoch)
            np.testing.assert_array_equal(own[SHARE].sel(epoch=epoch, frequency=kept["frequency"]), kept)
        trained = variant.metrics["test_loss"].reindex([0, 4, 6])  # p = 7 has no epoch 6
        np.testing.assert_array_equal(own["test_loss"], trained)
    np.testing.assert_array_equal(
        data[FRACTION].sel(variant=larger.name, epoch=6).transpose("frequency", "neuron"),
        larger.artifacts.read(FRACTION, 6).transpose("frequency", "neuron"),
    )
    assert data[LIVE].dtype == np.float64  # it is a whole number, which cannot be missing
    assert int(data[LIVE].notnull().sum()) == 1


def test_as_xarray_variants_that_fit_together_keep_their_types_and_their_table(shared):
    data = shared.series()
    assert data[LIVE].dtype == np.int32
    flat = data.to_dataframe().reset_index().set_index(["family", "variant", "epoch"])
    frame = shared.table()
    pd.testing.assert_frame_equal(flat[frame.columns], frame, check_index_type=False, check_column_type=False)
    first, second = shared.variants()
    one = shared.series([second, second.name], ["train_loss"])
    assert one["variant"].values.tolist() == [second.name]
    np.testing.assert_array_equal(data["train_loss"].sel(variant=second.name), one["train_loss"].values[0])
    xr.testing.assert_identical(first.series([SHARE])[SHARE], data_of(shared, first, SHARE))
    assert dict(shared.series([]).sizes) == {"variant": 0, "epoch": 0}


def data_of(workspace, variant, name):
    return workspace.series(columns=[name])[name].sel(variant=variant.name).drop_vars(("variant", "family"))


def test_names_stand_along_variant_with_their_family_only_where_two_families_have_them(shared, tmp_path):
    workspace = Workspace(shutil.copytree(shared.path, tmp_path / "workspace"))
    declared = json.loads((workspace.path / "model_families" / FAMILY / "family.json").read_text())
    (workspace.path / "model_families" / "other").mkdir()
    (workspace.path / "model_families" / "other" / "family.json").write_text(json.dumps({**declared, "name": "other"}))
    train(workspace.new_variant("other", {**TINY, "seed": 0, "epochs": 2}), schedule="0,2")
    data = workspace.series(columns=["seed", "train_loss", GINI])
    names = data["variant"].values.tolist()
    first, second = shared.variants()
    assert names == [f"{FAMILY}/{first.name}", second.name, f"other/{first.name}"]
    assert data["family"].values.tolist() == [FAMILY, FAMILY, "other"]
    assert data["seed"].values.tolist() == [0, 1, 0]
    assert [workspace.variant(name).family.name for name in names] == data["family"].values.tolist()
    assert data[GINI].notnull().sum("epoch").values.tolist() == [3, 3, 0]


def test_coordinates_are_joined_in_the_order_that_they_have():
    numbers, names = [np.array([1, 2, 5]), np.array([2, 3])], [np.array(["c", "x 1"]), np.array(["c", "x 2", "x 1"])]
    assert dataset._union("k", numbers).tolist() == [1, 2, 3, 5]
    assert dataset._union("k", names).tolist() == ["c", "x 2", "x 1"]
    assert dataset._union("k", [np.array([5, 1])] * 2).tolist() == [5, 1]
    with pytest.raises(InvalidSetting, match="'k' has numbers as coordinates in some of these arrays, and names in"):
        dataset._union("k", [np.array([1]), np.array(["c"], dtype=object)])
    with pytest.raises(InvalidSetting, match="'k' differs between these arrays or variants, and has a coordinate twi"):
        dataset._union("k", [np.array([1, 1]), np.array([1])])


def test_settings_are_numbers_where_they_can_be():
    assert dataset._setting([1, 2]).dtype.kind == "i"
    assert np.isnan(dataset._setting([0.5, None, 1])[1])
    assert dataset._setting([[[0, 1]], None, [[0, 1]]]).tolist() == [[[0, 1]], None, [[0, 1]]]
    assert dataset._setting([True, False]).tolist() == [True, False]


def test_what_cannot_be_a_dataset_is_one_clear_error(shared, monkeypatch):
    with pytest.raises(UnknownName, match="no column 'fourier.embedding_frequencies/gni'. Did you mean"):
        shared.series(columns=["fourier.embedding_frequencies/gni"])
    with pytest.raises(UnknownName, match="no variant 'nothing'"):
        shared.series(["nothing"])
    with monkeypatch.context() as smaller:
        smaller.setattr(columns, "LARGEST", 100)
        with pytest.raises(InvalidSetting, match="fraction holds 160 numbers at each epoch; .* up to 100. Read it"):
            shared.series(columns=[FRACTION])
    one, other = shared.series(columns=[SHARE])[SHARE].rename("share")
    with pytest.raises(InvalidSetting, match="has the axes .*'frequency'.* in one variant and .*'k'.* in another"):
        dataset._common("share", {0: one, 1: other.rename(frequency="k")})
    with pytest.raises(InvalidSetting, match="has the units '1' in one variant and 'nat' in another"):
        dataset._common("share", {0: one, 1: other.assign_attrs(units="nat")})
    monkeypatch.setattr(dataset.os, "sysconf", lambda name: 10)
    with pytest.raises(InvalidSetting, match="GB or more, and this machine has 0.0 GB of memory. Ask for fewer"):
        shared.series(columns=[SHARE])


def test_names_that_are_not_there_are_one_clear_error(shared):
    with pytest.raises(UnknownName, match="no column 'fourier.embedding_frequencies/gni'. Did you mean"):
        shared.table(columns=["fourier.embedding_frequencies/gni"])
    with pytest.raises(UnknownName, match="Did you mean 'test_loss'"):
        shared.table(columns=["tset_loss"])
    with pytest.raises(UnknownName, match="no column 'fourier.nothing'"):
        shared.table(columns=["fourier.nothing"])
    with pytest.raises(InvalidSetting, match="has the axes frequency, neuron; a table takes arrays with at most one"):
        shared.table(columns=[FRACTION])


def test_metrics_at_some_epochs_are_those_of_the_file(shared, tmp_path):
    whole = shared.variants()[0].metrics_file.read()
    found = shared.variants()[0].metrics_file.at([3, 0, 40, 99])
    for name in METRICS:
        assert found[name][:3].tolist() == [whole[name][3], whole[name][0], whole[name][40]]
        assert math.isnan(found[name][3])
    path = tmp_path / "metrics.csv"
    path.write_text(",".join(["epoch", *METRICS]) + "\n0,1,2,3,4\n10,5,6,7,\n20,8,9,10,11\n3")
    gaps = MetricsFile(path).at([10, 5, 20])
    assert gaps["train_loss"].tolist()[::2] == [5, 8]
    assert math.isnan(gaps["train_loss"][1])
    assert math.isnan(gaps["test_accuracy"][0])


def test_csv_and_parquet_give_the_table_back(run, shared, tmp_path):
    where = ("--workspace", shared.path)
    frame = shared.table(columns=[GINI, "test_loss"])
    for name in ("table.csv", "table.parquet"):
        if name.endswith("parquet"):
            pytest.importorskip("pyarrow")
        for _ in range(2):  # replaced the second time
            printed = run("table", "--columns", f"{GINI},test_loss", "--out", tmp_path / name, *where)
        assert "6 rows of 2 variants, 2 columns" in printed
        read = pd.read_csv if name.endswith("csv") else pd.read_parquet
        back = read(tmp_path / name).set_index(["family", "variant", "epoch"])
        pd.testing.assert_frame_equal(back, frame, check_index_type=False)
    late = pd.read_csv(tmp_path / "table.csv").query("epoch >= 20").groupby("variant")["test_loss"].min()
    assert late.tolist() == [one.metrics.loc[[20, 40], "test_loss"].min() for one in shared.variants()]
    assert run("table", "-c", GINI, *where).splitlines()[0] == f"family,variant,epoch,{GINI}"


@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_duckdb_queries_it(run, shared, tmp_path, ending):
    duckdb = pytest.importorskip("duckdb")
    pytest.importorskip("pyarrow")
    file = tmp_path / f"table.{ending}"
    run("table", "--columns", f"seed,test_loss,{GINI}", "--out", file, "--workspace", shared.path)
    rows = duckdb.sql(
        f"""select variant, max(epoch), min(test_loss), max("{GINI}") from '{file}' where seed < 2
        group by variant order by variant"""
    ).fetchall()
    for (name, epoch, loss, gini), variant in zip(rows, shared.variants(), strict=True):
        assert (name, epoch) == (variant.name, 40)
        assert loss == pytest.approx(variant.metrics.loc[[0, 20, 40], "test_loss"].min())
        assert gini == pytest.approx(variant.artifacts.series(GINI).max().item())


def test_an_ending_that_is_not_known_and_a_missing_package_are_one_clear_error(run, shared, tmp_path, monkeypatch):
    where = ("--workspace", shared.path)
    assert "must end in .csv or .parquet" in run("table", "--out", "table.xlsx", *where, code=2)
    real = builtins.__import__

    def without(name, *arguments, **options):
        if name == "pyarrow":
            raise ImportError(name)
        return real(name, *arguments, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    assert "Parquet needs the package pyarrow" in run("table", "--out", tmp_path / "t.parquet", *where, code=2)
    assert list(tmp_path.iterdir()) == []
