"""Picture files below a folder: by their ending, and without one by their first bytes; what is not read is counted."""

import os
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from functools import cache
from pathlib import Path
from stat import S_ISREG
from typing import Any, Final

from treegen.extras import EXTRAS, is_installed
from treegen.files import open_regular
from treegen.images.interface import Findings, RealPaths

_HEIF: Final = frozenset({".heic", ".heif", ".hif", ".heics", ".heifs"})
_AVIF: Final = frozenset({".avif", ".avifs"})
SUFFIXES: Final = (
    frozenset(
        # what Pillow reads
        ".png .apng .jpg .jpeg .jpe .jfif .jif .pjpeg .pjp .mpo .webp .bmp .dib .gif .tif .tiff".split()
    )
    | _HEIF
    | _AVIF
)
#: pictures that are not read, among them all that Pillow has a name for; what is in neither list is looked at
UNREAD_SUFFIXES: Final = frozenset(
    ".svg .svgz .psd .psb .xcf .ai .eps .ico .icns .cur .tga .pcx .ppm .pgm .pbm .pnm .jp2 .j2k .jpf .jpx .jxl .jxr "
    ".hdr .exr .dng .raw .cr2 .cr3 .nef .nrw .arw .orf .rw2 .raf .pef .srw .dcm .dicom .dds .xbm .xpm .qoi "
    ".sgi .rgb .rgba .bw .j2c .jpc .jpm .im .iim .icb .vda .vst .emf .wmf .wbmp .fit .fits .fts .fli .flc .pcd .ras "
    ".dcx .pfm .pam .msp .blp .ftc .ftu .gbr .palm .pxr .x3f .crw .mrw .mos .mef .3fr .erf .kdc .dcr .sr2 .srf .iiq "
    ".rwl .gpr .flif .bpg .djvu .kra .ora .ktx .ktx2".split()
)
#: certainly not pictures, so that they need not be opened
OTHER_SUFFIXES: Final = frozenset(
    ".txt .csv .tsv .json .jsonl .ndjson .parquet .arrow .xml .yaml .yml .toml .ini .cfg .md .rst .html .htm .py "
    ".ipynb .js .css .sh .cls .label .npy .npz .pkl .pt .pth .safetensors .onnx .tar .gz .tgz .bz2 .xz .zst .zip .7z "
    ".rar .db .sqlite .log .pdf .ps .doc .docx .xlsx .mp4 .mov .avi .mkv .mpg .mpeg .mp3 .wav .lock .bib .tex .h5 .hdf "
    ".hdf5 .grib .bufr".split()
)
TOOLS: Final = frozenset({".git", ".treegen", ".venv", ".hg", ".svn"})  # never part of an image set
HEAD: Final = 64
HEIF_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1")
#: formats that are not read -> how their files begin
_UNREAD_HEADS: Final = {
    "PPM": re.compile(rb"P[1-6]\s+(#|\d+\s+\d+\s)|P7\nWIDTH|P[Ff]\n\d"),
    "ICO": re.compile(rb"\0\0[\x01\x02]\0[^\0]\0...\0", re.DOTALL),
    "JPEG 2000": re.compile(rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51"),
    "JPEG XL": re.compile(rb"\0\0\0\x0cJXL |\xff\x0a"),
    "SGI": re.compile(rb"\x01\xda[\x00\x01][\x01\x02]"),
    "PCX": re.compile(rb"\x0a[\x00-\x05]\x01[\x01\x02\x04\x08]"),
    "DDS": re.compile(rb"DDS \x7c\0\0\0"),
    "PSD": re.compile(rb"8BPS\0"),
    "FITS": re.compile(rb"SIMPLE  ="),
    "SUN": re.compile(rb"\x59\xa6\x6a\x95"),
    "QOI": re.compile(rb"qoif"),
    "EXR": re.compile(rb"\x76\x2f\x31\x01"),
    "WMF": re.compile(rb"\xd7\xcd\xc6\x9a"),
    "XCF": re.compile(rb"gimp xcf "),
    "CR3": re.compile(rb"....ftypcrx ", re.DOTALL),
    # no magic number: the kinds of colour map and of pixels, their origin at 0, and 8 to 32 bits per pixel
    "TGA": re.compile(
        rb".(\0[\x02\x03\x0a\x0b]\0{5}|\x01[\x01\x09]\0\0..[\x10\x18\x20])\0{4}.{4}[\x08\x0f\x10\x18\x20]", re.DOTALL
    ),
}
_POINTER: Final = b"version https://git-lfs"
POINTER_BYTES: Final = 1024  # the most that a pointer of git-lfs has
PULL: Final = "git lfs pull"
NO_ENDING: Final = re.compile(r"|\.[^a-z]*|\..*\s.*|\..{7,}")  # of img_v1.0, "St. Bernard 7", x.jpg_large


def picture_files(folder: Path, findings: Findings, *, without: Collection[Path] = ()) -> Iterator[Path]:
    """Yield the files below a folder that may be read as pictures, folder by folder, sorted.

    Links to folders are followed, but not a second one within a linked folder. Hidden pictures and those of formats
    that are not read join the findings.

    Args:
        folder: the folder.
        findings: collects what is left out.
        without: folders that are not entered.
    """

    def leave_out(error: OSError) -> None:
        reason = f"the folder cannot be read: {error.strerror or error}"
        findings.leave_out(Path(error.filename), reason, exists=False)

    linked, hidden = set[str](), set[str]()
    for where, folders, names in os.walk(folder, onerror=leave_out, followlinks=True):
        folders[:] = sorted(name for name in folders if name not in TOOLS)
        if without:
            folders[:] = [name for name in folders if Path(where, name) not in without]
        for name in list(folders):
            inner = f"{where}{os.sep}{name}"
            link = Path(inner).is_symlink()
            if link and (where in linked or _holds(inner, where)):
                findings.leave_out(Path(inner), "a link to a folder that is not followed", exists=False)
                folders.remove(name)
            elif link or where in linked:
                linked.add(inner)
            if name.startswith(".") or where in hidden:
                hidden.add(inner)
        for name in sorted(names):
            if where in hidden or name.startswith("."):
                if os.path.splitext(name)[1].lower() in SUFFIXES | UNREAD_SUFFIXES:  # noqa: PTH122
                    findings.pass_over(Path(where, name), "hidden (the name begins with a dot)")
            elif looks_like_picture(Path(where, name), findings):
                yield Path(where, name)


def repeated_by_links(
    paths: Iterable[Path], root: Path, rank: Callable[[Path], Any], findings: Findings
) -> Collection[Path]:
    """Return the paths to pictures that other paths lead to as well: of each file that of the lowest rank is left.

    Args:
        paths: of pictures below the root.
        root: the folder.
        rank: what a path is sorted by.
        findings: counts the links, and knows what they lead to.
    """
    if not _has_links(root):
        return ()
    real, top, known = RealPaths(), Path(os.path.realpath(root)), set[Path]()
    links = dict[str, list[Path]]()
    for path in paths:
        known.add(path)
        if (target := real.of(path)) != str(top / path.relative_to(root)):
            links.setdefault(target, []).append(path)
    repeated = set[Path]()
    for target, group in links.items():
        if Path(target).is_relative_to(top) and (own := root / Path(target).relative_to(top)) in known:
            group.insert(0, own)
        findings.linked[target], *others = sorted(group, key=rank)
        repeated.update(others)
    findings.links += len(repeated)
    return repeated


def _has_links(root: Path) -> bool:
    """Tell whether there are links below a folder."""
    try:
        with os.scandir(root) as entries:
            return any(e.is_symlink() or (e.is_dir() and _has_links(Path(e))) for e in entries)
    except OSError:
        return False


def _holds(link: str, folder: str) -> bool:
    """Tell whether a link leads to a folder above it."""
    target = os.path.realpath(link)
    return f"{os.path.realpath(folder)}{os.sep}".startswith(target.rstrip(os.sep) + os.sep)


def looks_like_picture(path: Path, findings: Findings) -> bool:
    """Tell whether a file may be read as a picture; a picture that may not is counted by its ending."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return regular(path, findings)
    if suffix in OTHER_SUFFIXES:
        return False
    if suffix in UNREAD_SUFFIXES:
        if path.is_file():
            findings.pass_over(path, suffix)
        return False
    head = head_of(path)
    if not is_picture(head):
        if NO_ENDING.fullmatch(suffix) and is_pointer_file(path):
            leave_out_pointer(path, findings)
        elif kind := unread_kind(head, suffix):
            findings.pass_over(path, kind)
        return False
    if NO_ENDING.fullmatch(suffix):
        return regular(path, findings)
    findings.pass_over(path, suffix)
    return False


def regular(path: Path, findings: Findings) -> bool:
    """Tell whether a file can be read; a file that certainly is not a picture joins the findings."""
    try:
        status = path.stat()
    except OSError as error:
        there = os.path.lexists(path) and not path.is_symlink()
        findings.leave_out(path, f"cannot be read: {error.strerror or error}", exists=there)
        return False
    if not S_ISREG(status.st_mode):
        findings.leave_out(path, "not a regular file", exists=False)
        return False
    if is_pointer(head_of(path), status.st_size):
        leave_out_pointer(path, findings)
        return False
    return not leave_out_unreadable(path, path.name, findings)


def is_pointer(head: bytes, size: int) -> bool:
    """Tell by its first bytes and its size whether a file is a pointer of git-lfs."""
    return size < POINTER_BYTES and head.startswith(_POINTER)


def is_pointer_file(path: Path) -> bool:
    """Tell whether a file is a pointer of git-lfs; one that cannot be read is not."""
    try:
        return is_pointer(head_of(path), path.stat().st_size)
    except OSError:
        return False


def leave_out_pointer(path: Path, findings: Findings, member: str = "", what: str = "picture") -> None:
    """Leave out a pointer of git-lfs: a picture, or a tar or a table of unknown content."""
    reason, exists = f"a git-lfs pointer, not the {what}: {PULL}", what == "picture"
    findings.leave_out(path, reason, member, kind=f"that are git-lfs pointers ({PULL})", exists=exists, tip=PULL)


def leave_out_unreadable(path: Path, name: str, findings: Findings, member: str = "") -> bool:
    """Leave out a picture if no installed package reads what its name ends in; return whether it was left out."""
    suffix = os.path.splitext(name)[1].lower()  # noqa: PTH122
    if suffix in _HEIF and not is_installed("pillow_heif"):
        what, command = "a HEIC picture", EXTRAS["heif"].command
    elif suffix in _AVIF and not reads_avif():
        what, command = "an AVIF picture", "pip install 'pillow>=11.3'"
    else:
        return False
    reason, kind = f"{what}; to read it: {command}", f"{suffix} ({command})"
    findings.leave_out(path, reason, member, kind=kind, tip=command)
    return True


@cache
def reads_avif() -> bool:
    """Tell whether the installed Pillow reads AVIF."""
    if not is_installed("PIL"):
        return True  # nothing is decoded here
    from PIL import features

    return "avif" in features.get_supported_modules()


def head_of(path: Path) -> bytes:
    """Return the first bytes of a file; empty if it cannot be read or is not a file."""
    try:
        with open_regular(path) as file:
            return file.read(HEAD)
    except OSError:
        return b""


def unread_kind(head: bytes, suffix: str) -> str:
    """Return as what a file is counted that begins like a picture of a format that is not read; else an empty text."""
    name = next((name for name, begin in _UNREAD_HEADS.items() if begin.match(head)), "")
    return (f"{name} without an ending" if NO_ENDING.fullmatch(suffix) else suffix) if name else ""


def is_picture(head: bytes) -> bool:
    """Tell by its first bytes whether a file is a picture of a format that is read."""
    if head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")):
        return True
    if head.startswith((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")):  # TIFF, and BigTIFF for files of more than 4 GiB
        return True
    if head.startswith(b"RIFF"):
        return head[8:12] == b"WEBP"
    if head[4:8] == b"ftyp":
        return head[8:12] in (*HEIF_BRANDS, b"avif", b"avis")
    return head.startswith(b"BM") and len(head) > 18 and head[6:10] == b"\0\0\0\0"
