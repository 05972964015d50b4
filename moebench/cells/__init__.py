"""One cell from its specification to its rows: the only place where models, data, training and measuring meet."""
