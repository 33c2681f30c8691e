"""The shared forward pass: everything that some analyzer reads of one checkpoint, and nothing else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from dynascope.analysis.binding import Place
from dynascope.contract.probe import Batch
from dynascope.contract.reads import Activation, Gradient, Logit, Logits, Loss, Rows, Weight
from dynascope.errors import CheckpointError, InvalidSetting, NotOffered, UnknownName
from dynascope.store.variant import Variant

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["MEMORY", "Found", "Model"]

Array = np.ndarray[Any, Any]
Found: TypeAlias = dict[Place, Array | Exception]
"""What was read at each place. One that the model does not have holds the error: it is for those who read it."""

MEMORY = 4 * 1024**3
"""Bytes that activations may take, unless another budget is set."""


class Model:
    """The hooked model of a variant, built once; each checkpoint replaces its weights.

    Args:
        variant, batch: of what, on which inputs.
        memory: bytes that the pass may take: rows of the probe go through in slices that fit.
    """

    def __init__(self, variant: Variant, batch: Batch, memory: int = MEMORY) -> None:
        self.variant, self.batch, self.memory = variant, batch, memory
        self._module: nn.Module | None = None
        self._epoch: int | None = None
        self._hooks: dict[str, str] = {}

    def weights(self, epoch: int) -> dict[str, Array]:
        """Return the weights of a checkpoint, read-only.

        Raises:
            CheckpointError: it is damaged.
        """
        return _frozen(self.variant.checkpoint_folder.read(epoch))

    def without_pass(self, weights: Mapping[str, Array], places: Iterable[Place]) -> Found:
        """Return what is read of the weights and of the inputs alone."""
        found: Found = {}
        for place in places:
            if isinstance(place, Weight):
                if place.name in weights:
                    found[place] = weights[place.name] if place.rows is None else weights[place.name][: place.rows]
                else:
                    found[place] = NotOffered(
                        str(UnknownName(f"weight of {self.variant.family.name}", place.name, weights))
                    )
            elif isinstance(place, Rows):
                try:
                    found[place] = self._facts[place.fact]
                except InvalidSetting as error:
                    found[place] = error
        return found

    def passes(
        self, epoch: int, weights: Mapping[str, Array], places: Sequence[Place], whole: Iterable[Place]
    ) -> Iterator[tuple[slice, Found, Found]]:
        """Yield slices of the probe's rows with what is read of them, from one forward pass in all.

        Only for gradients at weights, the rows that count for them may be sent through the model once more.
        With the last slice comes what is read of all rows; before, that is empty.

        Args:
            places: activations, logits and gradients.
            whole: those of them that some analyzer needs of all rows at once; gradients at weights, which are sums
                over the rows, are always complete with the last slice.

        Raises:
            CheckpointError: the weights do not fit the family.
        """
        import torch

        self._epoch = None  # the checkpoint may be another one than when this model was last used
        # The model takes copies: what analyzers see is read-only.
        tensors = {name: torch.from_numpy(array.copy()) for name, array in weights.items()}
        count = len(self.batch.inputs)
        size = max(1, min(count, self.memory // (_bytes_per_row(weights, self.batch) * _copies(places))))
        kept = _Kept(count, self.memory, set(whole))
        for first in range(0, count, size):
            rows = slice(first, min(first + size, count))
            found = _frozen(self._pass(epoch, tensors, rows, places))
            yield rows, found, kept.add(rows, found)

    def forward(self, weights: Mapping[str, Array], other: Mapping[str, Array], rows: Array | None = None) -> Array:
        """Return the logits of rows of the probe at other weights; see ``dynascope.contract.analyzer.Forward``.

        Args:
            weights: of a checkpoint.
            other: those in place of which these are.
            rows: numbers of rows; all by default.
        """
        import torch

        for name, array in other.items():
            if name not in weights:
                raise UnknownName(f"weight of {self.variant.family.name}", name, weights)
            if np.shape(array) != weights[name].shape:
                raise InvalidSetting(
                    f"Weight {name} has the shape {weights[name].shape} in this checkpoint; found {np.shape(array)}."
                )
        there = {**weights, **{name: np.asarray(array, weights[name].dtype) for name, array in other.items()}}
        tensors = {name: torch.from_numpy(array.copy()) for name, array in there.items()}
        inputs = torch.from_numpy(self.batch.inputs if rows is None else self.batch.inputs[rows])
        size = max(1, self.memory // _bytes_per_row(weights, self.batch))
        with torch.no_grad():
            parts = [
                self._logits(tensors, inputs[first : first + size]) for first in range(0, max(len(inputs), 1), size)
            ]
        return np.concatenate([part.cpu().numpy() for part in parts])

    def _logits(self, tensors: Mapping[str, Tensor], inputs: Tensor) -> Tensor:
        """Return the logits of some inputs at some weights."""
        family, config = self.variant.family.base, self.variant.config
        observed = family.observe(config, tensors, inputs, ())
        if observed is not None:
            return observed[0]
        self._load(None, tensors)
        module: Any = self._module
        return family.answers(config, module(inputs))

    def _pass(self, epoch: int, weights: Mapping[str, Tensor], rows: slice, places: Sequence[Place]) -> Found:
        """Send some rows through the model, and keep what is asked for."""
        gradients = [place for place in places if isinstance(place, Gradient)]
        if all(isinstance(place.at, Weight) for place in gradients):
            observed = self._observed(epoch, weights, rows, [place for place in places if place not in gradients])
            differentiated = None if observed is None else self._observed_gradients(weights, rows, gradients)
            if observed is not None and differentiated is not None:
                return {**observed, **differentiated}
        if self._epoch != epoch:
            with self._fitting(epoch):
                self._load(epoch, weights)
        return self._hooked(self._module, rows, places)

    def _observed(
        self, epoch: int, weights: Mapping[str, Tensor], rows: slice, places: Sequence[Place]
    ) -> Found | None:
        """Return activations and logits by the family's faster way; None where it has none."""
        import torch

        activations = [place for place in places if isinstance(place, Activation)]
        inputs = torch.from_numpy(self.batch.inputs[rows])
        with torch.no_grad(), self._fitting(epoch):
            observed = self.variant.family.base.observe(self.variant.config, weights, inputs, activations)
        if observed is None:
            return None
        logits, seen = observed
        found: Found = {place: _kept(seen[place], None, place.dtype, place) for place in activations}
        asked = [place for place in places if isinstance(place, Logits)]
        return {**found, **{place: _kept(logits, None, place.dtype, place) for place in asked}}

    def _observed_gradients(
        self, weights: Mapping[str, Tensor], rows: slice, gradients: Sequence[Gradient]
    ) -> Found | None:
        """Return gradients at weights by that way; None where gradients do not come through it.

        Only the rows that count for what is differentiated are sent through the model, once more.
        """
        import torch

        family, config = self.variant.family.base, self.variant.config
        differentiated = {place.at.name for place in gradients if isinstance(place.at, Weight)}
        leaves = {name: tensor.detach().requires_grad_(name in differentiated) for name, tensor in weights.items()}
        found: Found = {}
        for of in dict.fromkeys(place.of for place in gradients):
            places = [place for place in gradients if place.of == of]
            try:
                counted = self.counted(of, rows)
            except Exception as error:  # that of a plug-in is for those who read it
                found.update(dict.fromkeys(places, error))
                continue
            with torch.enable_grad():
                inputs = torch.from_numpy(self.batch.inputs[counted])
                observed = family.observe(config, leaves, inputs, ())
                if observed is None or (len(counted) and not observed[0].requires_grad):
                    return None
                found.update(self._gradients(of, observed[0], counted, places, {}, leaves))
        return found

    def _load(self, epoch: int | None, tensors: Mapping[str, Tensor]) -> None:
        """Put weights into the hooked model: those of a checkpoint, or others."""
        family = self.variant.family.base
        self._epoch = None
        if self._module is None:
            self._module = family.hooked(self.variant.config, tensors)
        else:
            family.reload(self._module, tensors)
        self._epoch = epoch

    @contextmanager
    def _fitting(self, epoch: int) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, KeyError) as error:
            raise CheckpointError(
                f"{self.variant.checkpoint_folder.file(epoch)} does not fit family {self.variant.family.name}: {error}"
            ) from None

    @cached_property
    def _facts(self) -> Mapping[str, Array]:
        """What the family states about each row."""
        facts = self.variant.family.base.rows(self.variant.config, self.batch.inputs)
        for name, values in facts.items():
            if len(values) != len(self.batch.inputs):
                raise InvalidSetting(
                    f"Family {self.variant.family.name} states {name!r} of {len(values)} rows; the probe has "
                    f"{len(self.batch.inputs)}."
                )
        return _frozen({name: np.asarray(values) for name, values in facts.items()})

    def _hooked(self, module: Any, rows: slice, places: Sequence[Place]) -> Found:
        """Send some rows through the hooked model, and keep what is asked for."""
        import torch

        gradients = [place for place in places if isinstance(place, Gradient)]
        seen: dict[Any, Tensor] = {}
        found: Found = {}
        hooks: dict[str, None] = {}
        for place in places:
            hook = place.at if isinstance(place, Gradient) else place
            if isinstance(hook, Activation):
                if hook.hook in module.hook_dict:
                    hooks[hook.hook] = None
                else:
                    family = self.variant.family.base.name
                    found[place] = _not_offered(f"hook of family {family}", hook.hook, module.hook_dict)
        parameters = module.state_dict(keep_vars=True) if gradients else {}
        differentiated = {place.at.name for place in gradients if isinstance(place.at, Weight)}
        for name, parameter in parameters.items():
            parameter.requires_grad_(name in differentiated)

        def keeper(name: str) -> Callable[..., Tensor | None]:
            def keep(value: Tensor, hook: Any) -> Tensor | None:
                if not gradients:
                    seen[name] = value
                    return None
                seen[name] = value if value.requires_grad else value.requires_grad_()
                return value  # so that what follows is made of this very tensor

            return keep

        refused = {name: reason for name in hooks if (reason := self._refused(module, name))}
        with torch.set_grad_enabled(bool(gradients)):
            output = module.run_with_hooks(
                torch.from_numpy(self.batch.inputs[rows]),
                fwd_hooks=[(name, keeper(name)) for name in hooks if name not in refused],
            )
            for place in places:
                hook = place.at if isinstance(place, Gradient) else place
                if isinstance(hook, Activation) and hook.hook in hooks and hook.hook not in seen:
                    reason = refused.get(hook.hook, "it is never reached")
                    found[place] = NotOffered(f"Hook {hook.hook} of family {self.variant.family.name}: {reason}")
            logits = self.variant.family.base.answers(self.variant.config, output)
            for of in dict.fromkeys(place.of for place in gradients):
                places_of = [place for place in gradients if place.of == of and place not in found]
                try:
                    counted = self.counted(of, rows)
                except Exception as error:  # that of a plug-in is for those who read it
                    found.update(dict.fromkeys(places_of, error))
                    continue
                found.update(self._gradients(of, logits[counted - rows.start], counted, places_of, seen, parameters))
        for place in places:
            if isinstance(place, Activation) and place not in found:
                found[place] = _kept(seen[place.hook], place.position, place.dtype, place, place.axis)
            elif isinstance(place, Logits):
                found[place] = _kept(logits, None, place.dtype, place)
        return found

    def _refused(self, module: Any, name: str) -> str:
        """Return why the model does not let a hook be read; empty if it does. Asked once for each."""
        if name not in self._hooks:
            try:
                with module.hooks(fwd_hooks=[(name, lambda value, hook: None)]):
                    self._hooks[name] = ""
            except ValueError as error:
                self._hooks[name] = str(error)
        return self._hooks[name]

    def _gradients(
        self,
        of: Loss | Logit,
        logits: Tensor,
        rows: Array,
        places: Sequence[Gradient],
        seen: Mapping[str, Tensor],
        parameters: Mapping[str, Tensor],
    ) -> Found:
        """Differentiate one objective at all places that ask for it.

        Args:
            rows: the numbers of the rows that the logits are of.
            seen, parameters: activations and weights, by name.
        """
        import torch

        found: Found = {}
        leaves: dict[Gradient, Tensor] = {}
        for place in places:
            if isinstance(place.at, Activation):
                leaves[place] = seen[place.at.hook]
            elif isinstance(place.at, Weight) and place.at.name in parameters:
                leaves[place] = parameters[place.at.name]
            else:
                name = getattr(place.at, "name", str(place.at))
                found[place] = _not_offered(f"parameter of {self.variant.family.name}", name, parameters)
        try:
            value = self.objective(of, logits, rows)
            results = torch.autograd.grad(value, list(leaves.values()), retain_graph=True, allow_unused=True)
        except Exception as error:  # that of a plug-in's function is for those who read it
            return {**found, **dict.fromkeys(leaves, error)}
        for (place, leaf), gradient in zip(leaves.items(), results, strict=True):
            gradient = torch.zeros_like(leaf) if gradient is None else gradient
            if isinstance(place.at, Activation):
                found[place] = _kept(gradient, place.at.position, place.at.dtype, place, place.at.axis)
            elif isinstance(place.at, Weight):
                found[place] = _kept(gradient[: place.at.rows], None, None, place)
        return found

    def counted(self, of: Loss | Logit, rows: slice) -> Array:
        """Return the numbers of those rows of a slice that count for what is differentiated."""
        if isinstance(of, Logit) or of.over is None:
            return np.arange(rows.start, rows.stop)
        counts = self._facts[of.over] != 0
        if not counts.any():
            raise NotOffered(f"No row of the probe is in {of.over!r}, so that there is no loss over them.")
        counted: Array = rows.start + np.flatnonzero(counts[rows])
        return counted

    def objective(self, of: Loss | Logit, logits: Tensor, rows: Array) -> Tensor:
        """Return what is differentiated: the part of these rows in the mean loss, or the sum of their logits.

        Args:
            logits: of the rows that count.
            rows: their numbers.
        """
        import torch

        family, config = self.variant.family.base, self.variant.config
        if isinstance(of, Logit):
            classes = self._facts[of.of] if isinstance(of.of, str) else np.asarray(of.of(config, self.batch))
            if classes.shape != (len(self.batch.inputs),) or classes.dtype.kind not in "iub":
                raise InvalidSetting(
                    f"{of}: a whole number for each of {len(self.batch.inputs)} rows chooses the logits; found "
                    f"{classes.dtype} of shape {classes.shape}."
                )
            return logits.gather(1, torch.from_numpy(classes[rows].astype(np.int64))[:, None]).sum()
        if not len(rows):
            return 0 * logits.sum()
        labels = torch.from_numpy(self._facts["label"][rows].astype(np.int64))
        total = len(self.batch.inputs) if of.over is None else int((self._facts[of.over] != 0).sum())
        return len(rows) / total * family.loss(config, logits, labels)


