"""The command line `hessbench`; a wheel holds the packages solvers, datasets, benchmarks and reports in here."""
