"""What leaves a finished run: predictions for new images, released synthetic images."""
