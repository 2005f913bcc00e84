"""Media types of files by extension. Unlike those of `mimetypes`, they are the same on every machine.

They are registered with IANA (https://www.iana.org/assignments/media-types), or in common use.
"""

from __future__ import annotations

import os

UNKNOWN = "application/octet-stream"
"""The type of files without an extension in this list, which includes compressed files (`.gz`)."""

_EXTENSIONS = {
    "application/dicom": "dcm dicom",
    "application/edf": "edf",
    "application/epub+zip": "epub",
    "application/geo+json": "geojson",
    "application/gpx+xml": "gpx",
    "application/json": "json",
    "application/jsonl": "jsonl ndjson",
    "application/msword": "doc",
    "application/netcdf": "nc",
    "application/pdf": "pdf",
    "application/rtf": "rtf",
    "application/vnd.ant.fit": "fit",
    "application/vnd.apache.arrow.file": "arrow feather",
    "application/vnd.apache.parquet": "parquet",
    "application/vnd.garmin.tcx+xml": "tcx",
    "application/vnd.google-earth.kml+xml": "kml",
    "application/vnd.google-earth.kmz": "kmz",
    "application/vnd.ms-excel": "xls",
    "application/vnd.ms-powerpoint": "ppt",
    "application/vnd.oasis.opendocument.presentation": "odp",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
    "application/vnd.oasis.opendocument.text": "odt",
    "application/vnd.openxmlformats-officedocument.presentationml.presentation": "pptx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.sqlite3": "sqlite sqlite3",
    "application/x-hdf5": "h5 hdf5",
    "application/x-tar": "tar",
    "application/xml": "xml",
    "application/zip": "zip",
    "audio/aac": "aac",
    "audio/aiff": "aif aiff",
    "audio/amr": "amr",
    "audio/flac": "flac",
    "audio/mp4": "m4a",
    "audio/mpeg": "mp3",
    "audio/ogg": "oga ogg opus",
    "audio/wav": "wav",
    "audio/webm": "weba",
    "image/apng": "apng",
    "image/avif": "avif",
    "image/bmp": "bmp",
    "image/gif": "gif",
    "image/heic": "heic",
    "image/heif": "heif",
    "image/jp2": "jp2",
    "image/jpeg": "jpg jpeg jpe",
    "image/png": "png",
    "image/svg+xml": "svg",
    "image/tiff": "tif tiff",
    "image/vnd.microsoft.icon": "ico",
    "image/webp": "webp",
    "text/calendar": "ics",
    "text/css": "css",
    "text/csv": "csv",
    "text/html": "html htm",
    "text/javascript": "js mjs",
    "text/markdown": "md markdown",
    "text/plain": "txt text log",
    "text/tab-separated-values": "tsv",
    "text/vcard": "vcf",
    "video/3gpp": "3gp",
    "video/matroska": "mkv",
    "video/mp4": "mp4 m4v",
    "video/mpeg": "mpeg mpg",
    "video/ogg": "ogv",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-ms-wmv": "wmv",
    "video/x-msvideo": "avi",
}
_TYPES = {f".{extension}": kind for kind, extensions in _EXTENSIONS.items() for extension in extensions.split()}


def media_type(file_name: str) -> str:
    """Return the media type of a file's extension."""
    return _TYPES.get(os.path.splitext(file_name)[1].lower(), UNKNOWN)
