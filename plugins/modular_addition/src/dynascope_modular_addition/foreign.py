"""The weights of other programs in this family's names and shapes, and back.

Four ways of writing the same one-layer transformer are known; ``head`` counts heads, and all else is a width:

- this family's own, TransformerLens' native model: ``blocks.0.attn.q.weight`` ``"head*d_head d_model"``, ...
- HookedTransformer's: ``blocks.0.attn.W_Q`` ``"head d_model d_head"``, ``embed.W_E`` ``"vocab d_model"``, ...
- that of the progress-measures paper, with the same names: ``W_E`` ``"d_model vocab"``, ``W_Q``
  ``"head d_head d_model"``, ``W_O`` ``"d_model head*d_head"``, ...
- flat: HookedTransformer's shapes under ``embed``, ``pos``, ``W_Q``, ..., ``unembed``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dynascope import Adopted, Config, ExchangeError

__all__ = ["adopted", "hooked_transformer"]

HAS = "The family has one layer, embedding, positions, attention, ReLU neurons and unembedding, and no layer norm."
BUFFERS = ("mask", "IGNORE", "causal_mask")
FLAT = {
    "embed": "embed.W_E",
    "pos": "pos_embed.W_pos",
    "pos_embed": "pos_embed.W_pos",
    "unembed": "unembed.W_U",
    "W_E": "embed.W_E",
    "W_pos": "pos_embed.W_pos",
    "W_U": "unembed.W_U",
    "b_U": "unembed.b_U",
    **{f"{kind}_{name}": f"blocks.0.attn.{kind}_{name}" for kind in "Wb" for name in "QKVO"},
    **{f"{kind}_{name}": f"blocks.0.mlp.{kind}_{name}" for kind in "Wb" for name in ("in", "out")},
}
MATRICES = (
    "embed.W_E",
    "pos_embed.W_pos",
    *(f"blocks.0.attn.W_{name}" for name in "QKVO"),
    "blocks.0.mlp.W_in",
    "blocks.0.mlp.W_out",
    "unembed.W_U",
)
BIASES = {
    **{f"blocks.0.attn.b_{name}": f"blocks.0.attn.{name.lower()}.bias" for name in "QKVO"},
    "blocks.0.mlp.b_in": "blocks.0.mlp.in.bias",
    "blocks.0.mlp.b_out": "blocks.0.mlp.out.bias",
    "unembed.b_U": "unembed.bias",
}
OWN_MATRICES = (
    "embed.weight",
    "pos_embed.weight",
    *(f"blocks.0.attn.{name}.weight" for name in "qkvo"),
    "blocks.0.mlp.in.weight",
    "blocks.0.mlp.out.weight",
    "unembed.weight",
)

STATED_AS = {
    "p": ("p", "prime", "modulus"),
    "seed": ("seed", "model_seed"),
    "data_seed": ("data_seed",),
    "train_fraction": ("train_fraction", "training_fraction", "frac_train", "train_frac"),
    "learning_rate": ("learning_rate", "lr"),
    "weight_decay": ("weight_decay", "wd"),
    "betas": ("betas",),
    "warmup": ("warmup",),
    "optimizer": ("optimizer",),
    "device": ("device",),
    "train_pairs": ("train_pairs",),
}
"""The names under which sources state settings, the family's own first."""
EXPECTED: tuple[tuple[tuple[str, ...], tuple[Any, ...], str], ...] = (
    (("n_layers", "num_layers"), (1,), "{} layers"),
    (("act_fn", "act_type", "activation"), ("relu",), "the activation {}"),
    (("normalization_type", "normalization"), (None, "none", ""), "the normalisation {}"),
    (("use_ln",), (False,), "layer norm"),
    (("fn_name", "operation", "op"), ("add", "addition", "+", "x+y"), "the operation {}"),
    (("attn_only",), (False,), "no neurons"),
    (("use_attn_scale",), (True,), "attention without its scale"),
    (("positional_embedding_type",), ("standard",), "positions of the kind {}"),
)
"""What weights cannot show: the names a fact may have, the values that fit, and how another one is called."""


