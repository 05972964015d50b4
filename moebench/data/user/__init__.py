"""The user's own images: folders, tables, CIFAR's files, arrays.

No content of a file is ever executed.
"""
