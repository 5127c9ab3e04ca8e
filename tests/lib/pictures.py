"""Pictures that tests upload, and what they need to know of pictures that come back."""

import base64
import struct
import zlib

# 80 x 40, to be shown turned by 90 degrees: 40 x 80.
JPEG_TURNED = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/4QAiRXhpZgAATU0AKgAAAAgAAQESAAMAAAABAAYAAAAAAAD/2wBDACgcHiMeGSgjISMtKygwPGRBPDc3PH"
    "tYXUlkkYCZlo+AjIqgtObDoKrarYqMyP/L2u71////m8H////6/+b9//j/2wBDASstLTw1PHZBQXb4pYyl+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4"
    "+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj4+Pj/wAARCAAoAFADASIAAhEBAxEB/8QAFwABAQEBAAAAAAAAAAAAAAAAAAMCBP/EABwQAQACAw"
    "EBAQAAAAAAAAAAAAABAhETUQMhYf/EABkBAQADAQEAAAAAAAAAAAAAAAABAgMEBf/EABoRAQADAQEBAAAAAAAAAAAAAAABAgMRBBL/2gAMAwEA"
    "AhEDEQA/AOYBk9AG/KsWzmFNdeI65r+mlLfMwgL668QtGLTH6RPVst66TyABLcAAABvzvFc5z9a215KQjjC/npe31Ku2vJSmc2mQIji2eNc57U"
    "AS1AAAAAAAAAAAAf/Z")
# 40 x 30, three frames.
GIF = base64.b64decode(
    "R0lGODlhKAAeAIEAAP8AAAAAAAAAAAAAACH/C05FVFNDQVBFMi4wAwEAAAAh+QQABQAAACwAAAAAKAAeAAAIOgABCBxIsKDBgwgTKlzIsKHDhx"
    "AjSpxIsaLFixgzatzIsaPHjyBDihxJsqTJkyhTqlzJsqXLlzAxBgQAIfkEAQcAAQAsAAAAACgAHgCBAP8AAAAAAAAAAAAACDoAAQgcSLCgwYMI"
    "EypcyLChw4cQI0qcSLGixYsYM2rcyLGjx48gQ4ocSbKkyZMoU6pcybKly5cwMQYEACH5BAEJAAEALAAAAAAoAB4AgQAA/wAAAAAAAAAAAAg6AA"
    "EIHEiwoMGDCBMqXMiwocOHECNKnEixosWLGDNq3Mixo8ePIEOKHEmypMmTKFOqXMmypcuXMDEGBAA7")
# 60 x 40, half seen through.
WEBP_CLEAR = base64.b64decode(
    "UklGRroAAABXRUJQVlA4WAoAAAAQAAAAOwAAJwAAQUxQSB0AAAABD/DA/4iIYKZtmzIY5I25CVS7I/ofgCnaXCl+AgBWUDggdgAAADAFAJ0BKj"
    "wAKAA/OZC+Vq8qJqOqu/oB4CcJQBlzAwAoI6o5skctvUjxFUJNJZDNdMeAAP7hw/f863927/tT2x7YWZeiIg3WXcLEGJiWVXRcVoiv33gM9tqO"
    "7DhbQaqzpoKF3w9AfP9JUzqEgp2/APDFTuSaRAA=")
# 60 x 40, three frames.
WEBP_MOVING = base64.b64decode(
    "UklGRl4BAABXRUJQVlA4WAoAAAACAAAAOwAAJwAAQU5JTQYAAAAAAAAAAABBTk1GaAAAAAAAAAAAADsAACcAAGQAAAJWUDggUAAAAHAEAJ0BKjwAKA"
    "A+bTaYSSQjIqEiqACADYlnBigAmQH4AAkxIbTtucyOZDQAAP7wm0P//kFywuuRr//8gP+QH/ID/+QH5U2ZzF5GiqoJ8IAAQU5NRlwAAAAAAAAAAAA7"
    "AAAnAABkAAAAVlA4IEQAAADUAwCdASo8ACgAPm0wkkkCKgAA2JZwYoAJkB+AAIqJrN+xgP/gFwAA/vCwN//+QXLC65Gv//mwK5rn6W7bPjDKDIRAAE"
    "FOTUZeAAAAAAAAAAAAOwAAJwAAZAAAAFZQOCBGAAAAlAMAnQEqPAAoAD5tMJJJAioAANiWcGKACZAAh9+s37GA/+AXAAD++R3b//5Af/5Af/5Af/yA"
    "//4hd7Ic/B3ab9u+3IAAAA==")
# 60 x 40, three frames (APNG).
PNG_MOVING = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAADwAAAAoCAIAAAAt2Q6oAAAACGFjVEwAAAADAAAAAM7tusAAAAAaZmNUTAAAAAAAAAA8AAAAKAAAAAAAAAAAAAEACg"
    "AApiXEAAAAAERJREFUeJztzsENABAAADHsvzM7eFQk1wk69/jPeh24UVoprZRWSiulldJKaaW0UloprZRWSiulldJKaaW0UloprZRWDrQhAU9qF2aG"
    "AAAAGmZjVEwAAAABAAAAPAAAACgAAAAAAAAAAAABAAoAAD1WLtQAAABJZmRBVAAAAAJ4nO3OwQ0AEAAAMUxudDt4nEjaCTrHHt9ZrwM3pCvSFemKdE"
    "W6Il2RrkhXpCvSFemKdEW6Il2RrkhXpCvSFenKAauWANCL0PUjAAAAGmZjVEwAAAADAAAAPAAAACgAAAAAAAAAAAABAAoAANDA/T0AAABLZmRBVAAA"
    "AAR4nO3OQQ0AIRAAsQX/nu888CghmSromvnmNft24ERppbRSWimtlFZKK6WV0kpppbRSWimtlFZKK6WV0kpppbRSWvkBsiMBT+2UgSAAAAAASUVORK"
    "5CYII=")


def png(width, height, pixel=b"\xc8\x1e\x1e", claimed=None):
    """A picture of one colour; claimed: the size that its head tells."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = zlib.compress((b"\0" + pixel * width) * height, 9)
    head = struct.pack(">IIBBBBB", *(claimed or (width, height)), 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def size_of(data):
    """(content type, width, height) by the bytes."""
    if data.startswith(b"\x89PNG"):
        return ("image/png", *struct.unpack(">II", data[16:24]))
    if data.startswith(b"\xff\xd8"):
        at = 2
        while True:
            marker, length = struct.unpack(">HH", data[at:at + 4])
            if 0xffc0 <= marker <= 0xffc3:
                height, width = struct.unpack(">HH", data[at + 5:at + 9])
                return "image/jpeg", width, height
            at += 2 + length
    assert data[8:12] == b"WEBP", data[:16]
    if data[12:16] == b"VP8X":
        return ("image/webp", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1)
    width, height = struct.unpack("<HH", data[26:30])
    return "image/webp", width & 0x3fff, height & 0x3fff


def frames_of(webp):
    return webp.count(b"ANMF")
