"""What Prometheus is told: read from the database at each scrape, so that it is the whole
installation's, whichever process is asked."""

from mentalspace.engine.metrics.families import FAMILIES, PREFIX, Family, Sample, families_of
from mentalspace.engine.metrics.gauges import read_gauges
from mentalspace.engine.metrics.known import Known, known_of
from mentalspace.engine.metrics.tally import fold_tally, read_tally

__all__ = [
    "FAMILIES",
    "PREFIX",
    "Family",
    "Known",
    "Sample",
    "families_of",
    "fold_tally",
    "known_of",
    "read_gauges",
    "read_tally",
]
