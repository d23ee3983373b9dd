"""Further sections of the report, one file for each: `HEADING`, `ORDER` and `view(contents)`."""
