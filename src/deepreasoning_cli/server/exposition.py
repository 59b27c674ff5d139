"""Numbers as Prometheus reads them, in its text format 0.0.4.

https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from itertools import accumulate
from typing import Final, Literal

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
ESCAPES: Final = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Number = float | Decimal


@dataclass(frozen=True, slots=True)
class Sample:
    """A number with its labels; `suffix` goes behind the name of its family."""

    value: Number
    labels: Mapping[str, str]
    suffix: str = ""


@dataclass(frozen=True, slots=True)
class Family:
    """Samples of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    about: str
    samples: Iterable[Sample]

    def text(self, shared: Mapping[str, str]) -> str:
        """The lines of the family; each sample has the `shared` labels too."""
        head = f"# HELP {self.name} {self.about}\n# TYPE {self.name} {self.kind}\n"
        return head + "".join(self._line(sample, shared) for sample in self.samples)

    def _line(self, sample: Sample, shared: Mapping[str, str]) -> str:
        pairs = {**sample.labels, **shared}.items()
        labels = ",".join(f'{name}="{value.translate(ESCAPES)}"' for name, value in pairs)
        return f"{self.name}{sample.suffix}{{{labels}}} {sample.value}\n"


def spans(bounds: tuple[float, ...], counts: Iterable[int], total: Number) -> Iterator[Sample]:
    """The samples of a histogram: `counts` are those up to each bound, and one for all beyond."""
    count = 0
    for bound, count in zip((*map(str, bounds), "+Inf"), accumulate(counts), strict=True):
        yield Sample(count, {"le": bound}, "_bucket")
    yield Sample(total, {}, "_sum")
    yield Sample(count, {}, "_count")
