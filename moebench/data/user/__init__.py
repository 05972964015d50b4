"""The user's own images: folders, tables, CIFAR's files, arrays. Nothing of what is read is ever run."""
