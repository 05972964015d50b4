"""Answer in words: a frame in, a sentence or a terminal table out."""