def adopted(state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Adopted:
    """Return foreign weights in this family's names, with the settings that shapes and facts state.

    Raises:
        ExchangeError: another architecture, or a file that lacks a weight; it says what was found.
    """
    _check_facts(facts)
    state = {name: tensor for name, tensor in state.items() if name.rpartition(".")[2] not in BUFFERS}
    if "embed.weight" in state and "blocks.0.attn.q.weight" in state:
        weights, heads = _own(state, facts)
    else:
        weights, heads = _hooked(state)
    weights, notes = _same_type(weights)
    p, settings = _widths(weights, heads)
    for name, theirs in STATED_AS.items():
        found = next((facts[one] for one in theirs if facts.get(one) is not None), None)
        if name == "p":
            if found is not None and not _is_setting(name, found):
                raise ExchangeError(f"The source states p = {found!r}, which is not a number.")
            if found is not None and found != p:
                raise ExchangeError(
                    f"The source states p = {found}, but the embedding has {p + 1} tokens: with `=`, {found + 1} were "
                    f"expected. {HAS}"
                )
        elif found is not None and _is_setting(name, found):
            settings[name] = found
    if settings["recipe"] == "miscope" and any(
        bool(tensor.any()) for name, tensor in weights.items() if name.endswith("bias")
    ):
        notes.append("Biases were trained; the family's recipe for these outputs would keep them at 0.")
    return Adopted(settings, weights, tuple(notes))


def _is_setting(name: str, value: Any) -> bool:
    """Tell whether a source's fact has the type of the setting; another program may mean something else by it."""
    if name == "optimizer":
        return value in ("adamw", "adam", "sgd")
    if name == "device":
        return value in ("cpu", "cuda")
    if name in ("betas", "train_pairs"):
        return isinstance(value, (list, tuple))
    if name in ("seed", "data_seed", "warmup"):
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _check_facts(facts: Mapping[str, Any]) -> None:
    for names, fitting, called in EXPECTED:
        for name in names:
            value = facts.get(name, fitting[0])
            if (value.lower() if isinstance(value, str) else value) not in fitting:
                raise ExchangeError(f"The source states {called.format(value)} ({name}: {value!r}). {HAS}")


def _own(state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> tuple[dict[str, Tensor], int]:
    biases = {name.replace(".weight", ".bias") for name in OWN_MATRICES if not name.startswith(("embed", "pos"))}
    _check_names(state, set(OWN_MATRICES), biases)
    _check_axes(state, dict.fromkeys(OWN_MATRICES, 2))
    width = len(state["blocks.0.attn.q.weight"])
    heads = next((facts[name] for name in ("n_heads", "n_head", "num_heads") if isinstance(facts.get(name), int)), None)
    if heads is None and isinstance(facts.get("d_head"), int) and facts["d_head"] > 0:
        heads = width // facts["d_head"]
    if heads is None:
        raise ExchangeError(
            f"The attention matrices are {width} wide, and nothing says of how many heads: state n_heads=N, or put it "
            "into config.json beside the weights."
        )
    if heads < 1 or width % heads:
        raise ExchangeError(
            f"{heads} heads are stated, but the attention matrices are {width} wide, no multiple of it."
        )
    weights = {name: state[name] for name in OWN_MATRICES}
    for name in biases:
        weights[name] = state.get(name, torch.zeros(len(state[name.replace(".bias", ".weight")])))
    return weights, heads


def _hooked(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], int]:
    """Translate HookedTransformer's names: its shapes, or those of the paper; also without the names' first parts."""
    if "embed.W_E" not in state and {"W_Q", "W_in"} <= set(state):
        state = {FLAT.get(name, name): tensor for name, tensor in state.items()}
    _check_names(state, set(MATRICES), set(BIASES))
    paper = state["blocks.0.attn.W_O"].ndim == 2
    axes = dict.fromkeys(MATRICES, 2) | {f"blocks.0.attn.W_{name}": 3 for name in "QKV"}
    _check_axes(state, axes | {"blocks.0.attn.W_O": 2 if paper else 3})
    w = {name.rpartition(".")[2]: state[name] for name in MATRICES}
    heads = len(w["W_Q"])
    if paper:
        weights = {
            "embed.weight": w["W_E"].T,
            "pos_embed.weight": w["W_pos"],
            **{f"blocks.0.attn.{name.lower()}.weight": w[f"W_{name}"].flatten(0, 1) for name in "QKV"},
            "blocks.0.attn.o.weight": w["W_O"],
            "blocks.0.mlp.in.weight": w["W_in"],
            "blocks.0.mlp.out.weight": w["W_out"],
            "unembed.weight": w["W_U"].T,
        }
    else:
        weights = {
            "embed.weight": w["W_E"],
            "pos_embed.weight": w["W_pos"],
            **{f"blocks.0.attn.{name.lower()}.weight": w[f"W_{name}"].transpose(1, 2).flatten(0, 1) for name in "QKV"},
            "blocks.0.attn.o.weight": w["W_O"].flatten(0, 1).T,
            "blocks.0.mlp.in.weight": w["W_in"].T,
            "blocks.0.mlp.out.weight": w["W_out"].T,
            "unembed.weight": w["W_U"].T,
        }
    for theirs, ours in BIASES.items():
        size = len(weights[ours.replace(".bias", ".weight")])
        weights[ours] = state[theirs].flatten() if theirs in state else torch.zeros(size)
    return weights, heads


def _check_names(state: Mapping[str, Tensor], needed: set[str], optional: set[str]) -> None:
    extra = sorted(set(state) - needed - optional)
    missing = sorted(needed - set(state))
    if not extra and not missing:
        return
    lowered = [name.lower() for name in extra]
    found = []
    if norms := [name for name in extra if _is_norm(name)]:
        found.append(f"layer norm ({_few(norms)})")
    if fused := [
        name for name in extra if "qkv" in name.lower() or "c_attn" in name.lower() or "in_proj" in name.lower()
    ]:
        found.append(f"queries, keys and values in one matrix ({_few(fused)})")
    layers = {part for name in lowered for part in name.split(".")[1:2] if part.isdigit() and part != "0"}
    if layers:
        found.append(f"{max(map(int, layers)) + 1} layers")
    others = [name for name in extra if name not in norms and name not in fused]
    if others and not found:
        found.append(_few(others))
    if not found:
        found.append(f"no {_few(missing)}")
    raise ExchangeError(f"The weights are of another architecture: found {', '.join(found)}. {HAS}")


def _is_norm(name: str) -> bool:
    parts = name.lower().split(".")
    return any(part.startswith(("ln", "norm", "layernorm", "layer_norm", "rmsnorm")) for part in parts)


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _check_axes(state: Mapping[str, Tensor], axes: Mapping[str, int]) -> None:
    for name, count in axes.items():
        if state[name].ndim != count:
            raise ExchangeError(
                f"{name} is of shape {tuple(state[name].shape)}; an array of {count} axes was expected. {HAS}"
            )


def _same_type(weights: dict[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    types = {tensor.dtype for tensor in weights.values()}
    if not all(kind.is_floating_point for kind in types):
        raise ExchangeError(f"Weights must be floating-point numbers; found {', '.join(sorted(map(str, types)))}.")
    kind = torch.float64 if torch.float64 in types else torch.float32
    notes = []
    if narrow := sorted(str(one) for one in types - {torch.float32, torch.float64}):
        notes.append(f"Weights of type {', '.join(narrow)} are kept as float32, without a change of value.")
    return {name: tensor.detach().to(kind).contiguous() for name, tensor in weights.items()}, notes


def _widths(w: Mapping[str, Tensor], heads: int) -> tuple[int, dict[str, Any]]:
    """Return p and the settings that the shapes give, after checking that they fit each other."""
    vocabulary, d_model = w["embed.weight"].shape
    p, outputs = vocabulary - 1, len(w["unembed.weight"])
    width, d_mlp = len(w["blocks.0.attn.q.weight"]), len(w["blocks.0.mlp.in.weight"])
    expected = {
        "embed.weight": (vocabulary, d_model),
        "pos_embed.weight": (3, d_model),
        **{f"blocks.0.attn.{name}.weight": (width, d_model) for name in "qkv"},
        "blocks.0.attn.o.weight": (d_model, width),
        "blocks.0.mlp.in.weight": (d_mlp, d_model),
        "blocks.0.mlp.out.weight": (d_model, d_mlp),
        "unembed.weight": (outputs, d_model),
    }
    for name, shape in expected.items():
        bias = name.replace(".weight", ".bias")
        if tuple(w[name].shape) != shape:
            raise ExchangeError(f"{name} is of shape {tuple(w[name].shape)}; the other weights ask for {shape}. {HAS}")
        if bias in w and bias != name and tuple(w[bias].shape) != shape[:1]:
            raise ExchangeError(f"{bias} is of shape {tuple(w[bias].shape)}; {shape[:1]} was expected. {HAS}")
    if p < 2 or outputs not in (p, p + 1):
        raise ExchangeError(
            f"The vocabulary is of {vocabulary} tokens and there are {outputs} outputs. The family has p + 1 tokens, "
            "the numbers and `=`, and p or p + 1 outputs."
        )
    return p, {
        "p": p,
        "recipe": "miscope" if outputs == p else "nanda",
        "d_model": d_model,
        "n_heads": heads,
        "d_head": width // heads,
        "d_mlp": d_mlp,
        "dtype": "float64" if w["embed.weight"].dtype == torch.float64 else "float32",
    }


def hooked_transformer(config: Config, weights: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the fields of a HookedTransformerConfig, and the state dict by its names, buffers included."""
    size, p, w = config.architecture, config.parameters.p, weights
    heads, d_head = size.n_heads, size.d_head

    def by_head(name: str) -> Tensor:
        return w[f"blocks.0.attn.{name}.weight"].unflatten(0, (heads, d_head)).transpose(1, 2)

    state = {
        "embed.W_E": w["embed.weight"],
        "pos_embed.W_pos": w["pos_embed.weight"],
        **{f"blocks.0.attn.W_{name}": by_head(name.lower()) for name in "QKV"},
        "blocks.0.attn.W_O": w["blocks.0.attn.o.weight"].T.unflatten(0, (heads, d_head)),
        **{
            f"blocks.0.attn.b_{name}": w[f"blocks.0.attn.{name.lower()}.bias"].unflatten(0, (heads, d_head))
            for name in "QKV"
        },
        "blocks.0.attn.b_O": w["blocks.0.attn.o.bias"],
        "blocks.0.attn.mask": torch.ones(3, 3, dtype=torch.bool).tril(),
        "blocks.0.attn.IGNORE": torch.tensor(-torch.inf),
        "blocks.0.mlp.W_in": w["blocks.0.mlp.in.weight"].T,
        "blocks.0.mlp.b_in": w["blocks.0.mlp.in.bias"],
        "blocks.0.mlp.W_out": w["blocks.0.mlp.out.weight"].T,
        "blocks.0.mlp.b_out": w["blocks.0.mlp.out.bias"],
        "unembed.W_U": w["unembed.weight"].T,
        "unembed.b_U": w["unembed.bias"],
    }
    fields = {
        "n_layers": 1,
        "n_heads": heads,
        "d_model": size.d_model,
        "d_head": d_head,
        "d_mlp": size.d_mlp,
        "act_fn": "relu",
        "normalization_type": None,
        "d_vocab": p + 1,
        "d_vocab_out": len(w["unembed.weight"]),
        "n_ctx": 3,
    }
    return fields, {name: tensor.contiguous() for name, tensor in state.items()}
