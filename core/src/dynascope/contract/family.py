"""A family: a declared group of models that share architecture, training protocol, probes and analyzers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from dynascope.contract.config import Architecture, Config, Parameters, Training
from dynascope.contract.layout import Adopted, Layout
from dynascope.contract.reads import Activation, Weight
from dynascope.errors import ExchangeError, InvalidSetting, UnknownName
from dynascope.schedule import even

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor, nn

__all__ = ["Dataset", "Family"]


@dataclass(frozen=True)
class Dataset:
    """The examples of one variant.

    Attributes:
        train_inputs, test_inputs: what ``forward`` takes, ``"row ..."``.
        train_labels, test_labels: class indices, ``"row"``.
    """

    train_inputs: Tensor
    train_labels: Tensor
    test_inputs: Tensor
    test_labels: Tensor


class Family(ABC):
    """What the core asks of a family. Every method is a pure function of ``config`` and its arguments.

    The module that defines a family imports torch inside its methods, so that listing families stays fast.
    """

    name: ClassVar[str]
    """Unique among all plug-ins; names folders, so ``[a-z][a-z0-9_]*``."""
    title: ClassVar[str]
    description: ClassVar[str] = ""

    Parameters: ClassVar[type[Parameters]]
    Architecture: ClassVar[type[Architecture]] = Architecture
    Training: ClassVar[type[Training]] = Training
    presets: ClassVar[Mapping[str, Mapping[str, Any]]] = {}
    """Named sets of settings, given to ``configure``."""

    draws: ClassVar[frozenset[str]] = frozenset()
    """Parameters that only choose random draws (seeds): weights, splits and losses keep their shapes and meaning.

    Variants that differ in nothing else can be trained as one stacked computation: ``forward`` and ``loss`` must not
    read these from ``config``, and must be made of operations that ``torch.vmap`` can map.
    """

    default_probe: ClassVar[str]
    """The probe that analysis uses when none is named."""

    default_report: ClassVar[str] = ""
    """The report that tells the family's story, by id, ``"<plug-in>.<name>"``: what a variant is shown in at first. By
    default some of the views that can be drawn."""

    phases: ClassVar[str] = ""
    """The analyzer over the series whose arrays ``phase``, ``phase_start`` and ``phase_end`` divide a training:
    every view over the epochs carries them as bands."""

    events: ClassVar[str] = ""
    """The analyzer over the series whose arrays ``event_epoch``, ``kind`` and ``subject`` say what happened when: every
    view over the epochs carries them as marks."""

    row_facts: ClassVar[tuple[str, ...]] = ()
    """What ``rows`` states of each row of a probe. By these names, instruments serve every family:
    ``"label"`` (the right class), ``"train"`` and ``"test"`` (1 where the row is in that split, else 0)."""

    # What trains.

    @abstractmethod
    def init(self, config: Config) -> dict[str, Tensor]:
        """Return the initial weights (epoch 0). Must not move the global random state."""

    def prepare(self, config: Config, inputs: Tensor) -> Any:
        """Return inputs as ``forward`` takes them, ``"row ..."``.

        Called once per split, so that what depends on the inputs alone (indices, one-hot codes) is not computed
        every epoch. A tensor, or a (named) tuple or dict of tensors, so that inputs can be stacked.
        """
        return inputs

    @abstractmethod
    def forward(self, config: Config, weights: Mapping[str, Tensor], inputs: Any) -> Tensor:
        """Return the logits ``"row class"`` at the answer position.

        This is what training runs: it computes only what reaches the loss. It must equal
        ``hooked`` in values and gradients; ``dynascope.testing`` checks it.

        Args:
            inputs: from ``prepare``.
        """

    @abstractmethod
    def data(self, config: Config) -> Dataset:
        """Return the train and test split."""

    def loss(self, config: Config, logits: Tensor, labels: Tensor) -> Tensor:
        """Return the mean loss: cross-entropy in natural log, from a float64 log-softmax."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(logits.double(), labels)

    def trainable(self, config: Config) -> frozenset[str] | None:
        """Return the names of the weights that training moves; None for all."""
        return None

    def schedule(self, config: Config) -> str:
        """Return the default checkpoint schedule, dense where a variant is expected to move.

        See ``dynascope.schedule`` for how it is written; ``grokking`` there helps.
        """
        return even(config.training.epochs)

    # What is analysed.

    @abstractmethod
    def hooked(self, config: Config, weights: Mapping[str, Tensor]) -> nn.Module:
        """Return the same model as a TransformerLens module, from which activations are read.

        It offers ``hook_dict`` and ``run_with_hooks(inputs, fwd_hooks=...)`` (any ``HookedRootModule`` or
        ``TransformerBridge``). The core builds it once and calls ``reload`` for each checkpoint.
        """

    def observe(
        self, config: Config, weights: Mapping[str, Tensor], inputs: Tensor, places: Sequence[Activation]
    ) -> tuple[Tensor, Mapping[Activation, Tensor]] | None:
        """Return what the hooked model would give, faster: its answers, and its activations at some places.

        A model that is read at the answer position alone need not compute the others. None, which is the default,
        where one of the places is not among those that can be given so: then ``hooked`` is run. The two must be
        equal; ``dynascope.testing.check_observe_equals_hooked`` checks it. Where gradients flow from these answers to
        the weights, those at weights are taken through it too; then there are no places.

        Args:
            weights: of one checkpoint.
            inputs: of a probe, ``"row ..."``.
            places: what is to be read, each ``"row feature"`` or as its hook gives it.

        Returns:
            The logits ``"row class"`` as ``answers`` gives them, and a tensor for each place.
        """
        return None

    def reload(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        """Put the weights of another checkpoint into a model made by ``hooked``."""
        model.load_state_dict(dict(weights), strict=True)

    def answers(self, config: Config, output: Tensor) -> Tensor:
        """Return the logits ``"row class"`` that analysis reads, of what the hooked model returns.

        By default those of the last position.
        """
        return output[:, -1] if output.ndim == 3 else output

    def rows(self, config: Config, inputs: np.ndarray[Any, Any]) -> Mapping[str, np.ndarray[Any, Any]]:
        """Return the facts that ``row_facts`` names, each ``"row"``.

        Args:
            inputs: of a probe, ``"row ..."``.

        Raises:
            InvalidSetting: nothing can be said of such inputs.
        """
        raise InvalidSetting(f"Family {self.name} states nothing about the rows of a probe.")

    def context(self, config: Config) -> Mapping[str, Any]:
        """Return named facts that analyzers bind to, such as the group that the inputs form.

        Values are dataclasses, numbers, strings, arrays, and containers of them: they are hashed.
        """
        return {}

    def sites(self, config: Config) -> Mapping[str, Activation | Weight]:
        """Return the places that analyzers read by a common name (``"neurons"``, ``"embedding"``)."""
        return {}

    # What is exchanged with other programs. None of it is needed to train and to analyse.

    def layouts(self) -> Iterable[Layout]:
        """Return the layouts of other programs that hold runs of this family, most specific first."""
        return ()

    def adopt(self, state: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Adopted:
        """Return foreign weights in the family's own names and shapes, with the settings that follow from them.

        Args:
            state: tensors by the names of the program that wrote them.
            facts: what the source states, by its own names, or the user, by those of the family's settings.

        Raises:
            ExchangeError: the weights are of another architecture; it says what was found, and what the family has.
        """
        raise ExchangeError(f"Family {self.name} cannot take over weights of other programs.")

    def splits(
        self, config: Config, train_rows: tuple[int, ...] | None = None, test_rows: tuple[int, ...] | None = None
    ) -> Iterable[Mapping[str, Any]]:
        """Return settings of the splits that a foreign run may have had, the most likely first.

        Args:
            config: what is known of the run.
            train_rows, test_rows: the split as the source states it; then only settings that give it are returned.

        Raises:
            ExchangeError: rows that are not a split of the family's examples.
        """
        return ()

    def hooked_transformer(
        self, config: Config, weights: Mapping[str, Tensor]
    ) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """Return the fields of a ``HookedTransformerConfig`` and the state dict that such a model has.

        Raises:
            ExchangeError: the family has no such form.
        """
        raise ExchangeError(f"Family {self.name} cannot be written in the names of HookedTransformer.")

    # What the core does with the declarations.

    def configure(self, settings: Mapping[str, Any] | None = None, preset: str | None = None) -> Config:
        """Return the validated config of a variant: defaults, then the preset, then ``settings``.

        Raises:
            UnknownName: an unknown preset or setting.
            InvalidSetting: a value that breaks its field's rule.
        """
        chosen: dict[str, Any] = {}
        if preset is not None:
            if preset not in self.presets:
                raise UnknownName(f"preset of family {self.name}", preset, self.presets)
            chosen.update(self.presets[preset])
        chosen.update(settings or {})
        return Config.build(self.name, (self.Parameters, self.Architecture, self.Training), chosen)
