"""The program `treegen`, also as `python -m treegen`."""

import sys
import warnings


def main() -> None:
    """Run the command line and exit.

    Library warnings are hidden: they are for developers, would be printed with source lines over a progress line or a
    full screen, and with `-W error` would end a request. Warnings from treegen's own code obey `-W` and PYTHONWARNINGS.
    """
    if sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(?!treegen(\.|$))")
    else:
        warnings.simplefilter("ignore")
    from treegen.cli.main import main as run  # after the filter: libraries also warn on import

    run()


if __name__ == "__main__":
    main()
