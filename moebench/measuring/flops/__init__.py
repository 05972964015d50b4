"""Count FLOPs in two independent ways: a closed form from shapes, and a count of the jaxpr."""
