"""`python -m treegen` is the command `treegen`."""

from treegen.cli.main import main

main()
