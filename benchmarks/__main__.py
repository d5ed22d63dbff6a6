"""Command line: `python -m benchmarks run`.

asv imports every module of this package, and a missing import would end its discovery: so the command line lives in
`command/`, which asv does not see, and is imported only when it is called.
"""

if __name__ == "__main__":
    import sys

    try:
        from .command.main import app

        app()
    except KeyboardInterrupt:
        sys.exit(130)
