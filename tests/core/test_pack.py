"""One file for travel: the same tree, labels included, whole or not there at all."""

import h5py
import numpy as np
import pytest
import xarray as xr

from dynascope import ArtifactError, UnknownName, WorkspaceError
from dynascope.store.hdf5 import open_trusted
from dynascope.store.pack import pack

EMBEDDING = "fourier.embedding_frequencies"


@pytest.fixture
def variant(shared):
    return shared.variants()[0]


@pytest.fixture
def packed(variant, tmp_path):
    assert pack(variant.artifacts, tmp_path / "packed.h5") == 9
    return tmp_path / "packed.h5"


def test_it_holds_what_the_units_hold_byte_for_byte(variant, packed):
    with open_trusted(packed) as file:
        assert list(file) == ["00000000", "00000020", "00000040"]
        for analyzer in variant.artifacts.analyzers():
            for epoch, unit in variant.artifacts.units(analyzer).items():
                with open_trusted(unit.path) as stored:
                    one, other = (h5["/".join((f"{epoch:08d}", analyzer))] for h5 in (stored, file))
                    assert dict(one.attrs) == dict(other.attrs)
                    assert list(one) == list(other)
                    for name, array in one.items():
                        copy = other[name]
                        np.testing.assert_array_equal(array[()], copy[()])
                        assert (array.dtype, array.chunks, array.fletcher32) == (
                            copy.dtype, copy.chunks, copy.fletcher32,
                        )  # fmt: skip
                        for dim, same in zip(array.dims, copy.dims, strict=True):
                            assert [scale.name for scale in dim.values()] == [scale.name for scale in same.values()]


@pytest.mark.parametrize("engine", ["h5netcdf", "netcdf4"])
def test_xarray_opens_it_with_labels(variant, packed, engine):
    with xr.open_datatree(packed, engine=engine) as tree:
        for analyzer in variant.artifacts.analyzers():
            for name, array in variant.artifacts[20][analyzer].items():
                found = tree[f"00000020/{analyzer}"][name]
                assert found.dims == array.dims
                np.testing.assert_allclose(found.values, array.values, atol=1e-6) if array.dtype.kind == "f" else (
                    np.testing.assert_array_equal(found.values.astype(array.dtype), array.values)
                )
        assert tree[f"00000020/{EMBEDDING}"].attrs["epoch"] == 20
    with xr.open_dataset(packed, engine=engine, group=f"00000040/{EMBEDDING}") as data:
        np.testing.assert_array_equal(data["frequency"], [1, 2, 3, 4, 5])
        assert data["power_share"].dims == ("frequency",)


def test_only_some_analyzers(variant, tmp_path):
    assert pack(variant.artifacts, tmp_path / "one.h5", analyzers=[EMBEDDING]) == 3
    with h5py.File(tmp_path / "one.h5") as file:
        assert list(file["00000020"]) == [EMBEDDING]
    with pytest.raises(UnknownName, match="Did you mean 'fourier.embedding_frequencies'"):
        pack(variant.artifacts, tmp_path / "two.h5", analyzers=["fourier.embeding_frequencies"])


def test_nothing_is_overwritten_and_nothing_half_is_left(workspace, tmp_path):
    variant = workspace.variants()[0]
    out = tmp_path / "packed.h5"
    out.write_text("mine")
    with pytest.raises(WorkspaceError, match="exists; nothing is overwritten"):
        pack(variant.artifacts, out)
    assert out.read_text() == "mine"
    out.unlink()
    path = variant.artifacts.units(EMBEDDING)[40].path
    path.write_bytes(path.read_bytes()[:-10])
    with pytest.raises(ArtifactError, match="is damaged") as caught:
        pack(variant.artifacts, out)
    assert "repair" in " ".join(caught.value.__notes__)
    assert [entry.name for entry in tmp_path.iterdir()] == ["workspace"]


def test_from_the_command_line(run, shared, variant, tmp_path):
    out = tmp_path / "packed.h5"
    where = ("--workspace", shared.path)
    assert f"9 units in {out}" in run("artifacts", "pack", variant.name, "--out", out, *where)
    assert "nothing is overwritten" in run("artifacts", "pack", variant.name, "--out", out, *where, code=2)
