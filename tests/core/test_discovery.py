"""One broken plug-in is a row with its error, and the others work."""

import logging

import pytest

from dynascope import PluginError, UnknownName
from dynascope.plugins import discover

GOOD = """
    from dynascope import Analyzer, Output, View, hookimpl

    class Count(Analyzer):
        name = "count"
        description = "Rows of the probe."
        outputs = {"rows": Output((), "int32", "rows", "how many")}
        def analyze(self, step):
            return {"rows": len(step.batch.inputs)}

    @hookimpl
    def dynascope_analyzers():
        return [Count()]
"""


def only_row(*distributions, **options):
    rows = discover(distributions, **options).plugins
    assert len(rows) == 1
    return rows[0]


@pytest.fixture(autouse=True)
def quiet(caplog):
    caplog.set_level(logging.ERROR)


def test_a_plug_in_is_listed_with_what_it_provides(install):
    row = only_row(install(GOOD, name="good", version="2.1"))
    assert (row.name, row.distribution, row.version, row.status) == ("good", "dynascope-good", "2.1", "active")
    assert row.provides == {"analyzers": ("count",)}
    assert row.error == ""


def test_an_object_is_found_by_id_and_by_bare_name(install):
    found = discover([install(GOOD, name="good")])
    assert found.analyzer("good.count") is found.analyzer("count")


def test_an_unknown_name_suggests_the_nearest_one(install):
    found = discover([install(GOOD, name="good")])
    with pytest.raises(UnknownName, match=r"no analyzer 'cuont'. Did you mean 'count'\?"):
        found.analyzer("cuont")


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        ("raise RuntimeError('boom')", "RuntimeError: boom"),
        ("def not python", "SyntaxError"),
        (
            "from dynascope import hookimpl\n@hookimpl\ndef dynascope_analysers():\n    return []",
            "no hook 'dynascope_analysers'. Did you mean 'dynascope_analyzers'?",
        ),
        ("def dynascope_views():\n    return []", "dynascope_views is not marked: put @dynascope.hookimpl above it"),
        (
            GOOD.replace("[Count()]", "[Count]"),
            "dynascope_analyzers returned the class Count; did you forget the ()?",
        ),
        (GOOD.replace("[Count()]", "Count()"), "must return an iterable; it returned Count. Put it in a list."),
        (GOOD.replace("[Count()]", "[3]"), "must return Instrument objects; it returned 3"),
        (GOOD.replace('"count"', '"Count!"'), "name 'Count!' must be a string that matches"),
        (GOOD.replace('"int32"', '"float16"'), "dtype must be an integer, float32, float64 or 'str'; found 'float16'"),
        (GOOD.replace("[Count()]", "[Count(), Count()]"), "The name 'count' in analyzers is provided twice"),
        (GOOD.replace("return [Count()]", "yield Count()\n        raise ValueError('late')"), "ValueError: late"),
    ],
)
def test_a_broken_plug_in_is_a_row_that_says_why(install, code, message):
    row = only_row(install(code, name="bad"))
    assert row.status == "failed"
    assert message in row.error
    assert "while loading plug-in 'bad' from dynascope-bad 1.0" in row.error


def test_an_entry_point_that_names_a_class_is_told_to_name_a_module(install):
    code = "class Plugin:\n    pass"
    assert "names the class Plugin; name a module" in only_row(install(code, name="bad", target=":Plugin")).error


def test_a_broken_plug_in_does_not_stop_the_others(install, caplog):
    caplog.set_level(logging.WARNING)
    found = discover([install("raise RuntimeError('boom')", name="bad"), install(GOOD, name="good")])
    assert [(row.name, row.status) for row in found.plugins] == [("bad", "failed"), ("good", "active")]
    assert list(found.all("analyzers")) == ["good.count"]
    assert "boom" in caplog.text


def test_strict_mode_raises(install, monkeypatch):
    broken = install("raise RuntimeError('boom')", name="bad")
    monkeypatch.setenv("DYNASCOPE_STRICT_PLUGINS", "1")
    with pytest.raises(PluginError, match="boom.*while loading plug-in 'bad'"):
        discover([broken])


def test_a_blocked_plug_in_is_not_imported(install, monkeypatch):
    monkeypatch.setenv("DYNASCOPE_BLOCK", "other, bad")
    row = only_row(install("raise RuntimeError('boom')", name="bad"))
    assert (row.status, row.error) == ("blocked", "")


def test_two_plug_ins_of_one_name_are_an_error_that_names_both(install):
    first = install(GOOD, name="good", distribution="aaa")
    second = install(GOOD, name="good", distribution="bbb", version="3.0")
    rows = discover([second, first]).plugins
    assert [row.status for row in rows] == ["active", "failed"]
    assert "'good' is also provided by aaa 1.0" in rows[1].error
    assert "bbb 3.0" in rows[1].error


def test_two_probes_of_one_name_are_an_error_that_names_both(install):
    code = """
        from dynascope import Probe, hookimpl

        @hookimpl
        def dynascope_probes():
            return [Probe("mine", "Mine", lambda config: None)]
    """
    found = discover([install(code, name="one"), install(code, name="two")])
    assert [row.status for row in found.plugins] == ["active", "failed"]
    assert "plug-in 'one' (dynascope-one 1.0) and plug-in 'two' (dynascope-two 1.0)" in found.plugins[1].error
    assert list(found.all("probes")) == ["one.mine"]


def test_two_analyzers_of_one_bare_name_are_told_apart_by_their_ids(install):
    found = discover([install(GOOD, name="one"), install(GOOD, name="two")])
    assert list(found.all("analyzers")) == ["one.count", "two.count"]
    with pytest.raises(UnknownName, match="Choices: one.count, two.count"):
        found.analyzer("count")


def test_a_distribution_that_is_found_twice_counts_once(install):
    distribution = install(GOOD, name="good")
    assert len(discover([distribution, distribution]).plugins) == 1


def test_the_installed_plug_ins_are_active_and_sorted():
    found = discover(strict=True)
    names = [row.name for row in found.plugins]
    assert {"fourier", "general", "modular_addition", "training"} <= set(names)
    assert names == sorted(names)
    assert list(found.all("views")) == sorted(found.all("views"))


def test_a_plug_in_that_exits_at_import_is_a_row(install):
    assert "SystemExit: 3" in only_row(install("import sys; sys.exit(3)", name="bad")).error


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("outputs =", 'reads = ("neurons")\n        outputs =', "reads must be a tuple; mind the comma"),
        ('{"rows": Output((), ', '{"Rows": Output((), ', r"outputs are named [a-z][a-z0-9_]*"),
        ('{"rows": Output((), ', '{"units": Output((), ', "not epoch, variant, units, ranges"),
        ('{"rows": ', '{"n": Output(("rows",), "int32", "1", "x"), "rows": ', "must be that axis' coordinates"),
    ],
)
def test_a_declaration_that_would_lose_data_is_refused(install, old, new, message):
    row = only_row(install(GOOD.replace(old, new), name="bad"))
    assert row.status == "failed"
    assert message in row.error
