"""Tasks of reasoning-gym that the model learns: its questions, our way to the answer."""
