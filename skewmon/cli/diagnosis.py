"""The result of one check of ``skewmon doctor``."""

from dataclasses import dataclass
from enum import Enum


class CheckState(Enum):
    """Whether a check found everything in order; faults are printed first."""

    FAULT = 0
    WARN = 1
    OK = 2


@dataclass(frozen=True, slots=True)
class Check:
    """One result: the subject, the detail, and the cure unless it is in order."""

    state: CheckState
    subject: str
    detail: str
    cure: str = ""

    def __str__(self) -> str:
        cure = f" {self.cure}" if self.cure else ""
        return f"{self.state.name.lower():5}  {self.subject}: {self.detail}{cure}"


def fault(subject: str, detail: str, cure: str = "") -> Check:
    """Return a check that found a fault."""
    return Check(CheckState.FAULT, subject, detail, cure)


def warn(subject: str, detail: str, cure: str = "") -> Check:
    """Return a check that found something doubtful."""
    return Check(CheckState.WARN, subject, detail, cure)


def ok(subject: str, detail: str) -> Check:
    """Return a check that found no fault."""
    return Check(CheckState.OK, subject, detail)
