"""Two views of each digit: whole batches beside a DataLoader over PIL images, on two cores.

What is in the images does not change the time, so they are made here. Views are counted as images: two an item.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest
import torch
from torch.utils.data import DataLoader

from datasets.two_view.augmentation import two_views
from datasets.two_view.views import MNISTTwoView

CORES = 2
COUNT, BATCH = 1024, 256
ROUNDS = 5


@pytest.fixture(scope="module")
def views(tmp_path_factory) -> MNISTTwoView:
    """Random images in MNIST's layout, without a seed: fresh randomness costs the loader least."""
    root = tmp_path_factory.mktemp("images")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    pixels = torch.randint(256, (COUNT, 28, 28), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    for part in ("train", "t10k"):
        images = struct.pack(">IIII", 0x803, COUNT, 28, 28) + pixels.numpy().tobytes()
        (raw / f"{part}-images-idx3-ubyte").write_bytes(images)
        (raw / f"{part}-labels-idx1-ubyte").write_bytes(struct.pack(">II", 0x801, COUNT) + bytes(COUNT))
    return MNISTTwoView(root, download=False)


def batched(views: MNISTTwoView, device: str) -> Callable[[], None]:
    """One pass over the images in batches, from bytes on the device to views on the device."""
    images, generator = views.images.to(device), torch.Generator(device).manual_seed(0)

    def run() -> None:
        for batch in images.split(BATCH):
            two_views(batch, generator)
        if device != "cpu":
            torch.cuda.synchronize()

    return run


@pytest.fixture(scope="module")
def loaded(views) -> Callable[[], None]:
    """One pass of a DataLoader whose workers are kept: their start is not on the clock."""
    loader = DataLoader(views, batch_size=BATCH, num_workers=CORES, persistent_workers=True)

    def run() -> None:
        for _ in loader:
            pass

    run()  # starts the workers
    return run


@pytest.mark.benchmark(group="two views of each image")
@pytest.mark.parametrize(("device", "threads"), [("cpu", 1), ("cpu", CORES), ("cuda", CORES)])
def test_batches_beside_a_loader_over_single_images(benchmark, views, loaded, device, threads, capsys):
    """A pass of the loader before each batched one; the benchmark's own time is the batched one."""
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no GPU")
    torch.set_num_threads(threads)  # the shared fixture restores it
    run = batched(views, device)
    run()
    seconds: list[float] = []

    def loader_first() -> None:
        began = perf_counter()
        loaded()
        seconds.append(perf_counter() - began)

    benchmark.pedantic(run, setup=loader_first, rounds=ROUNDS)
    whole, single = 2 * COUNT / benchmark.stats.stats.median, 2 * COUNT / median(seconds)
    benchmark.extra_info |= {
        "device": device,
        "threads": threads,
        "workers": CORES,
        "images_per_second": whole,
        "loader_images_per_second": single,
        "ratio": whole / single,
    }
    with capsys.disabled():
        print(
            f"\ntwo views on {device}, {threads} threads: {whole:,.0f} images a second in batches, {single:,.0f} "
            f"from a loader over PIL images with {CORES} workers, ratio {whole / single:.3g} (aim: 10)"
        )
