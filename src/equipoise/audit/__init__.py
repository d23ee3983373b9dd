"""Audit synthetic images: quality, memorization, and whether they may be released."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
