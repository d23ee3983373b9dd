"""Train the layers of a head for a grid of weight decays and choose one on validation images."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from equipoise.arrays import Labels
from equipoise.atomic import JsonObject
from equipoise.estimators.frozen.head import FrozenHead
from equipoise.estimators.frozen.objectives import Rows
from equipoise.estimators.frozen.row_weights import Mask, RowWeights
from equipoise.estimators.frozen.settings import FrozenSettings
from equipoise.estimators.frozen.solver import WEIGHT_DECAYS, Solution, solve_all
from equipoise.estimators.scoring import validation_scores
from equipoise.estimators.shared_settings import KEEP_BEST
from equipoise.losses.base import ImbalanceLoss
from equipoise.training.loop import History
from equipoise.training.progress import report

DECAYS = "weight decays"  # name of a history whose steps are weight decays, not optimizer steps


@dataclass(frozen=True, kw_only=True, eq=False)
class FrozenFeatureSet:
    """Features of images and their classes.

    Attributes:
        features: (n, views, d).
        codes: (n,) classes 0..k-1.
        synthetic: (n,) True where the image is synthetic.
        blocks: Number of features of each network; empty for one network.
    """

    features: Tensor
    codes: Labels
    synthetic: Mask
    blocks: tuple[int, ...] = ()

    @property
    def real(self) -> "FrozenFeatureSet":
        """The real images."""
        if not self.synthetic.any():
            return self
        rows = ~self.synthetic
        return FrozenFeatureSet(
            features=self.features[torch.as_tensor(rows, device=self.features.device)],
            codes=self.codes[rows],
            synthetic=self.synthetic[rows],
            blocks=self.blocks,
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class TrainedHead:
    """A trained head.

    Attributes:
        head: With the weights of the policy `keep_best`.
        other: With those of the other policy.
        loss: Turns logits into probabilities.
        weight_decay: That of `head`.
        histories: Rows of the weight decays, strongest first, by stage; the first is `DECAYS`.
        findings: Findings of the second stage.
    """

    head: FrozenHead
    other: FrozenHead
    loss: ImbalanceLoss
    weight_decay: float
    histories: Mapping[str, History]
    findings: JsonObject = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, eq=False)
class Trainer:
    """Trains some layers of a head for all weight decays and chooses one.

    Attributes:
        settings: Parameters of the classifier.
        validation: Real validation images; None where there are none: the weight decay is then that
            of the settings.
    """

    settings: FrozenSettings
    validation: FrozenFeatureSet | None

    def fit(
        self,
        head: FrozenHead,
        layers: nn.Module,
        loss: ImbalanceLoss,
        rows: Rows,
        *,
        name: str,
    ) -> TrainedHead:
        """Train layers of a head.

        Args:
            head: The head; its other layers stay as they are.
            layers: Its trained layers, which map `rows.inputs` to logits.
            loss: The loss.
            rows: Training rows, a row for each view.
            name: Name in progress reports.
        """
        solutions = solve_all(
            layers, loss, rows, self._grid(), partial(report, name), scale=float(head.scale)
        )
        inputs = None if self.validation is None else head.view_inputs(self.validation.features)
        history = History()
        heads: list[FrozenHead] = []
        scores: list[dict[str, float]] = []
        for i, solution in enumerate(solutions):
            layers.load_state_dict(solution.state)
            heads.append(deepcopy(head).eval().requires_grad_(False))
            scores.append(self._scores(head, loss, inputs))
            row = {"weight_decay": solution.weight_decay, "objective": solution.objective}
            history.add(i + 1, {**row, **{f"validation_{k}": v for k, v in scores[i].items()}})
        best, fixed = self._best(scores), self._fixed(solutions)
        chosen, other = (best, fixed) if self.settings.chosen_on_validation else (fixed, best)
        return TrainedHead(
            head=heads[chosen],
            other=heads[other],
            loss=loss,
            weight_decay=solutions[chosen].weight_decay,
            histories={DECAYS: history},
        )

    def _grid(self) -> Sequence[float]:
        """Return the weight decays from which validation images choose."""
        if self.validation is None:
            return (self.settings.weight_decay,)
        return sorted({*WEIGHT_DECAYS, self.settings.weight_decay}, reverse=True)

    def _scores(
        self, head: FrozenHead, loss: ImbalanceLoss, inputs: Tensor | None
    ) -> dict[str, float]:
        if self.validation is None or inputs is None:
            return {}
        with torch.no_grad():
            return validation_scores(head.mean_logits(inputs), self.validation.codes, loss)

    def _best(self, scores: Sequence[Mapping[str, float]]) -> int:
        """Return the solution with the best score; of equal ones that of the strongest decay."""
        metric = self.settings.keep_best if self.settings.chosen_on_validation else "auroc"
        if self.validation is None:
            return 0
        sign = 1.0 if KEEP_BEST[metric] else -1.0
        return int(np.argmax([sign * of_solution[metric] for of_solution in scores]))

    def _fixed(self, solutions: Sequence[Solution]) -> int:
        """Return the solution with the weight decay of the settings."""
        distances = [abs(s.weight_decay - self.settings.weight_decay) for s in solutions]
        return int(np.argmin(distances))


def rows_of(inputs: Tensor, codes: Labels, weights: RowWeights) -> Rows:
    """Return a training row for each view of inputs (n, views, d), view by view of an image."""
    n_views = inputs.shape[1]
    per_image = torch.as_tensor(weights, dtype=torch.float32, device=inputs.device)
    return Rows(
        inputs=inputs.flatten(0, 1).contiguous(),
        codes=torch.as_tensor(codes, device=inputs.device).repeat_interleave(n_views),
        weights=per_image.repeat_interleave(n_views),
    )
