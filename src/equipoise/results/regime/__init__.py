"""Whether the methods of a run were trained and tested in a way that lets a verdict mean anything.

`check.check_regime` collects what the other modules find: scores that hardly vary, images ranked
backwards, training that stopped too early, a gap between validation and test, a baseline below a
simple reference, too few patients.
"""
