"""Small sets of several classes that come with scikit-learn: iris, wine and digits."""

from __future__ import annotations

from solvers.common.names import lookup

from .dataset import Dataset
from .split import stratified_split

# name -> its loader in sklearn.datasets, and whether columns are standardised: pixels share a scale already
LOADERS = {"iris": ("load_iris", True), "wine": ("load_wine", True), "digits": ("load_digits", False)}


def multiclass(name: str, *, test_size: float = 0.3, seed: int = 0) -> Dataset:
    """float64 rows in a stratified split, labels 0, 1, 2, ...

    iris (Fisher 1936) 150 x 4, 3 classes; wine (Forina, UCI 1991) 178 x 13, 3 classes: both standardised by the
    training part. digits (Alpaydin & Kaynak, UCI 1998) 1,797 x 64 pixels in [0, 1], 10 classes.
    Raises ValueError for another name.
    """
    import sklearn.datasets

    loader, standardise = lookup(LOADERS, name, "data set")
    bunch = getattr(sklearn.datasets, loader)()
    X = bunch.data if standardise else bunch.data / 16  # digits count inked pixels of a 4 x 4 block
    names = tuple(str(feature) for feature in bunch.feature_names)
    return stratified_split(
        name, X, bunch.target, test_size=test_size, seed=seed, standardise=standardise, feature_names=names
    )
