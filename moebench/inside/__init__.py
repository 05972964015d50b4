"""Read, write and analyse recordings of the routing of single tokens.

No module here needs JAX; `moebench.evaluation.recorder` makes the recordings.
"""
