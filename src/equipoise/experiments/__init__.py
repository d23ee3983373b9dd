"""Methods x splits x seeds, stored so that a run can be killed and continued."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
