"""asv: how fast two random views of digits are made."""

from __future__ import annotations

import torch

from .grid import DEVICES, available, synchronised

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
        try:
            from datasets.augmentation import two_views
            from datasets.mnist_two_view import TwoViewTransform, view_transform
        except ImportError:
            raise NotImplementedError("this commit has no two-view data") from None
        generator = torch.Generator().manual_seed(0)
        images = torch.randint(0, 256, (IMAGES, 1, 28, 28), dtype=torch.uint8, generator=generator)
        if path == "batched":
            images = images.to(place)
            self.work = lambda: two_views(images)
            return
        from PIL.Image import fromarray

        transform = TwoViewTransform(view_transform())
        pictures = [fromarray(image[0].numpy()) for image in images]
        self.work = lambda: [transform(picture) for picture in pictures]

    def time_two_views(self, path: str, device: str) -> None:
        self.work()
