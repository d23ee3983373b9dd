"""Which way of rebalancing really helps on your medical images, by how much, and is it real?

Modules are public and nothing is re-exported: the import path says where the code is, for example
`from equipoise.data.dataset import ImageDataset`.
"""

__version__ = "0.1.0"
