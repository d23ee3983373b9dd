"""Headers of MetaImage files are parsed and bounded; ITK, which believes them, reads the same."""

import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.data.volumes.file import read_volume
from equipoise.exceptions import DataError
from equipoise.testing.volume_readers import draw_case, write_image

LABELS, IMAGE = draw_case()
TURNED = (0.0, -1.0, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, -1.0)
RNG = np.random.default_rng(0)
HEADER = {
    "ObjectType": "Image", "NDims": "3", "BinaryData": "True", "BinaryDataByteOrderMSB": "False",
    "CompressedData": "False", "TransformMatrix": "1 0 0 0 1 0 0 0 1", "Offset": "0 0 0",
    "ElementSpacing": "1 1 2", "DimSize": "4 3 2", "ElementType": "MET_UCHAR",
    "ElementDataFile": "LOCAL",
}  # fmt: skip
VOXELS = bytes(range(24))


def write(path: Path, content: bytes = VOXELS, **changes: str | None) -> Path:
    """Write a file with changed fields; ElementDataFile stays the last."""
    fields = {**HEADER, **changes}
    fields["ElementDataFile"] = fields.pop("ElementDataFile")
    lines = [f"{name} = {value}\n" for name, value in fields.items() if value is not None]
    path.write_bytes("".join(lines).encode("latin-1") + content)
    return path


@pytest.mark.parametrize("name", ["i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8"])
@pytest.mark.parametrize("compress", [True, False])
def test_every_type_is_read_as_by_itk(name: str, compress: bool, tmp_path: Path) -> None:
    itk = pytest.importorskip("SimpleITK", reason="SimpleITK is the reference")
    image = itk.GetImageFromArray(RNG.integers(0, 99, (3, 4, 5)).astype(name))
    image.SetSpacing((0.1, 1 / 3, 7))
    image.SetOrigin((1e-7, -1234.5678901234, 3))
    image.SetDirection(TURNED)
    itk.WriteImage(image, str(tmp_path / "a.mha"), useCompression=compress)
    theirs, ours = itk.ReadImage(str(tmp_path / "a.mha")), read_volume(tmp_path / "a.mha")
    np.testing.assert_array_equal(ours.array, itk.GetArrayFromImage(theirs))
    assert ours.array.dtype == itk.GetArrayFromImage(theirs).dtype
    assert ours.geometry.spacing_mm == theirs.GetSpacing()[::-1]
    assert ours.geometry.origin == theirs.GetOrigin()
    assert ours.geometry.direction == theirs.GetDirection()


def test_big_endian_voxels_become_native(tmp_path: Path) -> None:
    voxels = np.arange(24, dtype=">i2")
    path = write(
        tmp_path / "a.mha", voxels.tobytes(), ElementType="MET_SHORT", BinaryDataByteOrderMSB="True"
    )
    array = read_volume(path).array
    assert array.dtype.isnative
    assert array.ravel().tolist() == list(range(24))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        *(
            ({"ElementDataFile": name}, "another file")
            for name in ("LIST", "/etc/passwd", "../a.raw", "a.raw", "%03d.raw 1 9 1", "Local", "")
        ),
        ({"NDims": "2"}, "3 dimensions"),
        ({"NDims": "1000000"}, "3 dimensions"),
        ({"NDims": "-3"}, "3 dimensions"),
        ({"NDims": None}, "NDims"),
        ({"DimSize": "4 3"}, "3 numbers in DimSize"),
        ({"DimSize": "4 3 two"}, "DimSize"),
        ({"DimSize": "4 3 0"}, "above 0"),
        ({"DimSize": "-4 -3 2"}, "above 0"),
        ({"DimSize": "4 3 3"}, "expected 36 bytes of voxels, got 24"),
        ({"DimSize": "4 3 1"}, "sides are wrong"),
        ({"DimSize": "99999 99999 99999"}, "1,024 MiB"),
        ({"DimSize": "4_0 3 2"}, "DimSize"),
        ({"ElementSpacing": "0 1 2"}, r"0\.001 to 100 mm"),
        ({"ElementSpacing": "nan 1 2"}, "nan"),
        ({"ElementSpacing": "inf 1 2"}, "inf"),
        ({"ElementSpacing": "-1 1 2"}, "-1"),
        ({"ElementSpacing": "1 1"}, "ElementSpacing"),
        ({"ElementSpacing": None}, "ElementSize"),
        ({"Offset": "nan 0 0"}, "Offset"),
        ({"Offset": "1e300 0 0"}, "Offset"),
        ({"Origin": "0 0 0"}, "one of Offset"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0"}, "9 numbers"),
        ({"TransformMatrix": "nan 0 0 0 1 0 0 0 1"}, "TransformMatrix"),
        ({"TransformMatrix": "1 0 0 0 1 0 0 0 0"}, "right angles"),
        ({"ElementType": "MET_LONG"}, "ElementType"),  # 4 or 8 bytes
        ({"ElementType": "MET_UCHAR_ARRAY"}, "ElementType"),
        ({"ElementType": None}, "ElementType"),
        ({"ElementNumberOfChannels": "3"}, "got 3"),
        ({"ElementNumberOfChannels": "999999999"}, "one value"),
        ({"BinaryData": "False"}, "BinaryData"),
        ({"BinaryData": "perhaps"}, "perhaps"),
        ({"CompressedData": "True"}, "damaged"),
        ({"HeaderSize": "-1"}, "HeaderSize"),
        ({"HeaderSize": "999999"}, "HeaderSize"),
        ({"ObjectType": "Scene"}, "ObjectType"),
    ],
)
def test_a_field_that_lies_is_named(
    changes: dict[str, str | None], words: str, tmp_path: Path
) -> None:
    np.testing.assert_array_equal(
        read_volume(write(tmp_path / "good.mha")).array.ravel(), range(24)
    )
    with pytest.raises(DataError, match=words):
        read_volume(write(tmp_path / "a.mha", VOXELS, **changes))


def test_headers_that_are_none(tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    for content in (b"", b"\0" * 99, b"<html>" * 99, b"NDims = 3\n", b"a = " + b"b" * 99999):
        path.write_bytes(content)
        with pytest.raises(DataError, match="MetaImage header"):
            read_volume(path)
    path.write_bytes(b"NDims = 3\nNDims = 3\n")
    with pytest.raises(DataError, match="NDims once"):
        read_volume(path)


def test_compressed_voxels_are_unpacked_as_far_as_the_header_says(tmp_path: Path) -> None:
    bomb = zlib.compress(bytes(1 << 26))
    with pytest.raises(DataError, match="got more"):
        read_volume(write(tmp_path / "a.mha", bomb, CompressedData="True"))
    path = write(tmp_path / "a.mha", zlib.compress(VOXELS), CompressedData="True")
    assert read_volume(path).array.ravel().tolist() == list(range(24))


@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_any_damage_yields_a_volume_or_a_data_error(data: st.DataObject, tmp_path: Path) -> None:
    path = tmp_path / "a.mha"
    write_image(path, IMAGE)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.sampled_from(b"0123456789 -.\n=eTF\0\xff"))
    path.write_bytes(content)
    try:
        n_axes = read_volume(path).array.ndim
    except DataError:
        n_axes = 3
    assert n_axes == 3
