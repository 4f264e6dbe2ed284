"""The tasks of reasoning-gym that have a solver, by their names there."""

from flashstep.training.tasks.gym import word_sequence_reversal
from flashstep.training.tasks.gym.solved import Solver

SOLVERS: dict[str, Solver] = {
    "word_sequence_reversal": word_sequence_reversal.solve,
}
