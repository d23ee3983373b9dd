"""Images to feature vectors, by named and hashed networks."""
