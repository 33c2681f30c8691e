"""Artifacts that are damaged, left over, stale or orphaned: found, mended, removed; what is whole and fresh stays."""

import json
import os
import platform
import random
import re
import shutil
import subprocess
import sys

import h5py
import pytest

from dynascope import ArtifactError, analyze, registry
from dynascope.analysis import plan, upkeep
from dynascope.plugins import PluginRow, Registry
from dynascope.store.series import SERIES_FILE
from dynascope.store.units import list_units
from dynascope.store.verify import check_unit

EMBEDDING, NEURONS = "fourier.embedding_frequencies", "fourier.neuron_frequencies"


@pytest.fixture
def variant(workspace):
    return workspace.variants()[0]


def kinds(variant, **options):
    return sorted((found.kind, found.path.name) for found in upkeep.verify(variant, **options).findings)


def flipped(path, place):
    content = path.read_bytes()
    path.write_bytes(content[:place] + bytes([content[place] ^ 4]) + content[place + 1 :])


def files(variant):
    """Everything below the artifacts, with the inode: a file that is replaced by an equal one is another one."""
    found = (path for path in (variant.folder / "artifacts").rglob("*") if path.is_file())
    return {path: path.stat().st_ino for path in found}


def without(kind, name):
    """The installed plug-ins but for one object."""
    found = registry()
    entries = [entry for one in ("families", "probes", "analyzers") for entry in found.all(one).values()]
    return Registry(found.plugins, [entry for entry in entries if (entry.kind, entry.id) != (kind, name)])


def test_what_is_whole_has_no_findings(shared):
    for variant in shared.variants():
        seen = upkeep.verify(variant)
        assert (seen.units, seen.series, seen.findings, seen.damaged) == (9, 3, (), False)
        assert upkeep.repair(variant) == []
        assert upkeep.prunable(variant) == []


def damage_cut(path):
    path.write_bytes(path.read_bytes()[:-100])


def damage_empty(path):
    path.write_bytes(b"")


def damage_array(path):
    with h5py.File(path, "r") as file:
        (group,) = next(iter(file.values())).values()
        place = next(one for one in group.values() if one.chunks).id.get_chunk_info(0).byte_offset
    flipped(path, place)


def damage_scalar(path):
    with h5py.File(path, "r") as file:
        (group,) = next(iter(file.values())).values()
        place = group["gini"].id.get_offset()
    flipped(path, place)


def damage_text(path):
    flipped(path, path.read_bytes().index(b"cos 3"))


def damage_stamp(path):
    with h5py.File(path, "a") as file:
        next(iter(next(iter(file.values())).values())).attrs["checkpoint_sha256"] = "0"


def damage_axis(path):
    with h5py.File(path, "a") as file:
        group = next(iter(next(iter(file.values())).values()))
        group["power_share"].dims[0].detach_scale(group["frequency"])


def damage_lost(path):
    with h5py.File(path, "a") as file:
        del file["00000020"]


def damage_link(path):
    with h5py.File(path, "a") as file:
        file["00000020/elsewhere"] = h5py.ExternalLink("/etc/passwd", "/")


DAMAGES = {name.removeprefix("damage_"): function for name, function in globals().items() if name.startswith("damage_")}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_unit_is_found_removed_and_computed_again(variant, damage):
    unit = variant.artifacts.units(EMBEDDING)[20].path
    DAMAGES[damage](unit)
    assert kinds(variant) == [("damaged", unit.name)]
    assert upkeep.verify(variant).damaged
    assert plan(variant, registry()).fresh == 9  # by its name
    before = files(variant)
    deeds = upkeep.repair(variant)
    assert [(deed.done, deed.path.name) for deed in deeds] == [("removed", unit.name), ("rebuilt", SERIES_FILE)]
    changed = {path for path, inode in before.items() if files(variant).get(path) != inode}
    assert changed == {unit, unit.parent / SERIES_FILE}
    work = analyze(variant)
    assert (work.missing, work.fresh) == (1, 8)
    assert kinds(variant) == []


def test_a_unit_in_the_place_of_another_is_damaged(variant):
    units = variant.artifacts.units(EMBEDDING)
    shutil.copy(units[0].path, units[20].path)
    assert kinds(variant)[0] == ("damaged", units[20].path.name)
    shutil.copy(variant.artifacts.units(NEURONS)[0].path, units[20].path)
    (found,) = upkeep.verify(variant).findings
    assert "it holds 00000000/fourier.neuron_frequencies instead of 00000020/fourier.embedding_freq" in found.reason


