"""The layers of the code: each package or module, and those directly below it that it may import.

A package may also import everything below those. `tests/test_architecture.py` checks the code against this table, and
`make tables` writes it into ARCHITECTURE.md.
"""

from __future__ import annotations

BELOW: dict[str, tuple[str, ...]] = {
    "errors": (),
    "tables": (),
    "escaping": (),
    "files": ("errors",),
    "spec_paths": (),
    "archives": ("files",),
    "images": ("files",),
    "resize": ("images",),
    "metrics": ("resize",),
    "degradations": ("resize",),
    "protocols": ("degradations", "metrics"),
    "datasets": ("protocols", "archives", "records"),
    "modelcard": ("errors",),
    "zoo": ("protocols", "modelcard", "tables"),
    "upscalers": ("datasets", "zoo", "spec_paths"),
    "journal": ("files", "spec_paths"),
    "records": ("files",),
    "scores": ("journal", "records"),
    "environment": ("errors",),
    "lr_diagnosis": ("protocols",),
    "evaluation": ("lr_diagnosis", "upscalers", "scores", "environment"),
    "runs": ("evaluation",),
    "workers": (),
    "run_folders": ("scores",),
    "sweep": ("runs", "workers", "run_folders"),
    "statistics": ("errors",),
    "run_comparison": ("statistics", "scores", "metrics"),
    "submissions": ("scores", "datasets", "zoo"),
    "charts": ("errors",),
    "score_tables": ("run_comparison", "run_folders", "tables", "escaping", "protocols"),
    "crop_boxes": ("errors",),
    "figures": ("evaluation", "score_tables", "crop_boxes"),
    "claim_audit": ("evaluation",),
    "device_memory": (),
    "speed": ("evaluation", "charts", "device_memory"),
    "ntire": ("speed",),
    "upscaling": ("upscalers", "device_memory", "images"),
    "samples": ("upscalers", "submissions"),
    "training": ("runs", "charts", "workers"),
    "study": ("training", "statistics"),
    "verification": ("evaluation", "submissions"),
    "leaderboard": ("submissions", "statistics", "charts", "datasets", "modelcard", "score_tables", "crop_boxes"),
    "cli": ("sweep", "claim_audit", "ntire", "upscaling", "study", "verification", "samples", "figures", "leaderboard"),
    "__main__": ("cli",),
}
