"""Small files that unpack to more than a gigabyte."""

import gzip
import io
import struct
import zipfile
import zlib
from collections.abc import Iterator

import numpy as np

from tools.fuzz.mutations import Rng

CHUNK = b"\0" * (1 << 20)
SIDES = (1100, 1024, 1024)  # of a volume of 1.1 GB


def png(_content: bytes, _rng: Rng) -> bytes:
    """Return an RGBA PNG of 1.2 GB."""
    width, height = 17000, 17500
    packed = b"".join(_deflated((4 * width + 1) * height, zlib.compressobj(1)))
    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    parts = [b"\x89PNG\r\n\x1a\n"]
    for name, content in chunks:
        crc = zlib.crc32(name + content)
        parts.append(struct.pack(">I", len(content)) + name + content + struct.pack(">I", crc))
    return b"".join(parts)


def npz(content: bytes, _rng: Rng) -> bytes:
    """Return arrays with 1.1e9 labels in one part."""
    with np.load(io.BytesIO(content)) as stored:
        arrays = {name: stored[name] for name in stored.files if name != "train_labels"}
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    head = io.BytesIO()
    n = len(CHUNK) * 1100
    fields = {"descr": "|u1", "fortran_order": False, "shape": (n,)}
    np.lib.format.write_array_header_1_0(head, fields)
    with (
        zipfile.ZipFile(stream, "a", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("train_labels.npy", "w", force_zip64=True) as file,
    ):
        file.write(head.getvalue())
        for _ in range(1100):
            file.write(CHUNK)
    return stream.getvalue()


def metaimage(_content: bytes, _rng: Rng) -> bytes:
    """Return a compressed volume of 1.1 GB."""
    packed = b"".join(_deflated(int(np.prod(SIDES)), zlib.compressobj(1)))
    lines = (
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = True",
        f"CompressedDataSize = {len(packed)}",
        "ElementSpacing = 1 1 1",
        "DimSize = {} {} {}".format(*SIDES),
        "ElementType = MET_UCHAR",
        "ElementDataFile = LOCAL",
    )
    return ("\n".join(lines) + "\n").encode() + packed


def nifti(content: bytes, _rng: Rng) -> bytes:
    """Return a compressed volume of 1.1 GB, with the header of another one."""
    header = bytearray(gzip.decompress(content)[:352])
    struct.pack_into("<8h", header, 40, 3, *SIDES, 1, 1, 1, 1)
    struct.pack_into("<2h", header, 70, 2, 8)  # uint8
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    start = compressor.compress(bytes(header))
    return start + b"".join(_deflated(int(np.prod(SIDES)), compressor))


def _deflated(n_bytes: int, compressor: "zlib._Compress") -> Iterator[bytes]:
    """Yield the compressed form of zeros."""
    for start in range(0, n_bytes, len(CHUNK)):
        yield compressor.compress(CHUNK[: n_bytes - start])
    yield compressor.flush()
