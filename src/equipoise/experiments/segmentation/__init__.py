"""Studies of volumes: what differs from studies of images; runner, store and executors are the same."""
