"""`python -m trine`: the `trine` command, also under torchrun."""

from trine.cli import main

main()
