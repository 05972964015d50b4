"""Read, write and analyse recordings of what routing does to single tokens.

Nothing here needs JAX; `moebench.evaluation.recorder` makes the recordings.
"""
