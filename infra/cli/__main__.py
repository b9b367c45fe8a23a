"""`python -m infra.cli`: the same as `mailiu`."""

from infra.cli import main

main()
