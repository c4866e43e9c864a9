"""Questions that the report of a dataset answers, in order."""

from __future__ import annotations

QUESTIONS = (
    ("domains", "Domains", "What are the domains, and how sure are we?", ("maps", "consensus", "number")),
    (
        "what",
        "What they are",
        "What are they, and what marks them?",
        ("passports", "characterised", "distributions", "trajectory", "markers"),
    ),
    ("which", "Methods compared", "Which method should I trust?", ("verdict", "metrics")),
    ("help", "Modalities", "What does each modality add?", ("modalities", "preserved", "per_spot", "denoised")),
    ("sections", "Sections", "Do the sections agree?", ("shares", "alignment")),
    ("trust", "Data", "Can the data be trusted?", ("quality", "failures")),
    ("made", "How it was made", "How was it made?", ("methods", "training", "graphs", "settings")),
)
"""Name, short and full title, and parts (templates/parts) of each question, in order."""


def questions(n_modalities: int, parts: list[tuple[str, bool]]) -> list[tuple[str, str, str, list[str]]]:
    """Return the questions that the page can answer, each with its available parts.

    Parameters
    ----------
    n_modalities
        Number of modalities whose contribution is known.
    """
    available = [name for name, is_there in parts if is_there]
    found = []
    for key, short, title, own in QUESTIONS:
        kept = [part for part in own if part in available]
        if key == "help":
            title = {0: "How does the method use the modalities?", 2: "Does the second modality help?"}.get(
                n_modalities, title
            )
        if kept:
            found.append((key, short, title, kept))
    return found
