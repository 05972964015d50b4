"""One cell from its specification to its rows.

Models, data, training and measuring meet only in this package.
"""
