"""The files of CHARACTERISE for a made-up dataset."""

from __future__ import annotations

from pathlib import Path

from spatialweave.io.result_tables import BESIDE, GENE_SETS, MARKERS, NAMES, PROFILES, STRUCTURE

RUN = "smart.seed1"


def write_characterised(
    folder: Path, name: str = "cortex <1>", panel: bool = True, sections: tuple[str, ...] = ()
) -> None:
    """Three domains, of which the first is called `name` and the last is not found again."""
    again = {1: 0.9, 2: 0.8, 3: 0.3}
    facts = {"fraction_in": 0.9, "fraction_out": 0.2, "score": 9.0, "p": 1e-9, "p_adjusted": 1e-8, "auc": 0.9}
    facts |= {"log2_fold_change": 2.0, "p_split": 1e-4, "p_split_adjusted": 1e-3}
    own = {"rna": {1: ["a1", "a2", "a3", "a4"], 2: ["b1", "a1"], 3: ["a1"]}, "adt": {1: ["P"], 2: [], 3: []}}
    test = {1: "test spots", 2: "test spots", 3: "not found again"}
    rows = [
        {"run": run, "section": "all", "modality": modality, "domain": domain, "feature": feature}
        | facts | {"marker": domain < 3, "test": test[domain], "found_again": again[domain]}
        for run in (RUN, "other.seed1")
        for modality, by_domain in own.items()
        for domain, features in by_domain.items()
        for feature in features
    ]  # fmt: skip
    rows.append(rows[0] | {"feature": "no marker", "marker": False})
    untested = {"feature": "", "marker": False, "test": "not measured", "found_again": again[3]}
    rows.append({"run": RUN, "section": "all", "modality": "adt", "domain": 3} | untested)
    MARKERS.write(folder / "markers.csv", MARKERS.frame(rows))
    rows = [
        (RUN, modality, feature, domain, 4.0 - domain, 1 / domain**2)
        for modality, features in (("rna", ["a1", "a2", "a3", "a4", "b1"]), ("adt", ["P"]))
        for feature in features
        for domain in again
    ]
    PROFILES.write(folder / "profiles.csv", PROFILES.frame(rows))
    statistics = {"spots": "spots", "fraction": "", "area": "µm²", "border": "µm", "pieces": "pieces", "roundness": ""}
    numbers = {"spots": 30.0, "fraction": 1 / 3, "area": 12.5, "border": 7.0, "pieces": 2.0, "roundness": 0.5}
    rows = [
        (run, section, domain, statistic, numbers[statistic], unit)
        for run in (RUN, "other.seed1")
        for section in ("all", *sections)
        for domain in again
        for statistic, unit in statistics.items()
    ]
    rows += [(RUN, "all", domain, "found_again", value, "") for domain, value in again.items()]
    rows += [(RUN, "all", domain, "sections", 2.0, "") for domain in again]
    rows += [(RUN, "all", domain, "weight_rna", 0.6, "") for domain in again]
    STRUCTURE.write(folder / "structure.csv", STRUCTURE.frame(rows))
    edges = [[50, 6, 2], [6, 40, 0], [2, 0, 30]]
    fractions = [[None, 0.75, 0.25], [1.0, None, 0.0], [1.0, 0.0, None]]
    expected = [[None, 0.7, 0.3], [0.8, None, 0.2], [0.6, 0.4, None]]
    rows = [
        (RUN, i + 1, j + 1, edges[i][j], fractions[i][j], expected[i][j], None, 0.5) for i in range(3) for j in range(3)
    ]
    BESIDE.write(folder / "neighbours.csv", BESIDE.frame(rows))
    if panel:
        rows = [
            (RUN, domain, called, given, 0.4, 0.2, 0.001, 2, 3, "a1 (AUC 0.90)", "x")
            for domain in again
            for called, given in ((name, domain == 1), ("another", False))
        ]
        NAMES.write(folder / "names.csv", NAMES.frame(rows))
        sets = [(RUN, "rna", 1, "SET_ONE", 3, 9, 20, 100, 5.0, 1e-5, p, "a1;a2;a3") for p in (1e-4, 0.2)]
        GENE_SETS.write(folder / "gene_sets.csv", GENE_SETS.frame(sets))
