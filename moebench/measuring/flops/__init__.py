"""Two independent FLOP counters: a closed form from shapes, and a count of the jaxpr."""
