import json

import numpy as np
import pytest
from safetensors import safe_open

from dynascope import CheckpointError
from dynascope.store.checkpoints import CheckpointFolder


@pytest.fixture
def folder(tmp_path):
    return CheckpointFolder(tmp_path / "checkpoints", identity="abc", family="f", variant="v")


WEIGHTS = {"a": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.ones(2)}


def test_weights_come_back_as_they_were(folder):
    folder.write(100, WEIGHTS)
    folder.write(0, {name: array.T for name, array in WEIGHTS.items()})
    assert folder.epochs() == [0, 100]
    for name, array in folder.read(100).items():
        np.testing.assert_array_equal(array, WEIGHTS[name])
    np.testing.assert_array_equal(folder.read(0)["a"], WEIGHTS["a"].T)


@pytest.mark.parametrize("epoch", [-1, 100_000_000])
def test_an_epoch_that_no_name_can_hold_is_refused(folder, epoch):
    with pytest.raises(CheckpointError, match=f"cannot have a checkpoint of epoch {epoch}: they go from 0 to 99999999"):
        folder.write(epoch, WEIGHTS)
    assert not folder.path.exists()


def test_the_header_says_whose_weights_they_are(folder):
    folder.write(7, WEIGHTS)
    with safe_open(folder.file(7), framework="numpy") as file:
        header = json.loads(file.metadata()["dynascope"])
    assert header == {
        "format": 1,
        "family": "f",
        "variant": "v",
        "epoch": 7,
        "config_sha256": "abc",
        "weights_sha256": folder.digest(7),
    }


def test_equal_checkpoints_are_equal_bytes(folder):
    contents = set()
    for _ in range(5):
        folder.write(1, WEIGHTS)
        contents.add(folder.file(1).read_bytes())
    assert len(contents) == 1


def test_equal_weights_have_equal_digests(folder):
    folder.write(1, WEIGHTS)
    folder.write(2, dict(reversed(WEIGHTS.items())))
    folder.write(3, {**WEIGHTS, "b": np.zeros(2)})
    assert folder.digest(1) == folder.digest(2) != folder.digest(3)


def test_a_missing_epoch_names_the_nearest(folder):
    folder.write(100, WEIGHTS)
    with pytest.raises(CheckpointError, match=r"no checkpoint of epoch 90. The nearest one is epoch 100"):
        folder.read(90)


@pytest.mark.parametrize("keep", [0, 5, 100, -3])
def test_a_truncated_file_is_damaged(folder, keep):
    folder.write(1, WEIGHTS)
    content = folder.file(1).read_bytes()
    folder.file(1).write_bytes(content[:keep])
    with pytest.raises(CheckpointError, match="is damaged or not a safetensors file"):
        folder.read(1)


def test_a_flipped_bit_is_found(folder):
    folder.write(1, WEIGHTS)
    content = bytearray(folder.file(1).read_bytes())
    content[-1] ^= 1
    folder.file(1).write_bytes(content)
    with pytest.raises(CheckpointError, match="do not have the hash"):
        folder.read(1)


def test_a_checkpoint_of_another_variant_family_or_epoch_is_refused(folder):
    other = CheckpointFolder(folder.path, identity="xyz", family="g", variant="w")
    other.write(1, WEIGHTS)
    with pytest.raises(CheckpointError, match="config_sha256 'xyz' instead of 'abc'; it says that it is of w of g"):
        folder.read(1)
    folder.write(2, WEIGHTS)
    folder.file(2).rename(folder.file(3))
    with pytest.raises(CheckpointError, match="epoch 2 instead of 3"):
        folder.read(3)


def test_other_files_in_the_folder_are_not_checkpoints(folder):
    folder.write(1, WEIGHTS)
    (folder.path / "epoch_1.safetensors").touch()
    (folder.path / ".epoch_00000002.safetensors.1-x.tmp").touch()
    assert folder.epochs() == [1]


def test_digests_are_read_once_and_again_where_a_file_has_changed(tmp_path, monkeypatch):
    folder = CheckpointFolder(tmp_path / "checkpoints", identity="me", family="f", variant="v")
    for epoch in (0, 10, 20):
        folder.write(epoch, {"w": np.full(3, epoch, dtype=np.float32)})
    first = folder.digests()
    assert first == {epoch: folder.digest(epoch) for epoch in (0, 10, 20)}

    opened = []
    read = CheckpointFolder.digest
    monkeypatch.setattr(CheckpointFolder, "digest", lambda self, epoch: opened.append(epoch) or read(self, epoch))
    assert folder.digests() == first
    assert opened == []
    folder.write(10, {"w": np.zeros(3, dtype=np.float32)})
    folder.file(20).write_bytes(b"nothing")
    again = folder.digests()
    assert opened == [10, 20]
    assert again[0] == first[0]
    assert again[10] == read(folder, 10) != first[10]
    assert isinstance(again[20], CheckpointError)

    other = CheckpointFolder(tmp_path / "checkpoints", identity="another", family="f", variant="v")
    assert all(isinstance(digest, CheckpointError) for digest in other.digests().values())
    (tmp_path / "checkpoints.index.json").write_text("{")
    assert folder.digests()[0] == first[0]
