"""What leaves a finished run: predictions for new images and cases, released synthetic images."""
