"""`python -m pipeline`."""

from pipeline.cli import main

if __name__ == "__main__":  # processes that the program starts import this module too
    main(prog_name="placier")
