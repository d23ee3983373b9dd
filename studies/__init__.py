"""Studies on real images, and the script that publishes their numbers."""
