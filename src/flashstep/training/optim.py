"""Muon and AdamW for one model, and the learning-rate schedule.

Muon: Nesterov momentum, orthogonalised by Polar Express (arXiv 2505.16932; six iterations), each
update scaled to 0.2 * sqrt(max(rows, columns)) so that its RMS matches AdamW's. Stacked experts
are orthogonalised one by one (batched). Embedding, heads, router, head gate, norms: AdamW.
"""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from flashstep.errors import ConfigError
from flashstep.training.recipe import Phase

# The paper's (a, b, c) per iteration; all but the last are damped for safety (1.01, 1.01^3, 1.01^5).
_POLAR = [
    (8.28721201814563, -23.595886519098837, 17.300387312530933),
    (4.107059111542203, -2.9478499167379106, 0.5448431082926601),
    (3.9486908534822946, -2.908902115962949, 0.5518191394370137),
    (3.3184196573706015, -2.488488024314874, 0.51004894012372),
    (2.300652019954817, -1.6689039845747493, 0.4188073119525673),
    (1.891301407787398, -1.2679958271945868, 0.37680408948524835),
]


def orthogonalize(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Nearest (semi-)orthogonal matrices: singular values of each [..., rows, columns] pushed to 1, in the
    type of `matrices`. dtype: of the products."""
    tall = matrices.shape[-2] > matrices.shape[-1]
    x = (matrices.mT if tall else matrices).reshape(-1, *sorted(matrices.shape[-2:]))
    x = (x / (1.01 * x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).to(dtype)
    for a, b, c in _POLAR:
        gram = x @ x.mT
        gram = torch.baddbmm(gram, gram, gram, beta=b / 1.01**3, alpha=c / 1.01**5)
        x = torch.baddbmm(x, gram, x, beta=a / 1.01)
    return (x.mT if tall else x).reshape(matrices.shape).to(matrices.dtype)


class Muon(torch.optim.Optimizer):
    """Muon over matrices [rows, columns] and stacks of them [E, rows, columns], orthogonalised in `dtype`."""

    def __init__(
        self, params: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95,
        dtype: torch.dtype = torch.float32,
    ) -> None:  # fmt: skip
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})
        self.dtype = dtype

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                update = orthogonalize(self._momentum(p, group["momentum"]), self.dtype)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.add_(update, alpha=-group["lr"] * 0.2 * max(p.shape[-2:]) ** 0.5)

    def _momentum(self, p: nn.Parameter, momentum: float) -> Tensor:
        assert p.grad is not None, "only parameters with gradients get here"
        state = self.state[p]
        if "momentum" not in state:
            state["momentum"] = torch.zeros_like(p)
        buffer: Tensor = state["momentum"]
        buffer.mul_(momentum).add_(p.grad)
        return p.grad.add(buffer, alpha=momentum)


def make_optimizers(
    model: nn.Module, phase: Phase, kind: str, weight_decay: float, dtype: torch.dtype = torch.float32
) -> dict[str, torch.optim.Optimizer]:
    """Optimizers over the parameters that require gradients, by kind; rates are the phase's peak. dtype: of
    Muon's products."""
    if kind not in ("muon", "adamw"):
        raise ConfigError(f"optimizer is '{kind}', expected 'muon' or 'adamw'")
    matrices, others, plain = [], [], []
    for name, p in model.named_parameters():
        if not p.requires_grad:
            continue
        inside = ("layers." in name or ".layer." in name or "eh_proj" in name) and p.ndim >= 2
        if kind == "muon" and inside and "router" not in name and "g_proj" not in name:
            matrices.append(p)
        elif p.ndim >= 2:
            others.append(p)
        else:
            plain.append(p)
    rate = phase.learning_rate * phase.adam_scale
    groups = [{"params": others, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
    adamw = torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.95), eps=1e-8)
    optimizers: dict[str, torch.optim.Optimizer] = {"adamw": adamw}
    if matrices:
        optimizers["muon"] = Muon(matrices, lr=phase.learning_rate, weight_decay=weight_decay, dtype=dtype)
    return optimizers


def schedule(phase: Phase, step: int) -> float:
    """Factor on the peak rate at `step` of the phase: warm-up, constant, linear decay to 0.

    100 steps, warm-up 10, decay 0.5: 0.1 at step 0, 1.0 at 9 to 49, 0.5 at 75, 0.02 at 99.
    """
    decay_steps = max(1, round(phase.steps * phase.decay_fraction))
    return min(1.0, (step + 1) / max(1, phase.warmup_steps), (phase.steps - step) / decay_steps)


def update(
    model: nn.Module, optimizers: dict[str, torch.optim.Optimizer], phase: Phase, inside: int,
    clip_norm: float, step: int,
) -> float:  # fmt: skip
    """Clip the gradient, take step `inside` of the phase, forget the gradient; its norm before clipping.

    ConfigError, with the weights untouched, when it is not finite; `step` is the one it names.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    norm = torch.nn.utils.clip_grad_norm_(parameters, clip_norm).item()
    if not norm < float("inf"):
        raise ConfigError(f"step {step}: the gradient norm is {norm}; lower the learning rate and resume")
    factor = schedule(phase, inside)
    for kind, optimizer in optimizers.items():
        scale = phase.adam_scale if kind == "adamw" else 1.0
        for group in optimizer.param_groups:
            group["lr"] = phase.learning_rate * scale * factor
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
    return norm
