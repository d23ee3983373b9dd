"""Further sections of the report, one file for each: `HEADING`, `ORDER` and `view(contents)`.

`TASKS` names the kinds of studies that have a section; without it only those of images do.
"""
