"""What SLURM's answers mean. Text in, facts out: nothing here runs a command."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

STATES = "%i|%T|%k"  # squeue's format for number, state and comment, which names the rule
ARRAY_STATES = "%F|%T|%k"  # the same with one number for all tasks of an array
TOKEN = "#"  # divides what the plugin has put into a comment from what makes it a job's own
REASONS = "%i|%T|%r"

AWAY = (
    "unable to contact slurm controller",
    "socket timed out",
    "connection refused",
    "transport endpoint is not connected",
    "zero bytes were transmitted",
    "communication connection failure",
    "unable to establish controller machine",
    "unable to establish controller port",
    "unable to establish control machine address",
    "temporarily unable to accept job",
    "controller in standby mode",
)
FULL = (
    "submitjob",  # AssocMaxSubmitJobLimit, QOSGrpSubmitJobsLimit and their like
    "job queue full",
    "unable to create job record, try again",
    "job creation temporarily disabled",
)

# Reasons for waiting that waiting does not end: the request is above a limit of its own partition,
# account or quality of service, or the job is held after a launch that failed.
HOPELESS = ("PartitionTimeLimit", "BadConstraints", "InvalidAccount", "InvalidQOS")
HOPELESS_LOWER = ("launch_failed_requeued_held", "launch failed requeued held")

CAUSES = {
    "OUT_OF_MEMORY": "it needed more memory than it had asked for (mem_mb)",
    "TIMEOUT": "it ran longer than it had asked for (runtime)",
    "NODE_FAIL": "its node failed",
    "BOOT_FAIL": "its node failed to start",
    "PREEMPTED": "another job took its place",
    "CANCELLED": "somebody cancelled it",
    "DEADLINE": "it could not end before its deadline",
}
MEMORY_KILL = ("oom-kill", "oom_kill", "exceeded job memory limit", "out of memory handler")


@dataclass(frozen=True)
class Job:
    """A SLURM job: its number, its state, and a text (comment or reason)."""

    number: str
    state: str
    text: str = ""


def parse_jobs(answer: str) -> list[Job]:
    """Jobs from lines `number|state` or `number|state|text` of squeue or sacct.

    sacct writes who cancelled a job into its state ("CANCELLED by 1000"); that is left out.
    """
    jobs = []
    for line in answer.splitlines():
        number, _, rest = line.strip().partition("|")
        state, _, text = rest.partition("|")
        if number and state:
            jobs.append(Job(number, state.split()[0].rstrip("+"), text))
    return jobs


def value_of(option: str, arguments: Sequence[str]) -> str:
    """The value of `--option VALUE` or `--option=VALUE`; empty where it is not given."""
    for position, word in enumerate(arguments):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and position + 1 < len(arguments):
            return arguments[position + 1]
    return ""


def with_own_comment(arguments: Sequence[str], token: str) -> list[str]:
    """A submission's arguments with a comment that no other job of the run has.

    The plugin names rule and wildcards there, which a retry has as well, and the parts of an array.
    """
    comment = value_of("--comment", arguments)
    if not comment:
        return list(arguments)
    own = f"{comment}{TOKEN}{token}"
    words = {comment: own, f"--comment={comment}": f"--comment={own}"}
    return [words.get(word, word) for word in arguments]


def worth_waiting(refusal: str) -> bool:
    """Whether a refused submission may be taken later: SLURM is away, or the queue is full."""
    said = refusal.lower()
    return any(sign in said for sign in AWAY + FULL)


def is_hopeless(job: Job) -> bool:
    """Whether a waiting job (with squeue's reason as its text) would wait for ever."""
    if job.state != "PENDING":
        return False
    per_job = "PerJob" in job.text and ("Max" in job.text or "Min" in job.text)
    return job.text in HOPELESS or job.text.lower() in HOPELESS_LOWER or per_job


def ended_by_slurm(state: str, log: str) -> str:
    """What SLURM did to a job that failed: a key of ``CAUSES``, or nothing if it failed by itself.

    A job that is killed for its memory inside a step is FAILED for SLURM; its log tells.
    """
    if state in CAUSES:
        return state
    killed = any(sign in log.lower() for sign in MEMORY_KILL)
    return "OUT_OF_MEMORY" if state == "FAILED" and killed else ""


def above_limits(
    request: Mapping[str, float], partitions: Mapping[str, Mapping[str, float]]
) -> list[str]:
    """Why no partition takes a request.

    Args:
        request: what a job asks for, e.g. ``{"mem_mb": 2000, "runtime": 30, "gpu": 1}``.
        partitions: for each its limits, e.g. ``{"cpu": {"max_mem_mb": 1000, "max_gpu": 0}}``.

    Returns:
        A line for each limit that is exceeded; empty if one partition takes the request.
    """
    lines = []
    for name, limits in partitions.items():
        exceeded = [
            f"{resource} {wanted:g} is above max_{resource} {limits[f'max_{resource}']:g} of {name}"
            for resource, wanted in request.items()
            if wanted > limits.get(f"max_{resource}", float("inf"))
        ]
        if not exceeded:
            return []
        lines += exceeded
    return lines


def impossible_requests(
    requests: Iterable[tuple[str, Mapping[str, object]]],
    partitions: Mapping[str, Mapping[str, float]],
) -> dict[str, list[str]]:
    """For each rule with a job that no partition takes, which resource is above which limit.

    Args:
        requests: of each job, with the name of its rule; what is not a number has no limit, but
            ``slurm_partition`` names the partition that a job must have.
        partitions: as ``above_limits`` takes them.
    """
    found: dict[str, list[str]] = {}
    for rule, asked in requests:
        numbers = {
            resource: value for resource, value in asked.items() if isinstance(value, int | float)
        }
        named = asked.get("slurm_partition")
        able = {name: limits for name, limits in partitions.items() if named in (None, "", name)}
        if lines := above_limits(numbers, able):
            found.setdefault(rule, lines)
    return found
