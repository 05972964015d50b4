"""The common part of all readers of folders of image files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from moebench.data.regular_files import shown
from moebench.data.user.file_tree import LeftOut
from moebench.data.user.reader import Uniform


class Folder:
    """A folder of image files, each of any shape."""

    def __init__(self, root: Path) -> None:
        self.root, self.where = root, shown(root)
        self._left_out = LeftOut()

    def notes(self) -> Sequence[str]:
        """Return sentences on what is left out. Complete after `parts`."""
        return self._left_out.notes()

    def uniform(self) -> Uniform | None:
        """Return None: images may have any shape."""
        return None

    def content(self) -> Iterable[bytes]:
        """Yield nothing: images have no uniform shape."""
        return ()
