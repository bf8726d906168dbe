"""Snakemake's scheduler wakes when a job has ended, and not every second as well."""

from typing import Any

#: what the command line gives where nobody asks for a limit: jobs, and seconds
UNASKED = (100, 1)


def wake_for_jobs_alone(scheduler: Any) -> None:
    """Drop the limit of 100 jobs a second that nobody asked for; any other limit stays.

    With a limit, Snakemake (9.27) looks at all waiting jobs and their inputs again a timespan after
    each time that it has looked, and so, a second later, once more for each job that has ended:
    after a hundred jobs this keeps a quarter of a core busy.

    Args:
        scheduler: Snakemake's ``JobScheduler``, before it starts a job.
    """
    limit = scheduler.job_rate_limiter
    if limit and (limit.max_jobs, limit.timespan) == UNASKED:
        scheduler.job_rate_limiter = None