def test_no_flipped_bit_goes_unseen(variant):
    """Whatever byte is changed: the file is called damaged, or it still holds the same."""
    unit = variant.artifacts.units(EMBEDDING)[20]
    content, rng = unit.path.read_bytes(), random.Random(0)

    def everything():
        with h5py.File(unit.path) as file:
            group = file[f"00000020/{EMBEDDING}"]
            stored = {name: (array[()].tolist(), sorted(array.attrs)) for name, array in group.items()}
            return stored, {name: str(value) for name, value in group.attrs.items() if name != "created"}

    whole = everything()
    seen = 0
    for _ in range(300):
        place, bit = rng.randrange(len(content)), 1 << rng.randrange(8)
        unit.path.write_bytes(content[:place] + bytes([content[place] ^ bit]) + content[place + 1 :])
        try:
            check_unit(unit, EMBEDDING)
        except ArtifactError:
            seen += 1
        else:
            assert everything() == whole, place
    assert seen > 100


def test_series_that_are_wrong_are_found_and_built_again(variant):
    folder = variant.artifacts.folder
    damaged, changed, outdated = (folder / name / SERIES_FILE for name in variant.artifacts.analyzers())
    damaged.write_bytes(damaged.read_bytes()[:-200])
    with h5py.File(changed, "a") as file:
        file["live_neurons"][1] = 99
    with h5py.File(outdated, "a") as file:
        del file["units"]
        file.create_dataset("units", data=["other.h5"], dtype=h5py.string_dtype())
    seen = upkeep.verify(variant)
    assert [(found.kind, found.path) for found in seen.findings] == [
        ("damaged", damaged), ("damaged", changed), ("outdated", outdated),
    ]  # fmt: skip
    assert "live_neurons at epoch 20 is not what the units hold" in seen.findings[1].reason
    units = {path: inode for path, inode in files(variant).items() if path.name != SERIES_FILE}
    done = [(deed.done, deed.path) for deed in upkeep.repair(variant)]
    assert done == [("removed", path) for path in (damaged, changed, outdated)] + [
        ("rebuilt", path) for path in (damaged, changed, outdated)
    ]
    assert kinds(variant) == []
    assert units.items() <= files(variant).items()


def test_leftovers_and_foreign_files_are_told_apart(variant):
    folder = variant.artifacts.folder / EMBEDDING
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    host = re.sub(r"\W", "_", platform.node())
    dead, alive, elsewhere = (
        folder / f".00000020-0123456789abcdef.h5.{writer}-00000000.tmp"
        for writer in (f"{host}-{child.pid}", f"{host}-{os.getpid()}", "elsewhere-1")
    )
    for path in (dead, alive, elsewhere, folder / "notes.txt", folder.parent / "picture.png"):
        path.write_bytes(b"x")
    expected = [("foreign", "notes.txt"), ("foreign", "picture.png"), ("leftover", dead.name)]
    assert kinds(variant) == sorted([*expected, ("leftover", elsewhere.name)])
    assert not upkeep.verify(variant).damaged
    upkeep.repair(variant)
    assert not dead.exists()
    for path in (alive, elsewhere, folder / "notes.txt", folder.parent / "picture.png"):
        assert path.exists()


def test_a_unit_of_a_newer_version_is_foreign_and_stays(variant):
    path = variant.artifacts.units(EMBEDDING)[20].path
    with h5py.File(path, "a") as file:
        file.attrs["dynascope_format"] = 99
    assert ("foreign", path.name) in kinds(variant)
    upkeep.repair(variant)
    assert path.exists()


def test_a_unit_that_cannot_be_read_is_not_called_damaged(variant):
    path = variant.artifacts.units(EMBEDDING)[20].path
    path.unlink()
    path.mkdir()  # the one thing that not even root can read
    assert ("unreadable", path.name) in kinds(variant)
    upkeep.repair(variant)
    assert path.exists()


def test_a_unit_that_is_replaced_after_it_was_found_damaged_is_not_removed(variant):
    from dynascope.store.repair import repair_folder
    from dynascope.store.verify import verify_folder

    path = variant.artifacts.units(EMBEDDING)[20].path
    whole = path.read_bytes()
    damage_cut(path)
    seen = verify_folder(variant.artifacts)
    path.with_name(".other").write_bytes(whole)
    path.with_name(".other").replace(path)
    repair_folder(variant.artifacts, seen)
    assert path.read_bytes() == whole
    assert kinds(variant) == []


