"""Peaks of a mean mass spectrum: local maxima, the highest first."""

from __future__ import annotations

from bisect import bisect_left, insort

import numpy as np

MOST = 1_000
"""Largest number of peaks; the highest are kept."""

NOISE_LEVELS = 10
"""Smallest height of a peak of a profile above its surroundings, in units of the noise."""

BINS_PER_TOLERANCE = 2
SPAN = np.log(1e6)
"""Logarithmic range of the bins, m/z 1 to 1e6: the width of a bin is proportional to m/z."""


def peaks_of_profile(masses: np.ndarray, mean: np.ndarray, tolerance: float) -> np.ndarray:
    """Return m/z of the peaks of a mean spectrum on one axis.

    Parameters
    ----------
    masses, mean
        The axis (ascending) and the mean intensities on it.
    tolerance
        Tolerance as a fraction of m/z.
    """
    from scipy.signal import find_peaks

    steps = np.diff(mean)
    noise = 1.4826 * np.median(np.abs(steps - np.median(steps))) / np.sqrt(2)
    # Zeros at both ends make a maximum at an end a peak.
    positions = find_peaks(
        np.concatenate([[0.0], mean, [0.0]]), prominence=max(NOISE_LEVELS * noise, np.finfo(float).tiny)
    )[0]
    return apart(masses[positions - 1], mean[positions - 1], tolerance)


def apart(masses: np.ndarray, heights: np.ndarray, tolerance: float) -> np.ndarray:
    """Return the highest peaks more than two tolerances from each other, by ascending m/z; at most :data:`MOST`."""
    kept: list[float] = []
    for position in np.lexsort((masses, -heights)):
        mass = float(masses[position])
        at = bisect_left(kept, mass)
        near = kept[max(0, at - 1) : at + 1]
        if all(abs(mass - other) > 2 * tolerance * max(mass, other) for other in near):
            insort(kept, mass)
            if len(kept) == MOST:
                break
    return np.array(kept)


class Binned:
    """Mean of spectra with an m/z axis each, in bins narrower than the tolerance (a fraction of m/z)."""

    def __init__(self, tolerance: float) -> None:
        self.tolerance = tolerance
        self.width = tolerance / BINS_PER_TOLERANCE
        size = int(SPAN / self.width) + 1
        self.total, self.moment = np.zeros(size), np.zeros(size)

    def add(self, masses: np.ndarray, values: np.ndarray) -> None:
        """Add a spectrum; m/z outside 1 to 1e6 is left out."""
        bins = np.floor(np.log(masses) / self.width).astype(np.int64)
        inside = (bins >= 0) & (bins < len(self.total))
        np.add.at(self.total, bins[inside], values[inside])
        np.add.at(self.moment, bins[inside], (values * masses)[inside])

    def peaks(self, n_spectra: int) -> np.ndarray:
        """Return m/z of the peaks: the mean m/z around each local maximum of the sums over a tolerance."""
        from scipy.signal import find_peaks

        reach = BINS_PER_TOLERANCE
        window = np.ones(2 * reach + 1)
        smooth = np.convolve(self.total, window, mode="same")
        found = find_peaks(np.concatenate([[0.0], smooth, [0.0]]))[0] - 1
        found = found[smooth[found] > 0]
        around = found[:, None] + np.arange(-reach, reach + 1)
        around = np.clip(around, 0, len(self.total) - 1)
        total = self.total[around].sum(axis=1)
        # A sum that is 0 apart from rounding errors is not a peak.
        found, total, around = (array[total > 0] for array in (found, total, around))
        masses = self.moment[around].sum(axis=1) / total
        return apart(masses, total / n_spectra, self.tolerance)
