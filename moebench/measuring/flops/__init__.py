"""Count FLOPs in two independent ways: from shapes in closed form, and from the jaxpr."""