class _Kept:
    """Joins what came in slices, where all rows are needed at once."""

    def __init__(self, count: int, memory: int, whole: set[Place]) -> None:
        self._count, self._memory, self._whole = count, memory, whole
        self._joined: Found = {}

    def add(self, rows: slice, found: Found) -> Found:
        """Take in what is read of a slice; return what is read of all rows, with the last one."""
        if rows == slice(0, self._count):
            return found
        if rows.start == 0:
            self._check(rows, found)
        for place, part in found.items():
            before = self._joined.get(place)
            if not (place in self._whole or _is_sum(place)) or isinstance(before, Exception):
                continue
            if isinstance(part, Exception) or (before is None and _is_sum(place)):
                self._joined[place] = part
            elif _is_sum(place):
                self._joined[place] = before + part
            else:
                if before is None:
                    before = self._joined[place] = np.empty((self._count, *part.shape[1:]), part.dtype)
                before[rows] = part
        return _frozen(self._joined) if rows.stop == self._count else {}

    def _check(self, rows: slice, found: Found) -> None:
        """Refuse what would not fit, before it is made: the largest."""
        sizes = {
            place: part.nbytes * self._count // (rows.stop - rows.start)
            for place, part in found.items()
            if place in self._whole and not _is_sum(place) and isinstance(part, np.ndarray)
        }
        room, all_of_it = self._memory, _mib(sum(sizes.values()))
        for place, size in sorted(sizes.items(), key=lambda entry: entry[1]):
            room -= size
            if room < 0:
                self._joined[place] = InvalidSetting(
                    f"{place} of {self._count} rows takes {_mib(size)}, all that is read of them {all_of_it}, and "
                    f"{_mib(self._memory)} are allowed. Allow more memory, choose fewer analyzers or a smaller "
                    "probe, or let the analyzer take its rows in slices (dynascope.SlicedAnalyzer)."
                )


