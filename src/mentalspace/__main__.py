"""`python -m mentalspace` is the `mentalspace` command."""

from mentalspace.main import run

if __name__ == "__main__":
    run()
