"""Files of more than Pillow's 8-bit grey and colour: arrays, 16 bits, floats, bands, DICOM."""

from __future__ import annotations

import io
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from PIL import Image, UnidentifiedImageError

from ganwright.data.image import SIXTEEN_BIT, Head, Read, head_of, upright
from ganwright.data.levels import Numbers, Reading, plain_type
from ganwright.data.limit import check
from ganwright.errors import DataError

ARRAYS = (".npy", ".npz")
TIFF = (".tif", ".tiff")
DICOM = (".dcm", ".dicom")
BROKEN_ARRAY = (
    *(OSError, ValueError, EOFError, KeyError, TypeError, SyntaxError, MemoryError),
    *(zipfile.BadZipFile, zlib.error, tokenize.TokenError, NotImplementedError, AttributeError),
)
"""What NumPy raises for files that are cut, altered, or none of its own."""


def head_in(file: BinaryIO, name: str, reading: Reading) -> Head:
    """What a file says of its image.

    Args:
        file: opened at its beginning.
        name: whose ending tells arrays from images.
        reading: whether Pillow may bring to 8 bits what does not say what its numbers mean.

    Raises:
        OSError, ValueError: it is none, or cannot be read.
    """
    if _ending(name, (*ARRAYS, *DICOM)):
        return _head(_read_array(file, name, pixels=False))
    try:
        with Image.open(file) as image:
            kind = _deep_type(image, reading)
            if kind is None:
                if image.mode == "F":
                    raise ValueError("has floating-point pixels")
                return head_of(image)
            if _is_pillows(image):
                head = head_of(image)
                return head._replace(channels=1, type=kind)
    except UnidentifiedImageError:
        if not _ending(name, TIFF):
            raise
    file.seek(0)
    if _ending(name, TIFF):
        return _head(_of_bands(file, pixels=False))
    head = _head(_png(file, "keep"))
    alpha = head.channels in (2, 4)
    return head._replace(channels=head.channels - alpha, alpha=alpha)


def read_in(file: BinaryIO, name: str, reading: Reading) -> Read:
    """The image: as Pillow has it, or numbers [C, H, W] where Pillow has no such image.

    Raises:
        OSError, ValueError: it is none, or cannot be read.
    """
    if _ending(name, (*ARRAYS, *DICOM)):
        return _read_array(file, name)
    try:
        with Image.open(file) as image:
            kind = _deep_type(image, reading)
            if kind is None:
                image.load()
                return image
            if (numbers := numbers_of(image, reading)) is not None:
                return numbers
    except UnidentifiedImageError:
        if not _ending(name, TIFF):
            raise
    file.seek(0)
    return _of_bands(file) if _ending(name, TIFF) else _png(file, reading.alpha)


def channels_first(array: Numbers) -> Numbers:
    """An array [H, W], [C, H, W] or [H, W, C] as [C, H, W]; channels are fewer than pixels.

    Raises:
        ValueError: it is none of these.
    """
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or not array.size:
        raise ValueError(f"has the shape {array.shape}, not [H, W], [C, H, W] or [H, W, C]")
    first, _, last = array.shape
    if last in (1, 3) or (first not in (1, 3) and last <= first):
        array = array.transpose(2, 0, 1)
    return array.astype(plain_type(array.dtype), copy=False)


def _ending(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings)


def _head(array: Numbers) -> Head:
    channels, height, width = array.shape
    return Head(height, width, channels, "array", str(array.dtype))


def _deep_type(image: Image.Image, reading: Reading) -> str | None:
    """The type of pixels that Pillow would not keep, or has in one channel alone; else None."""
    kind = _own_type(image)
    pillows = reading.shallow and (kind in ("int32", "uint8") or image.mode == "LA")
    return None if pillows else kind


def _own_type(image: Image.Image) -> str | None:
    if image.mode in SIXTEEN_BIT:
        return "int32" if image.mode == "I" and image.format == "TIFF" else "uint16"
    if image.mode == "F":
        return "float32"
    if image.format == "TIFF" and image.mode == "RGBX":
        return "uint8"
    raw = [str(tile[3]) for tile in getattr(image, "tile", ())]
    return "uint16" if image.format in ("PNG", "TIFF") and any(";16" in r for r in raw) else None


def numbers_of(image: Image.Image, reading: Reading) -> Numbers | None:
    """An image of one channel and more than 8 bits as numbers [1, H, W]; None for all others."""
    kind = _deep_type(image, reading)
    if kind is None or not _is_pillows(image):
        return None
    return np.asarray(upright(image)).astype(kind)[None]


def _is_pillows(image: Image.Image) -> bool:
    """Whether Pillow reads these pixels as they are: grey ones."""
    return image.mode in SIXTEEN_BIT or image.mode == "F"


def _read_array(file: BinaryIO, name: str, *, pixels: bool = True) -> Numbers:
    if _ending(name, DICOM):
        return _dicom(file)
    try:
        if _ending(name, (".npy",)) and not pixels:
            return channels_first(_header(file))
        with np.errstate(all="ignore"):
            found: Any = np.load(file, allow_pickle=False)
            if _ending(name, (".npz",)):
                if len(found.files) != 1:
                    raise ValueError(f"holds {len(found.files)} arrays; an image is one")
                found = found[found.files[0]]
    except BROKEN_ARRAY as error:
        raise ValueError(f"is no array: {error}") from error
    return channels_first(found)


