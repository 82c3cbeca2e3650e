"""The program `treegen`, also as `python -m treegen`."""

import gc
import sys
import warnings
from typing import Final

#: new objects between two searches for garbage: Python's 700 cost a twelfth of the time of a command that loads CLIP
_OBJECTS: Final = 50_000


def main() -> None:
    """Run the command line and exit.

    Library warnings are hidden: they are for developers, would be printed with source lines over a progress line or a
    full screen, and with `-W error` would end a request. Warnings from treegen's own code obey `-W` and PYTHONWARNINGS.
    """
    gc.set_threshold(_OBJECTS)
    if sys.warnoptions:
        warnings.filterwarnings("ignore", module=r"(?!treegen(\.|$))")
    else:
        warnings.simplefilter("ignore")
    from treegen.cli.main import main as run  # after the filter: libraries also warn on import

    run()


if __name__ == "__main__":
    main()
