"""``python -m edgewright`` is the command line."""

from edgewright.cli.main import main

if __name__ == "__main__":  # a worker process imports this file under another name
    main()
