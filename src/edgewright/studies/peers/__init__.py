"""What a user would pick instead, run beside ours on the same machine: speed and scores."""
