"""Which way of rebalancing really helps on your medical images, by how much, and is it real?

    import equipoise as eq

`__init__.pyi` lists what `eq` and its families have; each name is imported when it is first used.
"""

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
