"""What asking for captions will take, said by a dry run before anything is sent."""

from pathlib import Path

from nicheclip.captions.variables import read_values
from nicheclip.config.captions import CaptionConfig
from nicheclip.config.llm_backends import LlmBackend
from nicheclip.plan.plan import Plan

CHARACTERS_PER_TOKEN = 4
"""Of English, as providers of language models say; a rule of thumb for the estimate alone."""

MILLION = 1_000_000


def estimates(plan: Plan, results: Path) -> list[str]:
    """A line for each caption set whose replies are not all there.

    Args:
        plan: of the config.
        results: the folder of results, for the sizes of data sets that have been acquired.
    """
    lines = []
    for name, config in plan.config.captions.items():
        files = [Path(file) for file in plan.replies(name)]
        if files and not all(file.exists() for file in files):
            targets = _targets(config, plan, results)
            lines.append(f"captions.{name}: {_estimate(config, targets, plan)}")
    return lines


def _targets(config: CaptionConfig, plan: Plan, results: Path) -> int | None:
    """Classes or images to be described; None where nobody knows yet."""
    table = "classes" if config.per == "class" else "catalog"
    file = results / "acquire" / config.dataset / f"{table}.parquet"
    if file.exists():
        # only here: a dry run loads no numpy otherwise
        import pyarrow.parquet as pq

        return int(pq.read_metadata(file).num_rows)
    assert isinstance(config.backend, LlmBackend)
    if config.backend.expected.targets is not None:
        return config.backend.expected.targets
    registered = sum(plan.expected_images(config.dataset).values())
    return registered if config.per == "image" and registered else None


def _estimate(config: CaptionConfig, targets: int | None, plan: Plan) -> str:
    backend = config.backend
    assert isinstance(backend, LlmBackend)
    if targets is None:
        return (
            "requests cannot be counted before the data set has been acquired; set "
            "backend.expected.targets"
        )
    prompt, _ = read_values(backend, plan.registry / "prompts")
    requests = targets * -(-config.samples // prompt.variants)
    letters = sum(map(len, prompt.questions)) / len(prompt.questions)
    expected, prices = backend.expected, backend.prices
    tokens_in = requests * (expected.input_tokens or int(letters / CHARACTERS_PER_TOKEN) + 1)
    tokens_out = requests * (expected.output_tokens or backend.most_tokens)
    most = "" if expected.output_tokens else "at most "
    parts = [
        f"{requests:,} requests for {targets:,} {'classes' if config.per == 'class' else 'images'}",
        f"about {tokens_in:,} tokens of prompts, {most}{tokens_out:,} of replies",
    ]
    if expected.seconds:
        hours = requests * expected.seconds / (backend.concurrency * config.parts) / 3600
        parts.append(f"{hours:,.1f} hours at {expected.seconds:g} s each, {config.parts} part(s)")
    if prices:
        money = (tokens_in * prices.input + tokens_out * prices.output) / MILLION
        parts.append(f"{most}{money:,.2f} of money")
    return "; ".join(parts)
