# SPDX-License-Identifier: BSD-3-Clause
"""The highest rate at which no more is lost than is allowed: RFC 2544 section 26.1."""


def no_drop(trial, allowed, steps):
    """Bisects between nothing and all; trial(share) measures at a share of the full rate.

    Returns (the trial at full rate, the best one that lost no more than allowed or None).
    """
    full = trial(1.0)
    if full.loss <= allowed:
        return full, full
    low, high, best = 0.0, 1.0, None
    for _ in range(steps):
        share = (low + high) / 2
        now = trial(share)
        if now.loss <= allowed:
            low = share
            if best is None or now.received_pps > best.received_pps:
                best = now
        else:
            high = share
    return full, best
