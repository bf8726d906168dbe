from snakemake.cli import get_argument_parser
from snakemake.settings.types import MaxJobsPerTimespan, SchedulingSettings

from nicheclip.runtime.scheduler import wake_for_jobs_alone


def settings(*words: str) -> SchedulingSettings:
    given = get_argument_parser().parse_args(list(words)).max_jobs_per_timespan
    limit = MaxJobsPerTimespan.parse_choice(given) if isinstance(given, str) else given
    return SchedulingSettings(max_jobs_per_timespan=limit)


def test_snakemakes_own_limit_is_dropped():
    found = settings()
    assert found.max_jobs_per_timespan is not None
    wake_for_jobs_alone(found)
    assert found.max_jobs_per_timespan is None
    wake_for_jobs_alone(found)
    assert found.max_jobs_per_timespan is None


def test_a_limit_that_was_asked_for_stays():
    found = settings("--max-jobs-per-timespan", "50/1m")
    wake_for_jobs_alone(found)
    assert found.max_jobs_per_timespan is not None
    assert found.max_jobs_per_timespan.max_jobs == 50
