"""Random crop, affine map and erasure of whole batches, drawn independently for each image."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import grid_sample

ROWS = 256  # images at a time on a CPU: their grids stay in its cache
TRIES = 10  # torchvision's RandomResizedCrop and RandomErasing draw at most so many boxes
Range = tuple[float, float]


@dataclass(frozen=True)
class Augmentation:
    """The settings of a view: RandomResizedCrop, RandomAffine, ToTensor, RandomErasing, in this order.

    Areas (`crop`, `erase`) are shares of the image, ratios are width over height of the crop (a range that contains 1)
    and height over width of the erased box; degrees and shear in degrees either way, `translate` as a share of the
    side either way.
    """

    crop: Range = (0.8, 1.0)
    crop_ratio: Range = (3 / 4, 4 / 3)  # torchvision's default
    degrees: float = 15.0
    translate: float = 0.1
    shear: float = 10.0
    erase_probability: float = 0.25
    erase: Range = (0.02, 0.1)
    erase_ratio: Range = (0.3, 3.3)

    def draw(self, n: int, side: int, generator: torch.Generator | None, device: torch.device) -> Parameters:
        """Parameters for n images of `side` pixels, with the distribution of torchvision's `get_params`."""

        def uniform(low: float, high: float, *shape: int) -> Tensor:
            return torch.empty(*shape, n, dtype=torch.float32, device=device).uniform_(low, high, generator=generator)

        def corner(box: Tensor) -> Tensor:
            return (uniform(0, 1) * (side - box + 1)).floor()

        def first(area: Range, ratio: Range, least: int, most: int) -> tuple[Tensor, Tensor, Tensor]:
            """Both sides of the first box of TRIES within the bounds, and whether there is one."""
            areas = side * side * uniform(*area, TRIES)
            ratios = uniform(math.log(ratio[0]), math.log(ratio[1]), TRIES).exp()
            a, b = (areas * ratios).sqrt().round(), (areas / ratios).sqrt().round()  # half to even, as in Python
            fits = torch.minimum(a, b).ge(least) & torch.maximum(a, b).le(most)  # (TRIES, n)
            chosen = fits.int().argmax(0, keepdim=True)
            return a.gather(0, chosen)[0], b.gather(0, chosen)[0], fits.any(0)

        width, height, found = first(self.crop, self.crop_ratio, 1, side)
        width, height = (part.where(found, part.new_tensor(float(side))) for part in (width, height))
        top, left = corner(height), corner(width)
        angle = uniform(-self.degrees, self.degrees)
        reach = self.translate * side
        across, down = uniform(-reach, reach).round(), uniform(-reach, reach).round()
        shear = uniform(-self.shear, self.shear)
        chance = uniform(0, 1)
        tall, wide, found = first(self.erase, self.erase_ratio, 0, side - 1)
        erased = found & (chance < self.erase_probability)
        tall, wide = tall * erased, wide * erased
        return Parameters(top, left, height, width, angle, across, down, shear, corner(tall), corner(wide), tall, wide)


class Parameters(NamedTuple):
    """One entry an image, (n,): the crop box, the affine map (degrees, pixels), the erased box (0 x 0 for none)."""

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    angle: Tensor
    across: Tensor
    down: Tensor
    shear: Tensor
    erased_top: Tensor
    erased_left: Tensor
    erased_height: Tensor
    erased_width: Tensor