def test_stale_units_are_found_with_the_reason_and_pruned(variant):
    weights = variant.weights(20)
    variant.checkpoint_folder.write(20, {**weights, "embed.weight": weights["embed.weight"] + 1})
    seen = upkeep.verify(variant)
    assert {found.kind for found in seen.findings} == {"stale"}
    assert {found.reason for found in seen.findings} == {"Changed since: checkpoint_sha256."}
    fresh = {unit.path for name in variant.artifacts.analyzers() for unit in list_units(
        variant.artifacts.folder / name)[0]}  # fmt: skip
    found = upkeep.prunable(variant)
    assert [one.path for one in found] == [one.path for one in seen.findings]
    upkeep.prune(variant, found)
    assert [variant.artifacts.epochs(name) for name in variant.artifacts.analyzers()] == [[0, 40]] * 3
    assert fresh <= set(files(variant))
    assert kinds(variant) == []  # the series are those of the units that are left


def test_orphaned_units_are_found_and_pruned(variant):
    variant.checkpoint_folder.file(40).unlink()
    plugins = without("analyzers", NEURONS)
    seen = upkeep.verify(variant, plugins=plugins)
    assert {found.kind for found in seen.findings} == {"orphaned"}
    assert {found.reason for found in seen.findings} == {
        "There is no checkpoint of epoch 40 any more.",
        f"Analyzer {NEURONS} is not installed.",
    }
    upkeep.prune(variant, upkeep.prunable(variant, plugins=plugins))
    assert variant.artifacts.analyzers() == [EMBEDDING, "modular_addition.neuron_activations"]
    assert variant.artifacts.epochs(EMBEDDING) == [0, 20]
    assert not (variant.artifacts.folder / NEURONS).exists()
    assert kinds(variant, plugins=plugins) == []


@pytest.mark.parametrize("status", ["failed", "blocked"])
def test_what_a_plug_in_that_is_not_active_has_made_is_not_orphaned(variant, status):
    found = without("analyzers", NEURONS)
    entries = [entry for one in ("families", "probes", "analyzers") for entry in found.all(one).values()]
    plugins = Registry([PluginRow("fourier", "dynascope-fourier", "0.1.0", status)], entries)
    assert upkeep.prunable(variant, plugins=plugins) == []
    assert upkeep.undecided(variant, plugins=plugins) == {NEURONS: f"plug-in fourier is {status}"}


def test_a_damaged_checkpoint_makes_no_unit_stale(variant):
    path = variant.checkpoint_folder.file(20)
    path.write_bytes(path.read_bytes()[:50])
    assert upkeep.prunable(variant) == []


def test_from_the_command_line(run, workspace, variant):
    where = ("--workspace", workspace.path)
    assert "2 variants, 18 units, 6 series: all is well." in run("artifacts", "verify", *where)
    unit = variant.artifacts.units(EMBEDDING)[20].path
    damage_cut(unit)
    content = json.loads(run("artifacts", "verify", variant.name, "--json", *where, code=1, stream="out"))
    (row,) = content["findings"]
    assert (content["units"], row["kind"], row["epoch"], row["variant"]) == (9, "damaged", 20, variant.name)
    assert row["file"] == f"full_grid/{EMBEDDING}/{unit.name}"
    assert "1 damaged unit removed. To compute what is missing: dynascope analyze" in run("artifacts", "repair", *where)
    assert "Nothing to repair." in run("artifacts", "repair", *where)
    assert "1 unit computed (1 missing)" in run("analyze", *where)
    assert "No unit is stale or orphaned." in run("artifacts", "prune", *where)
    variant.checkpoint_folder.file(40).unlink()
    before = files(variant)
    for option in ((), ("--dry-run",), ("--only", "stale", "--yes")):
        printed = run("artifacts", "prune", *option, *where)
        assert "3 units would be removed; nothing was" in printed or "No unit is stale" in printed
        assert files(variant) == before
    printed = run("artifacts", "prune", "--yes", *where)
    assert "3 units removed." in printed
    assert "There is no checkpoint of epoch 40 any more." in printed
    assert "all is well" in run("artifacts", "verify", *where)
    assert "give one of them" in run("artifacts", "prune", "--yes", "--dry-run", *where, code=2)
    for probe, said in (("x", "There is no probe 'x'"), ("pairs:pairs=1+2", "no probe with artifacts of")):
        assert said in run("artifacts", "verify", variant.name, "--probe", probe, *where, code=2)