def _not_offered(kind: str, name: str, choices: Iterable[str]) -> NotOffered:
    return NotOffered(str(UnknownName(kind, name, choices)))


def _mib(size: int) -> str:
    return f"{size / 2**20:.3g} MiB"


def _kept(value: Tensor, position: int | None, dtype: str | None, place: Place, axis: int = 1) -> Array | Exception:
    """Copy the part of a tensor that is asked for; the tensor itself is not kept alive."""
    import torch

    try:
        part = value.detach() if position is None else value.detach().select(axis, position)
    except IndexError as error:
        return InvalidSetting(f"{place}: {error}.")
    wanted = part.dtype if dtype is None else getattr(torch, dtype)
    return part.to("cpu", wanted).contiguous().clone().numpy()


def _is_sum(place: Place) -> bool:
    return isinstance(place, Gradient) and isinstance(place.at, Weight)


def _frozen(arrays: dict[Any, Any]) -> dict[Any, Any]:
    for array in arrays.values():
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    return arrays


def _bytes_per_row(weights: Mapping[str, Array], batch: Batch) -> int:
    """Return about how many bytes all activations of one row take.

    A product with a weight makes, at each position, a vector as long as one of its sides.
    """
    positions = max(1, int(np.prod(batch.inputs.shape[1:])))
    return max(1, 4 * positions * sum(sum(array.shape) for array in weights.values()))


def _copies(places: Sequence[Place]) -> int:
    """Return how often activations are in memory at once: a second time as gradients."""
    return 2 if any(isinstance(place, Gradient) for place in places) else 1
