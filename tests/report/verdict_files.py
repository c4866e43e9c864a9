"""The files of ASSESS for a made-up dataset."""

from __future__ import annotations

import json
from pathlib import Path

from spatialweave.io.result_tables import EVIDENCE, MODALITY_VALUE

Run = tuple[str, int]


def write_verdict(
    folder: Path, runs: dict[Run, tuple[float, bool]], modalities: list[str], kind: str = "chosen"
) -> None:
    """Write the three files; per run the fraction that its domains explain, and whether the data support them.

    Of the first modality they explain that fraction, too, of each further one 0.05 less.
    """
    numbers = {"explained_low": -0.05, "explained_high": 0.05}
    rows = []
    for (method, seed), (explained, _) in runs.items():
        for modality in [*modalities, "all"]:
            own = explained if modality == "all" else explained - 0.05 * modalities.index(modality)
            values = {"explained": own, **{name: own + shift for name, shift in numbers.items()}}
            values |= {"random_mean": 0.01, "random_sd": 0.01, "z": 4.0, "p_random": 0.01, "p_permuted": 0.025}
            rows += [("demo", method, seed, modality, name, value) for name, value in values.items()]
        rows.append(("demo", method, seed, "all", "agreement_with_runs", 0.8))
    EVIDENCE.write(folder / "evidence.csv", EVIDENCE.frame(rows))
    value_rows = []
    for name in modalities if len(modalities) > 1 else []:
        for of in [*modalities, "others"]:
            value_rows.append(("demo", name, "gain", of, 0.02, 0.01, 0.03))
        value_rows += [("demo", name, "found_without", str(domain), 0.4, 0.3, 0.5) for domain in (1, 2)]
    if value_rows:
        value_rows += [("demo", "all", "found_again", str(domain), 0.9, 0.8, 1.0) for domain in (1, 2)]
    MODALITY_VALUE.write(folder / "modality_value.csv", MODALITY_VALUE.frame(value_rows))
    verdict = {
        "dataset": "demo",
        "n_domains": 2,
        "random_domains": 99,
        "kind": kind,
        "choice": "",
        "headline": "The verdict <in> one sentence.",
        "reasons": ["A reason.", "Another reason."],
        "tissue": {
            "spots": 100,
            "permutations": 39,
            "explained": dict.fromkeys([*modalities, "all"], 0.2),
            "permuted_highest": dict.fromkeys([*modalities, "all"], 0.03),
            "p": dict.fromkeys([*modalities, "all"], 0.025),
        },
        "runs": [
            {"method": method, "seed": seed, "supported": supported, "weaker": False}
            for (method, seed), (_, supported) in runs.items()
        ],
        "modalities": [
            {"name": name, "kind": "helps", "headline": f"{name} helps.", "reasons": ["Evidence."], "only_with": []}
            for name in (modalities if len(modalities) > 1 else [])
        ],
    }
    # As the pipeline writes it, with sorted keys.
    (folder / "verdict.json").write_text(json.dumps(verdict, sort_keys=True))
