"""The sites of the residual stream are what their names say."""

import numpy as np
import torch
from stand_ins import measured, step
from tiny import TINY

from dynascope.instruments.geometry import LABEL, SITES, RepresentationGeometry
from dynascope_modular_addition.family import ModularAddition1Layer
from dynascope_modular_addition.probes import FULL_GRID


def test_the_stream_grows_by_what_attention_and_neurons_add_and_is_constant_before():
    family = ModularAddition1Layer()
    config = family.configure(TINY)
    weights = family.init(config)
    inputs = FULL_GRID.make(config).inputs
    sites = {name: family.sites(config)[name] for name in SITES}
    kept = {}

    def keep(activation, hook):
        kept[hook.name] = activation[:, -1].detach().numpy()

    wanted = [site.hook for site in sites.values()] + ["blocks.0.hook_attn_out", "blocks.0.hook_mlp_out"]
    # Hooks that go by an alias report their other name.
    found = {}
    for name in wanted:
        kept.clear()
        with torch.no_grad():
            family.hooked(config, weights).run_with_hooks(torch.from_numpy(inputs), fwd_hooks=[(name, keep)])
        (found[name],) = kept.values()
    before, between, after = (found[site.hook] for site in sites.values())
    np.testing.assert_allclose(between - before, found["blocks.0.hook_attn_out"], atol=1e-6)
    np.testing.assert_allclose(after - between, found["blocks.0.hook_mlp_out"], atol=1e-6)

    arrays = {name: found[site.hook] for name, site in sites.items()}
    label = family.rows(config, inputs)["label"]
    geometry = measured(RepresentationGeometry(), step({**arrays, LABEL: label}))
    assert geometry["constant"].tolist() == [True, False, False]
    assert np.isfinite(geometry["snr"][1:]).all()
