"""Two-view MNIST: what a view depends on, and that whole batches go through the same as single images."""

from __future__ import annotations

import importlib
import os
import random
import re
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from benchmarks.runner.environment import ROOT
from datasets.loaders.storage import VARIABLE, DataError
from datasets.two_view import augmentation
from datasets.two_view.augmentation import Augmentation, Parameters, augment, resample, two_views
from datasets.two_view.torchvision_import import torchvision
from datasets.two_view.views import FILES, MNISTTwoView, TwoViewTransform, check_files, item_seed, view_transform

COUNT = 24
PLAIN = Augmentation(crop=(1.0, 1.0), crop_ratio=(1.0, 1.0), degrees=0.0, translate=0.0, shear=0.0)


def digits(n: int, seed: int = 0) -> torch.Tensor:
    """Smooth bright strokes on black, as a digit is, (n, 28, 28) uint8."""
    generator = torch.Generator().manual_seed(seed)
    y, x = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    ends = 6 + 16 * torch.rand(n, 3, 2, 1, 1, generator=generator)
    blobs = (-((y - ends[:, :, 0]) ** 2 + (x - ends[:, :, 1]) ** 2) / 12).exp().sum(1)
    return (255 * blobs.clamp(0, 1)).to(torch.uint8)


def write_idx(root: Path, count: int = COUNT) -> Path:
    """A folder in MNIST's layout with a few images of our own."""
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, n in (("train", count), ("t10k", count // 2)):
        images = struct.pack(">IIII", 0x803, n, 28, 28) + digits(n).numpy().tobytes()
        labels = struct.pack(">II", 0x801, n) + bytes(k % 10 for k in range(n))
        (raw / f"{part}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return root


@pytest.fixture(scope="module")
def twin(tmp_path_factory) -> Path:
    return write_idx(tmp_path_factory.mktemp("twin"))


@pytest.fixture(scope="module")
def real() -> MNISTTwoView:
    folder = os.environ.get(VARIABLE)
    if not folder or not (Path(folder) / FILES[0].path).exists():
        pytest.skip(f"MNIST is not there: set {VARIABLE} to a folder that has it")
    return MNISTTwoView(folder, download=False, seed=0)


def same(a, b) -> bool:
    return all(torch.equal(torch.as_tensor(x), torch.as_tensor(y)) for x, y in zip(a, b, strict=True))


def epoch(views: MNISTTwoView, workers: int, **settings) -> list[torch.Tensor]:
    """One pass of a loader: originals, views 1, views 2, labels."""
    batches = list(DataLoader(views, batch_size=5, num_workers=workers, **settings))
    return [torch.cat(parts) for parts in zip(*batches, strict=True)]


# --- items


def test_an_item_is_the_original_its_two_views_and_the_label(twin):
    views = MNISTTwoView(twin, download=False)
    assert len(views) == COUNT and len(MNISTTwoView(twin, train=False, download=False)) == COUNT // 2
    original, view1, view2, label = views[13]
    assert label == 3 and isinstance(label, int)
    assert torch.equal(original, digits(COUNT)[13].unsqueeze(0) / 255)
    for view in (view1, view2):
        assert view.shape == (1, 28, 28) and view.dtype == torch.float32
        assert 0 <= float(view.min()) and float(view.max()) <= 1
    assert not torch.equal(view1, view2) and not torch.equal(view1, original)
    assert torch.equal(views.images, digits(COUNT).unsqueeze(1)) and views.labels.tolist()[:3] == [0, 1, 2]


def test_there_is_no_item_beyond_the_last(twin):
    views = MNISTTwoView(twin, download=False, seed=0)
    assert same(views[-1], views[COUNT - 1])
    for beyond in (COUNT, -COUNT - 1):
        with pytest.raises(IndexError):
            views[beyond]


def test_the_pipeline_is_crop_affine_tensor_erasing_with_the_stated_settings():
    crop, affine, tensor, erasing = view_transform().transforms
    assert type(crop).__name__ == "RandomResizedCrop" and crop.size == (28, 28) and crop.scale == (0.8, 1.0)
    assert type(affine).__name__ == "RandomAffine" and affine.degrees == [-15, 15]
    assert affine.translate == (0.1, 0.1) and affine.shear == [-10, 10] and affine.scale is None
    assert type(tensor).__name__ == "ToTensor"
    assert type(erasing).__name__ == "RandomErasing" and erasing.p == 0.25
    assert erasing.scale == (0.02, 0.1) and erasing.ratio == (0.3, 3.3)


def test_the_wrapper_applies_any_transform_twice():
    count = iter(range(10))
    assert TwoViewTransform(lambda image: (image, next(count)))("x") == (("x", 0), ("x", 1))


# --- randomness


def test_a_seeded_item_depends_on_seed_epoch_and_index_only(twin):
    views = MNISTTwoView(twin, download=False, seed=3)
    first = [views[i] for i in range(COUNT)]
    torch.rand(7)
    assert all(same(views[i], first[i]) for i in reversed(range(COUNT)))
    assert not same(MNISTTwoView(twin, download=False, seed=4)[5], first[5])
    views.set_epoch(1)
    assert not same(views[5], first[5])
    views.set_epoch(0)
    assert same(views[5], first[5])


def test_items_of_one_image_differ_by_their_index(tmp_path):
    views = MNISTTwoView(write_idx(tmp_path), download=False, seed=0)
    views.mnist.data[:] = views.mnist.data[0].clone()
    assert not torch.equal(views[0][1], views[1][1])


def test_no_two_items_of_an_epoch_share_their_seed():
    assert len({item_seed(0, 0, i) for i in range(60_000)}) == 60_000
    assert all(0 <= item_seed(s, e, 59_999) < 2**32 for s in (-1, 0, 2**70) for e in (0, 5))
    assert len({item_seed(s, e, 0) for s in range(50) for e in range(50)}) == 2500


@pytest.mark.parametrize("seed", [None, 3])
def test_a_seeded_item_leaves_the_state_of_torch_as_it_was(twin, seed):
    views = MNISTTwoView(twin, download=False, seed=seed)
    before = torch.get_rng_state()
    views[0]
    assert torch.equal(torch.get_rng_state(), before) == (seed is not None)


SPAWNED = pytest.param("spawn", 1, marks=pytest.mark.slow)


@pytest.mark.parametrize(("start", "workers"), [("fork", 1), ("fork", 2), SPAWNED])
def test_the_number_of_workers_changes_nothing(twin, start, workers):
    views = MNISTTwoView(twin, download=False, seed=3)
    views.set_epoch(2)
    alone = epoch(views, 0)
    assert same(alone, [torch.stack(p) if torch.is_tensor(p[0]) else torch.tensor(p) for p in zip(*views, strict=True)])
    assert same(alone, epoch(views, workers, multiprocessing_context=start))


def test_workers_that_are_kept_see_the_new_epoch(twin):
    views = MNISTTwoView(twin, download=False, seed=3)
    loader = DataLoader(views, batch_size=COUNT, num_workers=1, persistent_workers=True)
    kept = []
    for number in (0, 1):
        views.set_epoch(number)
        kept += list(loader)
    fresh = MNISTTwoView(twin, download=False, seed=3)
    for number in (0, 1):
        fresh.set_epoch(number)
        assert same(kept[number], epoch(fresh, 0))


@pytest.mark.parametrize("workers", [0, 2])
def test_without_a_seed_every_access_is_new(twin, workers):
    views = MNISTTwoView(twin, download=False)
    torch.manual_seed(0)
    first, second = epoch(views, workers), epoch(views, workers)
    assert torch.equal(first[0], second[0])
    passes = [first[1], first[2], second[1], second[2]]
    for k, a in enumerate(passes):
        for b in passes[k + 1 :]:
            assert all(not torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_workers_do_not_repeat_each_other(tmp_path):
    """Python's `random` is a copy in each forked worker; torch's generator is not."""
    views = MNISTTwoView(write_idx(tmp_path), download=False)
    views.mnist.data[:] = views.mnist.data[0].clone()
    random.seed(0)
    seen = epoch(views, 2)[1].flatten(1)
    assert len(seen.unique(dim=0)) == COUNT


# --- whole batches


def drawn(n: int, seed: int = 0, settings: Augmentation = Augmentation()) -> Parameters:
    return settings.draw(n, 28, torch.Generator().manual_seed(seed), torch.device("cpu"))


def as_numbers(parameters: Parameters) -> dict[str, np.ndarray]:
    return {name: part.double().numpy() for name, part in parameters._asdict().items()}


def torchvision_draws(n: int) -> dict[str, np.ndarray]:
    """What torchvision's transforms draw, under our names; only images that are erased have an erased box."""
    crop, affine, _, erasing = view_transform().transforms
    image = torch.zeros(1, 28, 28)
    torch.manual_seed(5)
    rows = []
    for _ in range(n):
        box = crop.get_params(image, crop.scale, crop.ratio)
        angle, shift, _, shear = affine.get_params(
            affine.degrees, affine.translate, affine.scale, affine.shear, [28, 28]
        )
        erased = erasing.get_params(image, erasing.scale, erasing.ratio, [0.0])[:4]
        rows.append((*box, angle, *shift, shear[0], *erased))
        assert shear[1] == 0
    return dict(zip(Parameters._fields, np.array(rows, dtype=float).T, strict=True))


def compare(name: str, ours: np.ndarray, theirs: np.ndarray, *, spread: float, ends: float) -> None:
    """Means within five standard errors, standard deviations within `spread`, the ends of the range within `ends`."""
    error = np.hypot(ours.std() / len(ours) ** 0.5, theirs.std() / len(theirs) ** 0.5)
    assert abs(ours.mean() - theirs.mean()) <= 5 * error + 1e-9, f"{name}: mean {ours.mean()} and {theirs.mean()}"
    assert ours.std() == pytest.approx(theirs.std(), rel=spread), f"{name}: standard deviation"
    for q in (0.002, 0.998):
        a, b = np.quantile(ours, q), np.quantile(theirs, q)
        assert abs(a - b) <= ends * theirs.std(), f"{name}: the {q} quantile is {a}, not {b}"


def test_parameters_are_distributed_as_torchvision_draws_them():
    ours, theirs = as_numbers(drawn(40_000)), torchvision_draws(6000)
    erased = ours["erased_height"] > 0
    assert erased.mean() == pytest.approx(0.25, abs=0.01)
    for name in Parameters._fields:
        mine = ours[name][erased] if name.startswith("erased") else ours[name]
        compare(name, mine, theirs[name], spread=0.04, ends=0.25)
    for pair in (("height", "width"), ("top", "height"), ("erased_height", "erased_width"), ("angle", "shear")):
        mine, other = (
            np.corrcoef(*(part[name][erased if part is ours and "erased" in name else slice(None)] for name in pair))
            for part in (ours, theirs)
        )
        assert mine[0, 1] == pytest.approx(other[0, 1], abs=0.06), pair


def test_parameters_stay_in_their_ranges_and_reach_the_ends():
    p = as_numbers(drawn(40_000))
    for name, low, high, near in (
        ("angle", -15, 15, 0.1),
        ("shear", -10, 10, 0.1),
        ("across", -3, 3, 0),  # 2.8 pixels, rounded
        ("down", -3, 3, 0),
        ("width", 22, 28, 0),
        ("height", 22, 28, 0),
        ("top", 0, 6, 1),
        ("left", 0, 6, 1),
        ("erased_height", 0, 16, 0),
        ("erased_width", 0, 16, 0),
    ):
        assert low <= p[name].min() <= low + near and high - near <= p[name].max() <= high, name
    assert (p["top"] + p["height"]).max() <= 28 and (p["left"] + p["width"]).max() <= 28
    assert (p["erased_top"] + p["erased_height"]).max() <= 28


def by_torchvision(images: torch.Tensor, p: Parameters) -> torch.Tensor:
    """torchvision's own functions on PIL images, with given parameters."""
    F = torchvision().transforms.functional
    views = []
    for k, image in enumerate(images):
        top, left, height, width, angle, across, down, shear, *box = (float(part[k]) for part in p)
        view = F.to_pil_image(image)
        view = F.resized_crop(view, int(top), int(left), int(height), int(width), [28, 28])
        view = F.affine(view, angle, [int(across), int(down)], 1.0, [shear, 0.0])
        views.append(F.erase(F.to_tensor(view), *(int(part) for part in box), torch.zeros(1, 1, 1)))
    return torch.stack(views)


def check_against_torchvision(images: torch.Tensor) -> None:
    """Equal but for 8-bit rounding, and for one pixel in a thousand (in fact far fewer) on the border of two."""
    p = drawn(len(images), seed=1)
    apart = (resample(images, p) - by_torchvision(images, p)).abs()
    assert float((apart > 1.01 / 255).double().mean()) < 1e-3
    assert float(apart.mean()) < 0.3 / 255


def test_with_the_same_parameters_a_batch_equals_torchvision_on_each_image():
    check_against_torchvision(digits(300).unsqueeze(1))


def test_on_real_digits_too(real):
    check_against_torchvision(real.images[:500])


def test_a_constant_image_shows_where_the_map_leaves_the_image_and_the_erased_box():
    white = torch.full((400, 1, 28, 28), 255, dtype=torch.uint8)
    check_against_torchvision(white)
    p = drawn(400, settings=replace(PLAIN, erase_probability=1.0))
    black = (resample(white, p) == 0).sum((1, 2, 3))
    assert torch.equal(black, (p.erased_height * p.erased_width).long())


def per_image(images: torch.Tensor, settings: Augmentation = Augmentation(), seed: int = 0) -> torch.Tensor:
    """The pipeline on PIL images, (n, 1, 28, 28)."""
    transform, to_pil = view_transform(settings), torchvision().transforms.functional.to_pil_image
    torch.manual_seed(seed)
    return torch.stack([transform(to_pil(image)) for image in images])


def maps(x_views: torch.Tensor, y_views: torch.Tensor) -> np.ndarray:
    """The affine map of each view, from what ramps in x and y show: (n, 6), the last column of each row in pixels."""
    middle = torch.arange(28.0, dtype=torch.float64) - 13.5
    y, x = torch.meshgrid(middle, middle, indexing="ij")
    design = torch.stack([x.flatten(), y.flatten(), torch.ones(784, dtype=torch.float64)], 1)  # (784, 3)
    found = []
    for views in (x_views, y_views):
        levels = views.flatten(1).double() * 255
        inside = levels > 0.5  # fill and erasure are 0, the ramp starts at 1
        weighted = inside.double().unsqueeze(2) * design
        source = ((levels - 1) / 9 - 13.5).unsqueeze(2)
        found.append(torch.linalg.solve(weighted.mT @ design, weighted.mT @ source).squeeze(2))
    return torch.cat(found, 1).numpy()


def test_the_maps_that_the_views_show_are_distributed_alike():
    """End to end, from the pixels alone: catches what drawing and resampling might hide from each other."""
    ramp = (1 + 9 * torch.arange(28)).to(torch.uint8).expand(28, 28)
    n = 1500
    theirs = maps(*(per_image(image.expand(n, 1, 28, 28)) for image in (ramp, ramp.T)))
    ours = maps(
        *(augment(image.expand(4 * n, 1, 28, 28), torch.Generator().manual_seed(0)) for image in (ramp, ramp.T))
    )
    for k, name in enumerate(("x of x", "x of y", "x shift", "y of x", "y of y", "y shift")):
        compare(name, ours[:, k], theirs[:, k], spread=0.08, ends=0.3)


def test_means_and_variances_of_the_views_agree_pixel_by_pixel():
    images = digits(60).unsqueeze(1)
    theirs = per_image(images.repeat(30, 1, 1, 1))
    ours = augment(images.repeat(300, 1, 1, 1), torch.Generator().manual_seed(0))
    assert float(ours.mean()) == pytest.approx(float(theirs.mean()), rel=0.02)
    assert float(ours.var()) == pytest.approx(float(theirs.var()), rel=0.02)
    for power in (1, 2):  # the second moments with the means are the variances
        a, b = ours.double() ** power, theirs.double() ** power
        seen = b.mean(0) > 0.01
        z = (a.mean(0) - b.mean(0)) / (a.var(0) / len(a) + b.var(0) / len(b)).sqrt()
        assert int(seen.sum()) > 300
        assert float(z[seen].abs().max()) < 5 and float(z[seen].square().mean()) < 2


def test_the_same_fraction_is_erased():
    settings = replace(Augmentation(), degrees=0.0, translate=0.0, shear=0.0)
    white = torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    theirs = (per_image(white.expand(2500, -1, -1, -1), settings) == 0).double().mean((1, 2, 3))
    ours = (augment(white.expand(40_000, -1, -1, -1), torch.Generator().manual_seed(0), settings) == 0).double()
    ours = ours.mean((1, 2, 3))
    for erased, error in ((theirs, 0.003), (ours, 0.0006)):
        assert float(erased.mean()) == pytest.approx(0.25 * 0.06, abs=error)
    compare("erased share", ours.numpy(), theirs.numpy(), spread=0.08, ends=0.3)
    assert float((theirs > 0).double().mean()) == pytest.approx(float((ours > 0).double().mean()), abs=0.03)


def test_without_any_change_the_view_is_the_image():
    images = digits(10).unsqueeze(1)
    torch.testing.assert_close(augment(images, settings=replace(PLAIN, erase_probability=0.0)), images / 255)


def test_each_image_of_a_batch_has_its_own_randomness():
    generator = torch.Generator().manual_seed(0)
    batch = digits(1).unsqueeze(1).expand(300, -1, -1, -1)
    view1, view2 = two_views(batch, generator)
    assert len(torch.cat([view1, view2]).flatten(1).unique(dim=0)) == 600


def test_a_seed_gives_the_same_views_however_the_batch_is_cut(monkeypatch):
    images = digits(50).unsqueeze(1)
    whole = augment(images, torch.Generator().manual_seed(4))
    monkeypatch.setattr(augmentation, "ROWS", 7)
    assert torch.equal(augment(images, torch.Generator().manual_seed(4)), whole)
    assert not torch.equal(augment(images, torch.Generator().manual_seed(5)), whole)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
def test_floating_images_keep_their_type_and_uint8_becomes_float32(dtype):
    images = digits(20).unsqueeze(1)
    bytes_in = augment(images, torch.Generator().manual_seed(4))
    floats_in = augment((images / 255).to(dtype), torch.Generator().manual_seed(4))
    assert bytes_in.dtype == torch.float32 and floats_in.dtype == dtype
    assert float((floats_in.double() - bytes_in.double()).abs().mean()) < 1e-3


def test_channels_share_their_map_and_an_empty_batch_is_one():
    images = digits(6).unsqueeze(1)
    both = augment(images.expand(-1, 2, -1, -1), torch.Generator().manual_seed(1))
    assert torch.equal(both[:, 0], both[:, 1])
    assert augment(images[:0]).shape == (0, 1, 28, 28)


def test_what_is_no_batch_of_images_is_refused():
    with pytest.raises(ValueError, match=r"shape \(n, channels, side, side\), found \(3, 28, 28\)"):
        augment(digits(3))
    with pytest.raises(TypeError, match=r"uint8 or floating, found torch.int64"):
        augment(digits(3).unsqueeze(1).long())


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_gives_the_same_views_for_the_same_seed():
    images = digits(300).unsqueeze(1)
    here = augment(images, torch.Generator().manual_seed(1))
    there = augment(images.cuda(), torch.Generator().manual_seed(1))
    assert there.is_cuda and float(((here - there.cpu()).abs() > 1e-4).double().mean()) < 1e-3
    own = augment(images.cuda(), torch.Generator("cuda").manual_seed(1))
    assert own.is_cuda and float(own.mean()) == pytest.approx(float(here.mean()), rel=0.05)


# --- files


def broken(twin: Path, tmp_path: Path, name: str, content) -> Path:
    """A copy of the twin with one file changed (content: bytes -> bytes) or, with None, left out."""
    for file in FILES:
        path = tmp_path / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((twin / file.path).read_bytes())
    path = tmp_path / "MNIST" / "raw" / name
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content(path.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("train-images-idx3-ubyte", None, "is not there"),
        ("t10k-labels-idx1-ubyte", None, "is not there"),
        ("train-images-idx3-ubyte", lambda b: b[:-5], "a header of shape"),
        ("train-labels-idx1-ubyte", lambda b: b + b"x", "a header of shape"),
        ("train-labels-idx1-ubyte", lambda b: b"", "is not the published file"),
        ("train-labels-idx1-ubyte", lambda b: b"hello, world", "is not the published file"),
        ("t10k-images-idx3-ubyte", lambda b: struct.pack(">IIII", 0x803, 12, 28, 27) + bytes(12 * 28 * 27), "28 x 28"),
        ("train-labels-idx1-ubyte", lambda b: struct.pack(">II", 0x801, 60_000) + bytes(60_000), "not the published"),
        ("train-labels-idx1-ubyte", lambda b: struct.pack(">II", 0x801, 5) + bytes(5), "holds 5 labels, expected 24"),
    ],
)
def test_a_missing_or_wrong_file_is_one_sentence_with_path_and_command(twin, tmp_path, name, content, expected):
    path = broken(twin, tmp_path, name, content)
    with pytest.raises(DataError) as caught:
        MNISTTwoView(tmp_path, download=False)
    message = str(caught.value)
    assert expected in message and str(path) in message and "expected" in message and "\n" not in message
    assert "python -m datasets fetch mnist" in message
    assert caught.value.__cause__ is None and (caught.value.__context__ is None or caught.value.__suppress_context__)


def test_one_changed_pixel_of_the_real_files_is_noticed(real, tmp_path):
    labels = broken(real.root, tmp_path, "t10k-labels-idx1-ubyte", lambda b: b[:500] + bytes([b[500] ^ 1]) + b[501:])
    with pytest.raises(DataError, match=re.escape(f"{labels} is not the published file")):
        check_files(tmp_path)


def test_the_real_files_are_mnist(real):
    assert len(real) == 60_000 and torch.bincount(real.labels).tolist()[:3] == [5923, 6742, 5958]
    assert len(MNISTTwoView(real.root, train=False, download=False)) == 10_000
    assert real[0][3] == 5 and same(real[0], real[0])


# --- the figure


def check_figure(views: MNISTTwoView) -> None:
    from datasets.two_view.figure import views_figure

    figure = views_figure(views)
    grid = np.array(figure.axes).reshape(8, 3)
    assert [axes.get_title() for axes in grid[0]] == ["original", "x(1)", "x(2)"]
    for i, row in enumerate(grid):
        *images, label = views[i]
        assert row[0].get_ylabel() == str(label)
        for axes, image in zip(row, images, strict=True):
            (shown,) = axes.images
            assert np.array_equal(shown.get_array(), image[0].numpy()) and shown.get_clim() == (0, 1)
    figure.draw_without_rendering()
    with pytest.raises(ValueError, match="rows must lie in"):
        views_figure(views, rows=0)


def test_the_figure_shows_eight_originals_with_labels_and_their_two_views(twin):
    pytest.importorskip("matplotlib")
    check_figure(MNISTTwoView(twin, download=False, seed=0))


def test_the_figure_of_real_digits(real):
    pytest.importorskip("matplotlib")
    check_figure(real)


# --- importing torchvision


@pytest.mark.slow
def test_importing_our_modules_imports_none_of_the_optional_packages():
    loaders, views = ("libsvm", "storage", "synthetic"), ("augmentation", "torchvision_import", "views")
    names = [f"datasets.loaders.{name}" for name in loaders] + [f"datasets.two_view.{name}" for name in views]
    code = f"import sys, {', '.join(names)}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert not {"torchvision", "matplotlib", "pooch", "sklearn", "PIL"} & set(done.stdout.split())


def fake_import(monkeypatch, *outcomes) -> list[str]:
    """importlib.import_module answers with these, in turn; what was asked for."""
    answers, asked = iter(outcomes), []

    def answer(name: str):
        asked.append(name)
        outcome = next(answers)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(importlib, "import_module", answer)
    return asked


def test_nothing_is_declared_where_the_plain_import_works(monkeypatch):
    module = SimpleNamespace()
    monkeypatch.setattr(torch.library, "Library", lambda *_: pytest.fail("declared something"))
    asked = fake_import(monkeypatch, module, None, None)
    assert torchvision.__wrapped__() is module
    assert asked == ["torchvision", "torchvision.datasets", "torchvision.transforms"]


def test_the_two_operators_are_declared_where_it_fails_for_them(monkeypatch):
    declared, module = [], SimpleNamespace()
    monkeypatch.setattr(torch.library, "Library", lambda *_: SimpleNamespace(define=declared.append))
    missing = RuntimeError("operator torchvision::nms does not exist")
    fake_import(monkeypatch, missing, module, None, None)
    assert torchvision.__wrapped__() is module
    assert [schema.split("(")[0] for schema in declared] == ["nms", "qnms"]


def test_other_failures_of_the_import_are_passed_on_and_a_missing_package_names_the_remedy(monkeypatch):
    fake_import(monkeypatch, RuntimeError("something else"))
    with pytest.raises(RuntimeError, match="something else"):
        torchvision.__wrapped__()
    fake_import(monkeypatch, ModuleNotFoundError("No module named 'torchvision'", name="torchvision"))
    with pytest.raises(ImportError, match=r"pip install -c constraints\.txt"):
        torchvision.__wrapped__()
