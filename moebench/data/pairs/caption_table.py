"""Read tables with a column of encoded images and a column of captions."""

from collections.abc import Iterable, Mapping, Sequence

from moebench.data.pairs.captions import CAPTION_NAMES, CaptionedPart, captioned, distinct, texts
from moebench.data.user.file_tree import LeftOut
from moebench.data.user.reader import MOST_IMAGES, Part, Uniform
from moebench.data.user.table import IMAGE_NAMES, LABEL_ROWS, Rows, Table, encoded_images, valid_column
from moebench.errors import BadInput


class CaptionTable:
    """Pairs of Parquet files, of a saved data set or of the Hugging Face hub."""

    def __init__(self, table: Table) -> None:
        self.where, self._table, self._left_out = table.where, table, LeftOut()

    def parts(self) -> Mapping[str, CaptionedPart]:
        """Read the captions, without the images.

        Raises:
            BadInput: a file is damaged, or a column is missing.
        """
        image = self._table.column("images", IMAGE_NAMES)
        caption = self._table.column("captions", CAPTION_NAMES)
        return {name: self._part(name, files, image, caption) for name, files in self._table.splits.items()}

    def stamp(self) -> str:
        """Return a text that changes if a file changes."""
        return f"captions-{self._table.stamp()}"

    def notes(self) -> Sequence[str]:
        """Return sentences on what is left out. Complete after `parts`."""
        return [*self._table.notes(), *self._left_out.notes()]

    def uniform(self) -> Uniform | None:
        """Return None: images may have any shape."""
        return None

    def content(self) -> Iterable[bytes]:
        """Yield nothing: images have no uniform shape."""
        return ()

    def _part(self, name: str, files: Sequence[Rows], image: str, caption: str) -> CaptionedPart:
        for rows in files:
            for column in (image, caption):
                if column not in rows.schema.names:
                    raise BadInput(f"{rows.where} has no column '{column}', and other files have.", key="data")
        part = Part(
            f"{self.where} ({name})" if name else self.where,
            raw=lambda: (raw for rows in files for raw in encoded_images(rows, image)),
        )
        return captioned(part, [each for rows in files for each in self._captions(rows, caption)])

    def _captions(self, rows: Rows, caption: str) -> list[tuple[str, ...]]:
        found: list[tuple[str, ...]] = []
        for batch in rows.read([caption], LABEL_ROWS):
            with valid_column(rows.where, caption, batch) as values:
                cells = values.to_pylist()
            for cell in cells:
                where = f"row {len(found)} of {rows.where}"
                found.append(distinct(where, texts(where, cell), self._left_out))
            if len(found) > MOST_IMAGES:
                raise BadInput(f"{rows.where} has more than {MOST_IMAGES:,} rows.", key="data")
        return found
