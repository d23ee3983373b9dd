"""Read, check and prepare volumes."""
