"""Choose regime, size, steps, splits and seeds of a study for the time that one has."""
