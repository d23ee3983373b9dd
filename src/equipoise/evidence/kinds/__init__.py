"""The kinds of evidence, a module each; adding a file adds a kind."""
