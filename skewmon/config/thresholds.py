"""Lines of a cluster: from a profile, one's own, or the default ones."""

import difflib

from skewmon.alert.profiles import PROFILES
from skewmon.model import Threshold

#: What a cluster has that names neither a profile nor a threshold.
DEFAULT_PROFILE = "default"

#: Kinds of lines that say how far clocks may be apart.
OFFSET_KINDS = ("skew", "ahead", "behind")


def check_profile(name: str) -> str:
    """Return the name of a profile that exists; raise ValueError with the nearest one."""
    if name in PROFILES:
        return name
    near = difflib.get_close_matches(name, PROFILES, n=1)
    advice = f"did you mean {near[0]}?" if near else "`skewmon profiles` lists them"
    raise ValueError(f"there is no profile {name!r}; {advice}")


def effective(profile: str | None, own: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """Return the lines that count; one's own replaces the profile's of the same kind and severity."""
    if profile is None:
        # Lines on states alone do not say how far clocks may be apart.
        standing = (
            () if any(line.kind in OFFSET_KINDS for line in own) else PROFILES[DEFAULT_PROFILE].thresholds
        )
        return (*standing, *own)
    named = {(line.kind, line.severity) for line in own}
    kept = (line for line in PROFILES[profile].thresholds if (line.kind, line.severity) not in named)
    return (*kept, *own)
