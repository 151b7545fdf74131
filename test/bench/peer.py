# SPDX-License-Identifier: BSD-3-Clause
"""How does the path compare with that of FD.io VPP 26.06?

Its figures were measured once, on another machine (a Zen 4): ticks a packet from IP input to
interface output without the port, vectors of 256, one SA, warm packets, its fastest engine
(intel-ipsec-mb 2.0.2).  What bare crypto of intel-ipsec-mb 1.3 cost on that machine scales them to
this one.
"""

NAME = "VPP 26.06"
BASE = "aes-gcm-128"
SIZES = [64, 512, 1420]

# Ticks of these sizes, None: not measured.  Outbound, inbound.
_SHA1, _SHA2, _GMAC = (183, 340, 655), (270, 581, 1223), (108, 151, 248)
BARE = {
    "aes-gcm-128": ((82, 159, 356), (78, 156, 355)),
    "aes-gcm-256": ((89, 178, 415), (80, 177, 410)),
    "aes-cbc-128+hmac-sha1-96": ((225, 470, 948), (213, 412, 845)),
    "aes-cbc-128+hmac-sha2-256-128": ((315, 709, 1491), (295, 676, 1386)),
    "chacha20-poly1305": ((447, 839, 1440),) * 2,
    "null+aes-gmac-128": (_GMAC,) * 2,
    "null+hmac-sha2-256-128": (_SHA2,) * 2,
    "ah:hmac-sha1-96": (_SHA1,) * 2,
    "ah:hmac-sha2-256-128": (_SHA2,) * 2,
}
PATH = {
    "aes-gcm-128": ((173, 270, 456), (199, 297, 487)),
    "aes-gcm-256": ((180, 303, 517), (210, 323, 545)),
    "aes-cbc-128+hmac-sha1-96": ((367, 601, 1082), (341, 549, 975)),
    "aes-cbc-128+hmac-sha2-256-128": ((440, 837, 1643), (423, 787, 1530)),
    "chacha20-poly1305": ((538, None, 1451), (556, None, 1481)),
    "null+aes-gmac-128": ((762, None, 1192), (747, None, 1149)),
    "null+hmac-sha2-256-128": ((515, None, 2451), (551, None, 2488)),
    "ah:hmac-sha1-96": ((411, 606, 890), (371, 479, 812)),
    "ah:hmac-sha2-256-128": ((455, 786, 1505), (405, 717, 1383)),
}


class Relative:
    """A row in relation to the peer's path, scaled by what BASE costs, or by the row's own crypto."""

    def __init__(self, row, path):
        self.path = row["ticks"]["median"] / path
        self.crypto = row["crypto_ticks"] / path  # what is left if all else took nothing


def _relative(row, place, base):
    """By BASE, and by the row's own crypto; None: not measured."""
    way = ("out", "in").index(row["direction"])
    then = PATH[row["algorithm"]][way][place]
    if then is None:
        return None
    return (Relative(row, then * base / BARE[BASE][way][place]),
            Relative(row, then * row["crypto_ticks"] / BARE[row["algorithm"]][way][place]))


def _all_relative(rows):
    """Each row and what it is relative to the peer."""
    base = {(row["direction"], row["size"]): row["crypto_ticks"] for row in rows
            if row["algorithm"] == BASE}
    for row in rows:
        place = SIZES.index(row["size"])
        yield row, _relative(row, place, base[row["direction"], row["size"]])


def relatives(rows):
    """Of all that the peer has: scaled by bare BASE, and by the row's own crypto."""
    return [relative for _, relative in _all_relative(rows) if relative is not None]


def _cell(row, relative):
    ticks = f"{row['ticks']['median']:.0f} ({row['crypto_ticks']:.0f})"
    return ticks if relative is None else ": ".join([ticks, ", ".join(f"{by.path:.2f}" for by in relative)])


def lines(rows, table):
    """Text and a table: a row for each algorithm and direction, a column for each size."""
    groups = {}
    for row, relative in _all_relative(rows):
        groups.setdefault((row["algorithm"], row["direction"]), []).append(_cell(row, relative))
    return [f"Bursts of 256: ticks (bare crypto), and relative to the path of {NAME}, which was measured "
            f"on another machine and is scaled to this one twice: by what bare {BASE} costs on both, and "
            "by what bare crypto of that row does:", "",
            *table(["", *map(str, SIZES)], [(f"{a}, {d}", *cells) for (a, d), cells in groups.items()])]
