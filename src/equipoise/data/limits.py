"""How large what a file unpacks to may be: refused by its header, before memory is taken."""

MAX_IMAGE_BYTES = 2**28  # pixels of an image file, 256 MiB: several are decoded at once
MAX_VOLUME_BYTES = 2**30  # voxels of a volume file, 1 GiB
MAX_ARRAY_RATIO = 200  # bytes of an .npz file's arrays for each byte of the file; drawings reach 50


def mib(n_bytes: int) -> str:
    """Return a number of bytes in MiB.

    Example:
        >>> mib(3 * 2**28)
        '768 MiB'
    """
    return f"{n_bytes / 2**20:,.0f} MiB"
