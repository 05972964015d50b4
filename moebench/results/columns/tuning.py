"""Columns on the choice of a cell's hyperparameters."""

from moebench.results.columns.column import BOOL, NUMBER, SMALL, TEXT, Column, in_group

TUNING = in_group(
    "tuning",
    Column("tuned", TEXT, "JSON", "hyperparameters chosen by tune; null if nothing was tuned", "Tuned"),
    Column("tuned_tries", SMALL, "tries", "combinations that tune chose from, each trained with one seed", "Tries"),
    Column(
        "tuned_margin",
        NUMBER,
        "nats",
        "validation loss of the second best try minus that of the chosen one; null if fewer than two tries converged",
        "Margin of the chosen try",
    ),
    Column(
        "tuned_on_edge",
        BOOL,
        "",
        "whether a chosen value is the smallest or largest of its list, so that a better value may lie beyond",
        "Tuned to an edge",
    ),
    Column(
        "tuning",
        TEXT,
        "JSON",
        "every try of tune: hyperparameters, loss and accuracy on the validation split, steps, seconds, training curve",
        "Tries of tuning",
    ),
)
