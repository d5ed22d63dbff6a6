"""asv: the time to make two random views of digits."""

from __future__ import annotations

from collections.abc import Callable

import torch

from .grid import DEVICES, available, first_of, synchronised

IMAGES = 512


class TwoViews:
    """Seconds for both views of 512 made-up digits: in one batch on a device, or image by image through PIL."""

    version = "1"
    params = (("batched", "PIL"), DEVICES)
    param_names = ("path", "device")
    timer = staticmethod(synchronised)
    number = 1

    def setup(self, path: str, device: str) -> None:
        place = available(device)
        if path == "PIL" and device != "cpu":
            raise NotImplementedError("PIL images are on the host")
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=generator)
        try:
            self.work = batched(images.to(place)) if path == "batched" else one_by_one(images)
        except ImportError as error:  # of an old commit, or of an environment without torchvision
            raise NotImplementedError(str(error)) from None

    def time_two_views(self, path: str, device: str) -> None:
        self.work()


def batched(images: torch.Tensor) -> Callable[[], object]:
    two_views = first_of("datasets.two_view.augmentation", "datasets.augmentation").two_views
    return lambda: two_views(images)


def one_by_one(images: torch.Tensor) -> Callable[[], object]:
    from PIL.Image import fromarray

    views = first_of("datasets.two_view.views", "datasets.mnist_two_view")
    transform = views.TwoViewTransform(views.view_transform())
    pictures = [fromarray(image[0].numpy()) for image in images]
    return lambda: [transform(picture) for picture in pictures]
