from types import SimpleNamespace

from snakemake.cli import get_argument_parser
from snakemake.scheduling.job_scheduler import JobRateLimiter
from snakemake.settings.types import MaxJobsPerTimespan

from nicheclip.runtime.scheduler import wake_for_jobs_alone


def scheduler(*words: str) -> SimpleNamespace:
    given = get_argument_parser().parse_args(list(words)).max_jobs_per_timespan
    limit = MaxJobsPerTimespan.parse_choice(given) if isinstance(given, str) else given
    return SimpleNamespace(job_rate_limiter=JobRateLimiter(limit))


def test_snakemakes_own_limit_is_dropped():
    found = scheduler()
    wake_for_jobs_alone(found)
    assert found.job_rate_limiter is None
    wake_for_jobs_alone(found)
    assert found.job_rate_limiter is None


def test_a_limit_that_was_asked_for_stays():
    found = scheduler("--max-jobs-per-timespan", "50/1m")
    wake_for_jobs_alone(found)
    assert found.job_rate_limiter.max_jobs == 50
