"""`python -m flashstep` is the command `flashstep`."""

from flashstep.cli.main import main

if __name__ == "__main__":
    main()
