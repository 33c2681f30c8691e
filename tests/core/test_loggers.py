"""Curves for TensorBoard and W&B are the numbers that were measured."""

import struct
import sys
from types import SimpleNamespace

import pytest

from dynascope import ExchangeError, export_variant

GINI = "fourier.embedding_frequencies/gini"


def events_of(folder):
    """Return the scalars of the event files of a folder: by name, the number at each epoch."""
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto.event_pb2 import Event

    found = {}
    (file,) = folder.glob("*/events.out.tfevents.*")
    data = file.read_bytes()
    at = 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        event = Event.FromString(data[at + 12 : at + 12 + length])
        at += 16 + length
        for value in event.summary.value:
            if value.HasField("simple_value"):
                found.setdefault(value.tag, {})[event.step] = value.simple_value
    return found


def test_tensorboard_has_every_epochs_metrics_and_every_scalar(shared, tmp_path):
    pytest.importorskip("tensorboardX")
    variant = shared.variants()[0]
    (said,) = export_variant(variant, "tensorboard", tmp_path / "log")
    found = events_of(tmp_path / "log")
    metrics = variant.metrics
    assert sorted(found["train_loss"]) == list(metrics.index)
    assert found["test_loss"][40] == pytest.approx(metrics.loc[40, "test_loss"], rel=1e-6)
    gini = variant.artifacts.series(GINI)
    assert found[GINI] == {int(epoch): pytest.approx(float(gini.sel(epoch=epoch)), rel=1e-6) for epoch in (0, 20, 40)}
    assert said.startswith(f"{len(found)} curves")
    export_variant(variant, "tensorboard", tmp_path / "some", epochs=[40])
    assert list(events_of(tmp_path / "some")[GINI]) == [40]


def test_wandb_is_told_the_same_offline(shared, tmp_path, monkeypatch):
    """The package itself is large; what it is told is what counts."""
    logged, made = {}, {}
    run = SimpleNamespace(log=lambda row, step: logged.__setitem__(step, row), finish=lambda: made.update(ended=True))
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **how: made.update(how) or run))
    variant = shared.variants()[0]
    export_variant(variant, "wandb", tmp_path / "run")
    assert made["mode"] == "offline" and made["ended"] and made["name"] == variant.name
    assert made["config"]["p"] == 11
    assert logged[40]["train_loss"] == pytest.approx(variant.metrics.loc[40, "train_loss"])
    assert GINI in logged[20] and GINI not in logged[21]


def test_without_its_package_nothing_is_written(shared, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ExchangeError, match="W&B's files need wandb, which is not installed. Run: pip install wandb"):
        export_variant(shared.variants()[0], "wandb", tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_curves_cannot_be_imported(run, new_workspace, tmp_path):
    assert "it can be written, not imported" in run(
        "import", tmp_path, "--as", "tensorboard", "-w", new_workspace.path, code=2
    )
    (tmp_path / "x").write_text("x")
    assert "TensorBoard" not in run("import", tmp_path / "x", "-w", new_workspace.path, code=2)
