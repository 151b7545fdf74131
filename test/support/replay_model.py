# SPDX-License-Identifier: BSD-3-Clause
"""May this sequence number still be accepted, and which 64-bit number is it?

RFC 4303 section 3.4.3 and appendix A2 with a set instead of a ring of bits: slow and plain.
"""


class ReplayWindow:
    def __init__(self, top, width, esn):
        self.top = top  # everything up to here counts as seen at the start
        self._floor = top
        self._width = width
        self._esn = esn
        self._seen = set()

    def _infer(self, low):
        if not self._esn:
            return low
        top_high, top_low = self.top >> 32, self.top & 0xFFFFFFFF
        left = top_low - self._width + 1
        if left >= 0:
            high = top_high if low >= left else top_high + 1
        else:
            high = top_high - 1 if low >= left + (1 << 32) else top_high
        return high << 32 | low if high >= 0 else None

    def check(self, low):
        """The full number that may be new, or None: seen before, left of the window, or 0."""
        number = self._infer(low)
        if not number or number <= self.top - self._width:
            return None
        if number <= self._floor or number in self._seen:
            return None
        return number

    def commit(self, number):
        """The packet with this number was authentic."""
        self._seen.add(number)
        self.top = max(self.top, number)
