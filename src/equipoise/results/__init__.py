"""Tables and the verdict of a finished run, computed from its stored predictions."""
