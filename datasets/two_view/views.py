"""Two-view MNIST: each digit with two random views of it."""

from __future__ import annotations

import hashlib
import math
import operator
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from ..loaders.storage import DataError, DataFile, data_folder, locate
from .augmentation import Augmentation
from .torchvision_import import torchvision

COUNTS = {"train": 60_000, "t10k": 10_000}
SIDE = 28
FILES = tuple(
    DataFile(f"MNIST/raw/{name}", sha256, f"https://ossci-datasets.s3.amazonaws.com/mnist/{name}.gz", "mnist")
    for name, sha256 in (
        ("train-images-idx3-ubyte", "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        ("train-labels-idx1-ubyte", "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        ("t10k-images-idx3-ubyte", "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        ("t10k-labels-idx1-ubyte", "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    )
)


class TwoViewTransform:
    """Applies a transform twice: image -> (view 1, view 2), independent as far as its draws from torch are."""

    def __init__(self, transform: Callable[[Any], Any]) -> None:
        self.transform = transform

    def __call__(self, image: Any) -> tuple[Any, Any]:
        return self.transform(image), self.transform(image)


def view_transform(settings: Augmentation = Augmentation()) -> Callable[[Any], Tensor]:
    """The pipeline of one view on PIL images, by torchvision: PIL image -> (1, 28, 28) in [0, 1].

    `datasets.two_view.augmentation.augment` does the same to whole batches.
    """
    transforms = torchvision().transforms
    return transforms.Compose(
        [
            transforms.RandomResizedCrop(SIDE, scale=settings.crop, ratio=settings.crop_ratio),
            transforms.RandomAffine(settings.degrees, translate=(settings.translate,) * 2, shear=settings.shear),
            transforms.ToTensor(),
            transforms.RandomErasing(settings.erase_probability, scale=settings.erase, ratio=settings.erase_ratio),
        ]
    )


class MNISTTwoView(Dataset):
    """MNIST (LeCun, Cortes & Burges), 60,000 training or 10,000 test digits with two random views of each.

    Item i is (original, view1, view2, label): three (1, 28, 28) float32 tensors in [0, 1] and an int. Both views come
    from the same pipeline (`view_transform`) with independent randomness.
    root: holds MNIST/raw; None is the data folder (HESSBENCH_DATA). What is not there is fetched if `download` is set.
    seed: with one, item i of epoch e depends on (seed, e, i) only, whatever the number of workers, and the state of
        torch's generator is left as it was. None: fresh randomness from torch's generator at every access.
    Raises DataError for files that are missing or wrong. Files in the same layout that hold another number of images
    than MNIST are taken as they are.
    """

    def __init__(
        self, root: Path | str | None = None, train: bool = True, download: bool = True, seed: int | None = None
    ) -> None:
        self.root, self.train = data_folder(root), bool(train)
        self.seed = None if seed is None else operator.index(seed)
        check_files(self.root, download)
        library = torchvision()
        self.mnist = library.datasets.MNIST(self.root, train=self.train, download=False)
        self.to_tensor = library.transforms.ToTensor()
        self.two_views = TwoViewTransform(view_transform())
        # Shared memory, so that workers that are kept between epochs see the new one.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    @property
    def images(self) -> Tensor:
        """All originals, (n, 1, 28, 28) uint8: what `augment` and `two_views` take."""
        return self.mnist.data.unsqueeze(1)

    @property
    def labels(self) -> Tensor:
        """(n,) int64."""
        return self.mnist.targets

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch, which selects the views of a seeded data set; call it between two passes of a loader."""
        self._epoch.fill_(operator.index(epoch))

    def __len__(self) -> int:
        return len(self.mnist)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor, int]:
        i = operator.index(index)
        if not -len(self) <= i < len(self):
            raise IndexError(f"item {i} of {len(self)}")
        i %= len(self)
        image, label = self.mnist[i]
        if self.seed is None:
            return self.to_tensor(image), *self.two_views(image), label
        with torch.random.fork_rng(devices=[]):
            # Not torch.manual_seed: that would also seed the accelerators, which are not forked here.
            torch.default_generator.manual_seed(item_seed(self.seed, int(self._epoch), i))
            return self.to_tensor(image), *self.two_views(image), label

    def __reduce__(self) -> tuple:
        # A new worker process opens the files again: it could not unpickle torchvision's classes before torchvision is
        # imported, which may need `torchvision_import`.
        return _reopen, (type(self), self.root, self.train, self.seed, self._epoch)


def _reopen(kind: type[MNISTTwoView], root: Path, train: bool, seed: int | None, epoch: Tensor) -> MNISTTwoView:
    views = kind(root, train=train, download=False, seed=seed)
    views._epoch = epoch
    return views


def item_seed(seed: int, epoch: int, index: int) -> int:
    """32 bits, all that torch's CPU generator uses; different for each item of an epoch."""
    start = hashlib.blake2b(f"{seed} {epoch}".encode(), digest_size=4).digest()
    return (int.from_bytes(start, "little") + index * 0x9E3779B1) % 2**32  # an odd factor: one-to-one in the index


def check_files(root: Path, download: bool = False) -> None:
    """Check the four files of MNIST under root, downloading absent ones; DataError where one is wrong."""
    counts = {}
    for file in FILES:
        part, what = Path(file.path).name.split("-")[:2]
        own = _own_count(root / file.path)
        if own is None or own == COUNTS[part]:
            locate(file, root, download=download)
            own = COUNTS[part]
        if counts.setdefault(part, own) != own:
            raise DataError(
                f"{root / file.path} holds {own} {what}, expected {counts[part]} as there are images: {file.remedy}"
            )


def _own_count(path: Path) -> int | None:
    """How many images or labels an IDX file has by its header; None for another file, DataError for an incomplete one.

    The format: two zero bytes, type 8 (uint8), the number of dimensions, each dimension in four bytes, the data.
    """
    dimensions = 3 if "idx3" in path.name else 1
    try:
        with path.open("rb") as stream:
            header = stream.read(4 + 4 * dimensions)
        size = path.stat().st_size
    except OSError:
        return None  # `locate` raises the error
    if len(header) < 4 + 4 * dimensions or header[:4] != bytes((0, 0, 8, dimensions)):
        return None
    shape = [int.from_bytes(header[4 + 4 * k : 8 + 4 * k], "big") for k in range(dimensions)]
    complete = size == len(header) + math.prod(shape) and shape[1:] in ([], [SIDE, SIDE])
    if shape[0] not in COUNTS.values() and not complete:
        raise DataError(
            f"{path} has {size} bytes and a header of shape {tuple(shape)}: expected {SIDE} x {SIDE} bytes an image, "
            f"one a label, after a header of {len(header)}; {FILES[0].remedy}"
        )
    return shape[0]
