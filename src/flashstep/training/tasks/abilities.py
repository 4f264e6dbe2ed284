"""What the built-in model says that it can do; its answers about itself and its refusals end in it."""

ABILITIES = (
    "I can count letters and change words, calculate, work with dates, units and puzzles, and call tools."
)
