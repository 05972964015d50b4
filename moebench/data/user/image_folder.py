"""Read image folders: a folder for each class, perhaps inside a folder for each split."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from moebench.data.regular_files import shown
from moebench.data.user.file_tree import folders, is_folder, stamp, visible, walk
from moebench.data.user.folder import Folder
from moebench.data.user.formats import is_image
from moebench.data.user.labels import clean
from moebench.data.user.reader import Part, Raw
from moebench.data.user.splits import TRAIN_NAMES, are_splits
from moebench.errors import BadInput


class ImageFolder(Folder):
    """ROOT/CLASS/…/IMAGE, or ROOT/SPLIT/CLASS/…/IMAGE with splits such as train, val and test."""

    def parts(self) -> Mapping[str, Part]:
        """List the images of each split.

        Only files that are images by suffix or content count.

        Raises:
            BadInput: a folder cannot be read, there are no folders of classes, or a class has no image.
        """
        return {name: self._part(name, files) for name, files in self._files.items()}

    def stamp(self) -> str:
        """Return a digest of the paths, sizes and times of all images."""
        listed = [file for files in self._files.values() for file, _ in files or []]
        return stamp(self.where, listed)

    def _part(self, name: str, files: list[tuple[Path, str]] | None) -> Part:
        where = shown(self.root / name) if name else self.where
        if files is None:
            return Part(where, unlabelled="it has no folders of classes")

        def raw() -> Iterator[Raw]:
            return (Raw(shown(file), file) for file, _ in files)

        return Part(where, [label for _, label in files], raw)

    @cached_property
    def _files(self) -> dict[str, list[tuple[Path, str]] | None]:
        """Images of each split with their classes; None for a split without folders of classes."""
        names = folders(self.root, self._left_out)
        if are_splits(names) or self._are_unknown_splits(names):
            return {name: self._images(self.root / name) for name in names}
        if len(names) == 1 and names[0].lower() in TRAIN_NAMES:
            return {names[0]: self._with_classes(self.root / names[0])}
        return {"": self._with_classes(self.root)}

    def _are_unknown_splits(self, names: Sequence[str]) -> bool:
        """Return whether folders beside `train` contain folders of equal names, and so must be splits."""
        train = next((name for name in names if name.lower() in TRAIN_NAMES), None)
        if train is None or len(names) < 2:
            return False
        inner = set(folders(self.root / train))
        return any(not inner.isdisjoint(folders(self.root / name)) for name in names if name != train)

    def _with_classes(self, top: Path) -> list[tuple[Path, str]]:
        found = self._images(top)
        if found is None:
            raise BadInput(
                f"{shown(top)} has no folders of classes: put the images of each class into a folder of its own, such "
                f"as {shown(top / 'cat' / '1.png')}.",
                key="data",
            )
        return found

    def _images(self, top: Path) -> list[tuple[Path, str]] | None:
        """List the images below a folder of classes, each with its class.

        The result is None if the folder has no folders.
        """
        entries = visible(top, None if top == self.root else self._left_out)
        classes = [entry.name for entry in entries if is_folder(entry)]
        if not classes:
            return None
        for entry in entries:
            if not is_folder(entry):
                self._leave_out(Path(entry.path), outside=True)
        found: list[tuple[Path, str]] = []
        for name in classes:
            before = len(found)
            for file in walk(top / name, self._left_out):
                if is_image(file):
                    found.append((file, clean(name)))
                else:
                    self._leave_out(file)
            if len(found) == before:
                raise BadInput(f"{shown(top / name)} is the folder of a class and has no image.", key="data")
        return found

    def _leave_out(self, file: Path, *, outside: bool = False) -> None:
        if outside and is_image(file):
            self._left_out.add("images outside of the folders of classes", file)
        else:
            self._left_out.add("no images that Pillow reads", file, file.suffix.lower() or "without suffix")
