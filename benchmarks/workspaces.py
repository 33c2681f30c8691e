"""The workspaces that the workbench is measured on: trained and analysed once, and kept where one asks for it."""

from dynascope import Variant, Workspace, analyze, registry, train
from dynascope.training.ensemble import plan_ensemble, train_ensemble

FAMILY = "modular_addition_1layer"
SMALL = {"p": 5, "train_fraction": 0.5, "d_model": 8, "n_heads": 2, "d_head": 4, "d_mlp": 8}


def usual(folder):
    """Two variants of p = 113 with 300 checkpoints, and what the default views read of them."""
    _one(folder, {"p": 113, "epochs": 299, "seed": 0}, "0:300:1")
    return _one(folder, {"p": 113, "epochs": 299}, "0:300:1")


def long(folder):
    """One small variant with 10,000 checkpoints, and what the default views read of it."""
    return _one(folder, {**SMALL, "epochs": 9_999}, "0:10000:1")


def many(folder):
    """A thousand small variants with two checkpoints each, nothing of them analysed."""
    workspace = Workspace.create(folder)
    missing = 1_000 - len(workspace.variants())
    if missing > 0:
        family = workspace.family(FAMILY)
        configs = [family.configure({**SMALL, "epochs": 2, "seed": seed}) for seed in range(1_000)]
        variants = [Variant(family, config, workspace.variant_folder(FAMILY, config.name)) for config in configs]
        train_ensemble(plan_ensemble(variants, schedule="0,2", keep_optimizer="none"))
    return workspace


def _one(folder, settings, schedule):
    workspace = Workspace.create(folder)
    variant = workspace.new_variant(FAMILY, settings)
    if variant.state != "trained":
        train(variant, schedule=schedule, keep_optimizer="none")
    base = variant.family.base
    views = [registry().all("views")[name].item for name in registry().all("reports")[base.default_report].item.views]
    read = {read.partition("/")[0] for view in views for read in view.reads if read != "metrics"}
    analyze(variant, analyzers=sorted(read | {base.phases, base.events}))
    return workspace


KINDS = {"usual": usual, "long": long, "many": many}
