"""`make study`: BERT, ALBERT and a frozen MiniLM through the tile, with and without training that knows it.

Writes beside itself: README.md, results.json, networks.svg. What is finished is kept in the cache of the packages: a
study that was interrupted goes on. Determined by the seeds, up to the machine's float32 arithmetic.
"""

import argparse
import json
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

sys.path.insert(0, str(Path(__file__).resolve().parents[3]))

from docs.studies.networks.packages import MINILM, MOVIES, SENTENCES
from docs.studies.networks.page import draw, page
from docs.studies.networks.peers import peers
from docs.studies.networks.tiles import TILES
from docs.studies.networks.training import SETTINGS
from docs.studies.networks.work import CLIPPED, CLIPPED_MORE, N_EPOCH, SEED, Job, Size, against, jobs_of, prepare, run

HERE = Path(__file__).parent


def main() -> int:
    """Compute what is not kept yet; write results, figure and page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    results = study(Size(), options.processes)
    (HERE / "results.json").write_text(json.dumps(results, indent=1) + "\n")
    (HERE / "networks.svg").write_text(draw(results))
    (HERE / "README.md").write_text(page(results))
    return 0


def study(size: Size, n_process: int, *, with_peers: bool = True) -> dict[str, Any]:
    """All jobs, side by side; the tables of the page."""
    jobs = jobs_of(size)
    scores: dict[Job, dict[str, dict[str, np.ndarray]]] = {}
    spawn = multiprocessing.get_context("spawn")  # a forked torch may hang
    with ProcessPoolExecutor(n_process, spawn, _one_thread) as pool:
        list(pool.map(prepare, size.networks, [size] * len(size.networks)))
        waiting = {pool.submit(run, job, size): job for job in jobs if job.arm is None}
        others = pool.submit(peers, size) if with_peers else None
        waiting |= {pool.submit(run, job, size): job for job in jobs if job.arm is not None}
        for future in tqdm(as_completed(waiting), total=len(jobs), unit=" jobs"):
            scores[waiting[future]] = future.result()
        compared = {"peers": others.result()} if others is not None else {}
    return {
        "schema_version": "tilemodel-networks-2",
        "seed": SEED,
        "n_epoch": N_EPOCH,
        "training": SETTINGS,
        "tiles": {name: TILES[name] for name in size.tiles},
        "n_run": dict(size.n_run),
        "n_draw": dict(size.n_draw),
        "n_test": size.n_test,
        "packages": {item.name: item.sha256 for item in (MINILM, SENTENCES, MOVIES)},
        "clipped_fraction": [CLIPPED, CLIPPED_MORE],
        "untrained": list(_untrained(jobs, scores, CLIPPED)),
        "narrow": list(_untrained(jobs, scores, CLIPPED_MORE)),
        "trained": list(_trained(jobs, scores)),
        **compared,
    }


def _one_thread() -> None:
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)


def _untrained(
    jobs: list[Job], scores: dict[Job, dict[str, dict[str, np.ndarray]]], clipped_fraction: float
) -> Iterator[dict[str, Any]]:
    """A row a network, tile and condition: against the digital network."""
    for job in jobs:
        if job.arm is None and job.clipped_fraction == clipped_fraction:
            for tile, found in scores[job].items():
                for name, values in found.items():
                    row = {"network": job.network, "tile": tile, "condition": name}
                    yield row | against(values, found["digital"])


def _trained(jobs: list[Job], scores: dict[Job, dict[str, dict[str, np.ndarray]]]) -> Iterator[dict[str, Any]]:
    """A row a network, tile, way of training and condition: against its own digital score, and against plain training."""
    arms: dict[tuple[str, str, str], list[dict[str, np.ndarray]]] = {}
    for job in jobs:  # runs in the order of their seeds
        if job.arm is not None:
            for tile, found in scores[job].items():
                arms.setdefault((job.network, tile, job.arm), []).append(found)
    stacked = {key: _by_condition(runs) for key, runs in arms.items()}
    for (network, tile, arm), found in stacked.items():
        plain = stacked[network, tile, "plain"]
        for name, values in found.items():
            row = {"network": network, "tile": tile, "arm": arm, "condition": name}
            gained = against(values, plain[name])
            lost = against(values, plain["digital"])
            yield row | lost | {f"over_plain_{key}": gained[key] for key in ("difference", "low", "high")}


def _by_condition(runs: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """[n_seed, n_example]"""
    return {name: np.concatenate([found[name] for found in runs]) for name in runs[0]}


if __name__ == "__main__":
    sys.exit(main())
