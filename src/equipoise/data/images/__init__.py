"""Read, decode and prepare images."""
