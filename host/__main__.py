"""`python -m host` is `workshop`."""

from host.cli import main

main()
