"""Where, when and of which commit runs were measured, in words."""

from __future__ import annotations

import pandas as pd

from ..text import distinct


def where(runs: pd.DataFrame) -> str:
    """The machines, the first and the last day, and the commits."""
    return f"on {'; '.join(sorted(set(runs['machine'])))}; {when(runs)}"


def when(runs: pd.DataFrame) -> str:
    commits = runs["commit"].where(runs["commit"] != "", "not in git")
    return f"{between(runs['date'])}; commit{'s' * (commits.nunique() > 1)} {distinct(commits)}"


def between(dates: pd.Series) -> str:
    """The first day and, where it is another, the last."""
    first, last = dates.min()[:10], dates.max()[:10]
    return first if first == last else f"{first} to {last}"