def _header(file: BinaryIO) -> Numbers:
    """An array of the shape and the type that a .npy file names, which takes no memory."""
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    else:
        shape, _, dtype = np.lib.format.read_array_header_2_0(file)
    check(math.prod(shape))
    return np.broadcast_to(np.zeros((), plain_type(dtype)), shape)


def _of_bands(file: BinaryIO, *, pixels: bool = True) -> Numbers:
    """TIFF files of any type and number of bands."""
    try:
        import tifffile
    except ImportError:
        raise ValueError(
            "has bands or bits that take the package tifffile: pip install 'ganwright[science]'"
        ) from None
    with tifffile.TiffFile(io.BytesIO(file.read())) as tiff:
        series, tags = tiff.series[0], getattr(tiff.pages[0], "tags", None)
        others = series.axes.replace("Y", "").replace("X", "")
        if len(tiff.series) > 1 or (len(tiff.pages) > 1 and others not in ("S", "C")):
            raise ValueError("has several frames")
        if tags is not None and tags.valueof(274, default=1) != 1:
            raise ValueError("is turned by its orientation tag, which no bands can be")
        check(math.prod(series.shape))
        if not pixels:
            kind = plain_type(series.dtype)
            array = np.broadcast_to(np.zeros((), kind), series.shape)
        else:
            array = series.asarray()
        if others and series.axes[0] in "SC":
            return array.astype(plain_type(array.dtype), copy=False)
        array = np.moveaxis(array, -1, 0) if others else array[None]
        return array.astype(plain_type(array.dtype), copy=False)


def _png(file: BinaryIO, alpha: Literal["keep", "white", "drop"]) -> Numbers:
    """A PNG file of 16 bits; transparent parts as `plain` has them."""
    content = file.read()
    # Pillow keeps one byte of the two: asked for the other order, it keeps the other one.
    high, low = (_bytes_of(content, order) for order in ("B", "L"))
    pixels = np.moveaxis(high.astype(np.uint16) * 256 + low, 2, 0)
    if alpha == "keep" or len(pixels) in (1, 3):
        return pixels
    colour, share = pixels[:-1], pixels[-1:].astype(np.float64) / 65535
    if alpha == "white":
        colour = (colour * share + 65535 * (1 - share)).round().astype(np.uint16)
    return colour


def _bytes_of(content: bytes, order: Literal["B", "L"]) -> Numbers:
    """The higher (B) or lower (L) bytes of a PNG file's numbers, upright, [H, W, C]."""
    with Image.open(io.BytesIO(content)) as image:
        if image.mode not in ("RGB", "RGBA"):
            raise ValueError(f"is {image.mode} of 16 bits, which cannot be read; leave alpha out")
        tiles: Any = [(*tile[:3], f"{image.mode};16{order}") for tile in image.tile]
        image.tile = tiles
        return np.asarray(upright(image))


def _dicom(file: BinaryIO) -> Numbers:
    """The image of a DICOM file, its numbers rescaled as it asks (such as to Hounsfield units).

    Where it says that its least number is white, numbers are turned round.
    """
    try:
        import pydicom
    except ImportError:
        raise ValueError("takes the package pydicom: pip install 'ganwright[science]'") from None
    try:
        whole = pydicom.dcmread(file)
        array = np.asarray(whole.pixel_array)
    except (pydicom.errors.InvalidDicomError, AttributeError, NotImplementedError) as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if int(whole.get("NumberOfFrames") or 1) > 1:
        raise ValueError("has several frames")
    if whole.get("PhotometricInterpretation") == "MONOCHROME1":
        array = 2 ** int(whole.BitsStored) - 1 - array
    if "RescaleSlope" in whole or "RescaleIntercept" in whole:
        array = array * float(whole.get("RescaleSlope", 1)) + float(
            whole.get("RescaleIntercept", 0)
        )
        if (array == array.round()).all() and np.abs(array).max() < 2**15:
            array = array.astype(np.int16)
    return channels_first(array)


def arrays_in(path: Path) -> Any:
    """The images [n, ...] of a .npy or .npz file; a .npz may also have labels.

    Raises:
        DataError: it cannot be read, or does not say which of its arrays are the images.
    """
    try:
        found: Any = np.load(path, mmap_mode="r", allow_pickle=False)
        if isinstance(found, np.ndarray):
            return found
        with found:
            arrays = {key: found[key] for key in found.files}
    except BROKEN_ARRAY as error:
        raise DataError(f"{path} cannot be read as an array ({error})") from error
    labels = next((arrays.pop(key) for key in ("labels", "y") if key in arrays), None)
    if len(arrays) != 1:
        raise DataError(
            f"{path} holds {', '.join(arrays) or 'no pictures'}; one array is the images, and "
            "one called labels or y their classes"
        )
    pictures = next(iter(arrays.values()))
    return pictures if labels is None else (pictures, labels)
