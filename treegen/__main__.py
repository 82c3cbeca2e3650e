"""The program `treegen`, also as `python -m treegen`."""

import sys
import warnings


def main() -> None:
    """Run the command line and exit.

    Warnings of libraries are hidden: they are for developers, would be printed with source lines over a progress line
    or a full screen, and with `-W error` would end a request. Those that treegen's own code causes obey `-W` and
    PYTHONWARNINGS.
    """
    if sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(?!treegen(\.|$))")
    else:
        warnings.simplefilter("ignore")
    from treegen.cli.main import main as run  # after the filter: libraries warn while they are loaded, too

    run()


if __name__ == "__main__":
    main()
