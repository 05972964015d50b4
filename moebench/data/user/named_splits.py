"""Splits that the user names one by one: several paths, or splits of one path."""

from collections.abc import Callable, Iterable, Mapping, Sequence

from moebench.data.user.detect import collection
from moebench.data.user.reader import Collection, Part, Uniform
from moebench.data.user.splits import TEST_NAMES, TRAIN_NAMES, VALIDATION_NAMES
from moebench.errors import BadInput, unknown

_KNOWN = {"train": TRAIN_NAMES, "validation": VALIDATION_NAMES, "test": TEST_NAMES}
"""For each role, the names that a split of a path with several splits may have."""


class NamedSplits:
    """Parts by their roles `train`, `validation` and `test`, from one path or several."""

    def __init__(self, where: str, splits: Mapping[str, str], read: Callable[[str], Collection] = collection) -> None:
        """Open the places.

        Args:
            where: all of them, for messages.
            splits: the place of each role; with `place`, the name of a split of that place.
            read: opens a place.

        Raises:
            BadInput: a place cannot be read.
        """
        self.where = where
        roles = {role: name for role, name in splits.items() if role != "place"}
        self._within = splits.get("place")
        self._names = roles
        if self._within is None:
            self._collections = {role: read(name) for role, name in roles.items()}
        else:
            self._collections = dict.fromkeys(roles, read(self._within))

    def parts(self) -> Mapping[str, Part]:
        """Return the part of each role.

        Raises:
            BadInput: a place cannot be read, has no such split, or has several and none for the role.
        """
        return {role: self._part(role, found, found.parts()) for role, found in self._collections.items()}

    def stamp(self) -> str:
        """Return the stamps of all places."""
        return "-".join(f"{role}-{self._names[role]}-{found.stamp()}" for role, found in self._collections.items())

    def notes(self) -> Sequence[str]:
        """Return the sentences of all places, each once."""
        return list(dict.fromkeys(note for found in self._collections.values() for note in found.notes()))

    def uniform(self) -> Uniform | None:
        """Return None: places may differ in the shape of their images."""
        return None

    def content(self) -> Iterable[bytes]:
        """Yield nothing: images have no uniform shape."""
        return ()

    def _part(self, role: str, found: Collection, parts: Mapping[str, Part]) -> Part:
        if self._within is not None:
            name = self._names[role]
            if name not in parts:
                raise unknown("split", name, parts, of=found.where, key="data")
            return parts[name]
        if len(parts) == 1:
            return next(iter(parts.values()))
        for name, part in parts.items():
            if name.lower() in _KNOWN[role]:
                return part
        raise BadInput(
            f"{found.where} has the splits {', '.join(sorted(parts))}, and none of them is called {role}: write "
            f"data: {{place: {found.where}, {role}: …}}.",
            key="data",
        )
