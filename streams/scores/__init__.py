"""Clinical scores and classifications: `model` holds them as data, `inputs` checks what is given, `run` computes."""
