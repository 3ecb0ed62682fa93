"""Many simulations: jobs with a content hash, a store that keeps their results, and what runs them."""

from spice_netlists.runs.job import Job
from spice_netlists.runs.record import Attempt, RunRecord, RunResult
from spice_netlists.runs.runner import Runner
from spice_netlists.runs.store import RunStore, default_store_folder

__all__ = ["Attempt", "Job", "RunRecord", "RunResult", "RunStore", "Runner", "default_store_folder"]
