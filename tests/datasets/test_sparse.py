"""Sparse problems have the rows that their docstrings describe, and the same bytes for the same seed."""

from __future__ import annotations

import torch

from datasets.loaders.sparse import hashed, one_hot


def test_a_one_hot_row_has_one_entry_for_each_column_and_categories_are_within_the_range():
    data = one_hot(400, 6, (5, 8), seed=3)
    assert data.X.layout is torch.sparse_csr and len(data.X_test) == 100
    assert 6 * 5 <= data.X.shape[1] <= 6 * 8
    assert data.X.crow_indices().diff().unique().tolist() == [6] and data.X.values().unique().tolist() == [1.0]
    assert set(data.y.unique().tolist()) == {0.0, 1.0}


def test_hashed_rows_have_length_one_and_at_most_the_words_of_the_range():
    data = hashed(200, 5000, (30, 75), seed=3)
    lengths = data.X.crow_indices().diff()
    assert 1 <= int(lengths.min()) and int(lengths.max()) <= 75
    squares = torch.sparse_csr_tensor(data.X.crow_indices(), data.X.col_indices(), data.X.values() ** 2, data.X.shape)
    sums = squares @ torch.ones(5000, dtype=torch.float64)
    torch.testing.assert_close(sums, torch.ones_like(sums), rtol=1e-12, atol=0)


def test_the_same_seed_gives_the_same_bytes_and_another_does_not():
    for make in (lambda seed: one_hot(100, 4, seed=seed), lambda seed: hashed(100, 3000, seed=seed)):
        first, again, other = make(1), make(1), make(2)
        for part in ("X", "X_test"):
            one, two = getattr(first, part), getattr(again, part)
            assert torch.equal(one.values(), two.values()) and torch.equal(one.col_indices(), two.col_indices())
        assert torch.equal(first.y, again.y) and not torch.equal(first.X.col_indices(), other.X.col_indices())
