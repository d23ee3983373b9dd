"""Images on disk to an `ImageDataset` with patient-grouped splits."""