def augment(
    images: Tensor, generator: torch.Generator | None = None, settings: Augmentation = Augmentation()
) -> Tensor:
    """One view of each image: (n, c, s, s) uint8 or floating in [0, 1] -> the same shape, floating, in [0, 1].

    The draws are made on the generator's device, in float32, so that one seed gives the same views on every device;
    without a generator they come from the default one of the images' device. uint8 becomes float32 / 255.
    Equal to torchvision's pipeline on PIL images but for this: PIL rounds the cropped image to 8 bits (a difference
    of at most 1/255 or so), and places the affine map in steps of 2^-16 pixel, which picks the neighbouring pixel for
    about one pixel in ten thousand.
    """
    if images.ndim != 4 or images.shape[2] != images.shape[3] or images.shape[2] < 2:
        raise ValueError(f"images must have shape (n, channels, side, side), found {tuple(images.shape)}")
    if images.dtype != torch.uint8 and not images.is_floating_point():
        raise TypeError(f"images must be uint8 or floating, found {images.dtype}: divide by the largest value first")
    device = images.device if generator is None else generator.device
    drawn = settings.draw(len(images), images.shape[2], generator, device)
    return resample(images, Parameters(*(part.to(images.device) for part in drawn)))


def two_views(
    images: Tensor, generator: torch.Generator | None = None, settings: Augmentation = Augmentation()
) -> tuple[Tensor, Tensor]:
    """Two independent views of each image: `augment` twice."""
    return augment(images, generator, settings), augment(images, generator, settings)


def resample(images: Tensor, drawn: Parameters) -> Tensor:
    """The views of images (n, c, s, s) that the parameters on their device describe.

    As in torchvision: the crop box is enlarged to s x s bilinearly, within its border; the affine map then picks the
    nearest pixel of that, and 0 outside. Its grid is the inverse of rotation times shear about the centre
    (`_get_inverse_affine_matrix`).
    """
    n, side = len(images), images.shape[2]
    dtype = torch.float64 if images.dtype == torch.float64 else torch.float32
    (top, left, height, width, angle, across, down, shear, *box) = (part.to(dtype).unsqueeze(1) for part in drawn)
    pixels = torch.arange(side, dtype=dtype, device=images.device)  # (s,)

    def enlarged(begin: Tensor, size: Tensor) -> Tensor:
        """Where the pixels of the enlarged crop lie, (n, s), with [-1, 1] from the first to the last centre."""
        inside = torch.minimum(((pixels + 0.5) * size / side - 0.5).clamp(min=0), size - 1)
        return (begin + inside) * (2 / (side - 1)) - 1

    columns, rows = enlarged(left, width), enlarged(top, height)
    x, y = ((2 * (pixels - shift) + 1) / side - 1 for shift in (across, down))  # (n, s), [-1, 1] from edge to edge
    cos, sin, tan = angle.deg2rad().cos(), angle.deg2rad().sin(), shear.deg2rad().tan()
    x_of_x, x_of_y, y_of_x, y_of_y = (cos - sin * tan) * x, (cos * tan + sin) * y, -sin * x, cos * y  # (n, s) each

    views = torch.empty(images.shape, dtype=images.dtype if images.is_floating_point() else dtype, device=images.device)
    step = ROWS if images.device.type == "cpu" else max(n, 1)
    for start in range(0, n, step):
        part = slice(start, start + step)
        image = images[part].to(dtype)
        # One grid for both, filled in place: half as slow as building each from new tensors.
        grid = image.new_empty(len(image), side, side, 2)
        grid[..., 0], grid[..., 1] = columns[part].unsqueeze(1), rows[part].unsqueeze(2)
        crop = grid_sample(image, grid, mode="bilinear", padding_mode="border", align_corners=True)
        torch.add(x_of_x[part].unsqueeze(1), x_of_y[part].unsqueeze(2), out=grid[..., 0])
        torch.add(y_of_x[part].unsqueeze(1), y_of_y[part].unsqueeze(2), out=grid[..., 1])
        views[part] = grid_sample(crop, grid, mode="nearest", padding_mode="zeros", align_corners=False)
    if images.dtype == torch.uint8:
        views /= 255

    erased = box[2].squeeze(1).nonzero().squeeze(1)  # the images with an erased box
    tall, wide = (
        (pixels >= box[k][erased]) & (pixels < box[k][erased] + box[k + 2][erased]) for k in (0, 1)
    )  # (m, s) each
    views[erased] = views[erased].masked_fill((tall.unsqueeze(2) & wide.unsqueeze(1)).unsqueeze(1), 0)
    return views
