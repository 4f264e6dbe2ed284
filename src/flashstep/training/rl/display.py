"""What a run of reinforcement learning shows while it goes."""

import sys
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class Display:
    """A live bar on a terminal, a line a step elsewhere."""

    def __init__(self, num_steps: int, first_step: int) -> None:
        self.console = Console(file=sys.stderr)
        columns = (
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[line]}"),
            TimeRemainingColumn(),
        )
        self.progress = Progress(*columns, console=self.console, disable=not self.console.is_terminal)
        self.task = self.progress.add_task("rl", total=num_steps, completed=first_step, line="")

    def __enter__(self) -> "Display":
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def report(self, row: dict[str, Any]) -> None:
        """Show one step's figures."""
        line = _line(row)
        self.progress.update(self.task, advance=1, line=line)
        if not self.console.is_terminal:
            self.console.print(f"step {row['step']} {line}", highlight=False)


def _line(row: dict[str, Any]) -> str:
    parts = {"reward": row["reward"], "dropped": row["dropped_groups"], "mismatch": row.get("mismatch_mean")}
    shown = (f"{name} {'-' if value is None else f'{value:.2g}'}" for name, value in parts.items())
    return f"{' '.join(shown)} {row['rollout_tokens']:.0f} tokens a rollout"
