"""Command line: `python -m benchmarks list|run|profile|counters`.

asv imports every module of this package, and one missing import would end its discovery: so the command line lives in
`command/`, which asv does not see, and is imported only when it is asked for.
"""

if __name__ == "__main__":
    import sys

    try:
        from .command.main import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
