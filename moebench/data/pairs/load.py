"""Find image-text pairs by name or path, and load them.

`scenes-N` has N training scenes (8,192 is the usual number), 1,000 test scenes for retrieval, and 20 zero-shot images
for each of 64 combinations of colour and shape, of which 51 are seen in training. Images have 32 pixels by default.
Objects are near the centres of the quarters of the image, so that patches of 8 pixels suit them. Each image has 5
captions of at most 28 words.

A dense tower of 2 blocks of width 64 ranks the right caption first for 64 % of the 1,000 test scenes, and classifies 99
% of single objects of seen and 53 % of held-out combinations, after 2,000 steps of 64 images of classification on
scenes-32768 at a learning rate of 6e-3, and 500 steps of 128 pairs for a text tower of that size at 4e-3 (one seed,
both trained outside of moebench). On scenes-8192, whose images are then seen 16 times each, the figures are 57 %, 99 %
and 18 %.
"""

from moebench.data.pairs.own import READABLE, OwnPairs
from moebench.data.pairs.pairs import PairData, PairSource
from moebench.data.pairs.rendered import ScenePairs
from moebench.data.registry import find
from moebench.data.scenes.source import USUAL, Scenes
from moebench.data.source import Say
from moebench.errors import BadInput
from moebench.spec.cell_spec import is_place


def find_pairs(name: str) -> PairSource:
    """Return the source of image-text pairs of a name or path.

    Args:
        name: scenes-N, a path, or splits as `train=PATH,test=PATH`.

    Raises:
        BadInput: no pairs have that name, such as a data set that has labels and no captions.
    """
    if is_place(name):
        return OwnPairs(name)
    scenes = Scenes.named(name)
    if scenes is None:
        find(name)  # an unknown name has a nearest known one
        raise BadInput(f"{name} has labels and no captions: give {Scenes(USUAL).name}, or {READABLE}.", key="data")
    return ScenePairs(scenes)


def load_pairs(name: str, image_size: int | None = None, say: Say = print) -> PairData:
    """Load image-text pairs.

    Args:
        name: scenes-N, a place, or splits as `train=PLACE,test=PLACE`.
        image_size: side of the images in pixels; None takes the data's own size.
        say: receives progress and warnings, line by line.

    Raises:
        BadInput: no pairs have that name, they cannot be read, or that size cannot be made.
    """
    return find_pairs(name).load(image_size, say)
