"""The training loop: one step is build batch, forward, backward, update, balance the routers.

Resumes from `checkpoint.py`'s file, on the CPU to the bit: every batch is a function of the recipe,
the step and, at most, the first weights (`batches.py`). A GPU sums gradients in any order.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from flashstep.backends.allocator import give_back
from flashstep.model.moe import Router
from flashstep.model.transformer import Transformer
from flashstep.training.batches import Batches, batches_from
from flashstep.training.checkpoint import FILE as STATE_FILE
from flashstep.training.checkpoint import load_state, save_state
from flashstep.training.compute import Compute, find_compute
from flashstep.training.curves import Record, plot_curves
from flashstep.training.loss import mtp_losses, trunk_loss
from flashstep.training.optim import make_optimizers, schedule, update
from flashstep.training.packing import Rows
from flashstep.training.recipe import Phase, Recipe
from flashstep.training.stopping import Stop

Report = Callable[[dict[str, Any]], None]
# In one forward pass: tokens, and on a CPU, which keeps all scores, pairs of a query and a key on a layer of
# full attention.
_MOST_TOKENS, _MOST_PAIRS = 65_536, 1 << 26


class Trainer:
    """Owns the model, the optimizers of the current phase and the run's folder."""

    def __init__(
        self, recipe: Recipe, model: Transformer, out: Path, compute: Compute | None = None
    ) -> None:  # fmt: skip
        """compute: None = the CPU in the recipe's precision."""
        self.compute = compute or find_compute("cpu", recipe.precision)
        self.recipe, self.model, self.out = recipe, model.to(self.compute.device), out
        self.batches = Batches(recipe, out)
        self.step = 0
        self.tokens = 0
        self.phase: Phase | None = None
        self.optimizers: dict[str, torch.optim.Optimizer] = {}

    def resume(self) -> None:
        """Continue from the folder's saved state, if there is one."""
        state = load_state(self.out, self.recipe)
        if state is None:
            return
        self.model.load_state_dict(state["model"])
        self.step, self.tokens = state["step"], state["tokens"]
        if precision := state.get("precision"):  # "auto" is decided once, at the run's beginning
            self.compute = replace(self.compute, dtype=getattr(torch, precision))
        if self.step >= self.recipe.total_steps:
            return
        phase, inside = self.recipe.locate(self.step)
        if inside:  # at a phase's first step the optimizers start fresh anyway
            self._enter(phase, at_start=False)
            for name, optimizer in self.optimizers.items():
                optimizer.load_state_dict(state["optimizers"][name])

    def run(self, report: Report, stop: Stop, num_workers: int = 0) -> bool:
        """Train to the recipe's end, or until `stop` is true; True when the end was reached.

        Saves every `checkpoint_steps` and at the end. num_workers: processes that make the batches; 0 = this
        one, between the steps.
        """
        record, is_saved = Record(self.out, self.step), (self.out / STATE_FILE).exists()
        last_s = time.perf_counter()
        for batch in batches_from(self.batches, self.step, num_workers):
            if stop:
                break
            row = self.train_step(batch)
            now_s = time.perf_counter()
            row["seconds"], last_s = now_s - last_s, now_s  # with what was waited for
            record.add(row)
            report(row)
            if is_saved := self.step % self.recipe.checkpoint_steps == 0:
                self.save()
            if stop:  # before another batch is waited for
                break
        if not is_saved:
            self.save()
        return self.step >= self.recipe.total_steps

    def save(self) -> None:
        """Write the resumable state and the curves. Rows of ever new sizes leave holes in the heap, some 10
        MiB a step; they are given back here."""
        give_back()
        save_state(
            self.out, self.recipe, self.step, self.tokens, self.model, self.optimizers, self.compute.dtype
        )
        if (self.out / "metrics.jsonl").exists():
            plot_curves(self.out)

    def train_step(self, batch: list[Rows] | None = None) -> dict[str, Any]:
        """One optimizer step; returns its figures. `batch` is that of the step, None = make it now."""
        started = time.perf_counter()
        phase, inside = self.recipe.locate(self.step)
        if phase is not self.phase:
            self._enter(phase, at_start=inside == 0)
        batch = self.batches[self.step] if batch is None else batch
        figures = self._backward(phase, batch)
        norm = update(self.model, self.optimizers, phase, inside, self.recipe.clip_norm, self.step)
        factor = schedule(phase, inside)
        imbalance = self._balance(phase.balance_rate * factor) if phase.train_trunk else None
        self.step += 1
        num_tokens = sum(rows.tokens_BT.numel() for rows in batch)
        self.tokens += num_tokens
        elapsed = time.perf_counter() - started
        return {
            "step": self.step - 1, "phase": phase.name, "tokens": self.tokens, **figures,
            "grad_norm": norm, "imbalance": imbalance, "lr": phase.learning_rate * factor,
            "tokens_per_s": num_tokens / elapsed,
        }  # fmt: skip

    def _backward(self, phase: Phase, batch: list[Rows]) -> dict[str, float]:
        """Gradients of the loss over all rows, of one width and so many tokens at a time that masks and
        activations find room; the loss and the shares of hits."""
        num_targets = sum(int(rows.mask_BT.sum()) for rows in batch)
        total: dict[str, float] = {}
        for rows in (part for whole in batch for part in self._parts(whole)):
            share = int(rows.mask_BT.sum()) / num_targets
            if not share:
                continue
            with self.compute.lowered():
                loss, figures = self._loss(phase, rows.to(self.compute.device))
            (loss * share).backward()
            for name, value in {"loss": loss.item(), **figures}.items():
                total[name] = total.get(name, 0.0) + share * value
        return total

    def _parts(self, rows: Rows) -> Iterator[Rows]:
        """As many rows at a time as there is room for."""
        if self.compute.device.type != "cpu":
            return rows.parts(_MOST_TOKENS)
        return rows.parts(min(_MOST_TOKENS, _MOST_PAIRS // rows.tokens_BT.shape[1]))

    def _loss(self, phase: Phase, rows: Rows) -> tuple[torch.Tensor, dict[str, float]]:
        with torch.set_grad_enabled(phase.train_trunk):
            hidden = self.model(rows.tokens_BT, rows.positions_BT, rows.documents_BT, rows.prefixes_BT)
        figures: dict[str, float] = {}
        loss = hidden.new_zeros(())
        if phase.train_trunk:
            loss, figures["accuracy"] = trunk_loss(self.model, rows, hidden)
        if phase.mtp_depth:
            losses = mtp_losses(self.model, rows, hidden, phase.mtp_depth)
            loss = loss + phase.mtp_weight * torch.stack([part for part, _ in losses]).mean()
            figures |= {f"mtp_{k}_accuracy": hits for k, (_, hits) in enumerate(losses, start=1)}
        return loss, figures

    def _enter(self, phase: Phase, *, at_start: bool) -> None:
        """Make `phase` current: what is trained, fresh optimizers, cloned modules."""
        self.phase = phase
        self.model.train(phase.train_trunk)
        for name, p in self.model.named_parameters():
            depth = int(name.split(".")[1]) if name.startswith("mtp.") else None
            trained = phase.train_trunk if depth is None else depth < phase.mtp_depth
            p.requires_grad_(trained and not name.endswith("router.bias"))
        if phase.clone_mtp and at_start:
            for module in list(self.model.mtp)[1:]:
                module.load_state_dict(self.model.mtp[0].state_dict())
        self.optimizers = make_optimizers(
            self.model, phase, self.recipe.optimizer, self.recipe.weight_decay, self.compute.muon_dtype
        )

    @torch.no_grad()
    def _balance(self, rate: float) -> float:
        """Move router biases towards equal load (no auxiliary loss): b += rate * sign(mean - load).

        Returns the worst layer's max / mean load of this step.
        """
        worst = 1.0
        for router in routers(self.model):
            load_E = router.take_load()
            worst = max(worst, (load_E.max() / load_E.mean()).item())
            if router.spec.has_router_bias:
                router.bias += rate * torch.sign(load_E.mean() - load_E)
        return worst


def routers(model: Transformer) -> Iterator[Router]:
    """All routers of a model, in layer order."""
    return (m for m in model.modules() if isinstance(m, Router))
