"""What the built-in model says that it can do; its answers about itself and its refusals end in it."""

ABILITIES = "I can count letters and change words, add, subtract and compare numbers, and call tools."
