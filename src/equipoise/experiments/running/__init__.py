"""Run the cells of a study: executors, progress, forecast."""
