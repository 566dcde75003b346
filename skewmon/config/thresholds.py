"""Lines of a cluster: from a profile, one's own, or the default ones."""

import difflib

from skewmon.alert.profiles import PROFILES
from skewmon.alert.thresholds import draws_limit
from skewmon.errors import echoed
from skewmon.model import Threshold

#: What a cluster has that names neither a profile nor a threshold.
DEFAULT_PROFILE = "default"


def check_profile(name: str) -> str:
    """Return the name of a profile that exists; raise ValueError with the nearest one."""
    if name in PROFILES:
        return name
    near = difflib.get_close_matches(name, PROFILES, n=1)
    advice = f"did you mean {near[0]}?" if near else "`skewmon profiles` lists them"
    raise ValueError(f"there is no profile {echoed(name)}; {advice}")


def effective(profile: str | None, own: tuple[Threshold, ...]) -> tuple[Threshold, ...]:
    """Return the lines that count; one's own replaces the profile's of the same kind and severity."""
    if profile is None:
        return own if draws_limit(own) else (*PROFILES[DEFAULT_PROFILE].thresholds, *own)
    named = {(line.kind, line.severity) for line in own}
    kept = (line for line in PROFILES[profile].thresholds if (line.kind, line.severity) not in named)
    return (*kept, *own)
