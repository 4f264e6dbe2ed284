"""The picture of a run of reinforcement learning (curves.png), from the same record as pretraining's."""

from pathlib import Path

from flashstep.training.curves import Panel, draw, read_record

_PANELS = (
    Panel("mean reward", ("reward",)),
    Panel("share", ("dropped_groups", "truncated", "kept_tokens", "kept_trajectories")),
    Panel("trainer vs engine (nats)", ("mismatch_mean", "mismatch_max"), is_log=True),
    Panel("nats", ("entropy", "kl")),
    Panel("tokens of a rollout", ("rollout_tokens",)),
)


def plot_rl_curves(path: Path) -> None:
    """Draw reward, shares, mismatch, entropy and lengths over steps; nothing when there is no step yet."""
    rows = read_record(path)
    if rows:
        draw(path, [row["step"] for row in rows], rows, _PANELS, "step")
