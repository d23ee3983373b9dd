"""The methods that the command line knows by name, one file for each family."""
