"""Tables of the package's catalogues, between `<!-- table: NAME -->` and `<!-- end of table -->` in the guides.

The tables are committed, so that they can be read on a code host. `make tables` writes them, and a test compares them
with the catalogues. `make docs` also fills lines that end with `<!-- table: NAME -->` and have no end mark: the curves.
"""

from __future__ import annotations

import re
import runpy
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path

from leaderboard.bam_page import pair_results, single_trainings
from leaderboard.collection import Collection, collect
from leaderboard.study_pages import study_files
from srbench.datasets import CATALOGUE as DATASETS
from srbench.records.training_documents import WeightsDocument
from srbench.records.verification import DropFacts
from srbench.statistics import PairedDifference
from srbench.study.report import report
from srbench.study.results import read_results
from srbench.tables import table_of_markdown
from srbench.training.curves import Line, curves
from srbench.training.recipe import load_recipe, recipe_names
from srbench.training.recipe_help import HEAD, recipe_rows
from srbench.verification.memorisation import BOUNDS, largest_drop
from srbench.zoo.costs import COSTS
from srbench.zoo.networks import ATTENTIONS, NETWORKS, find_variant
from srbench.zoo.trained import records, scales_of, scores_at
from srbench.zoo.weights_catalogue import CATALOGUE as WEIGHTS
from srbench.zoo.weights_catalogue import WeightsEntry, authors_scores, gpu_note, times

ROOT = Path(__file__).parents[2]

PAGES = (
    "ARCHITECTURE.md",
    "docs/datasets.md",
    "docs/memorisation.md",
    "docs/trained.md",
    "docs/training.md",
    "docs/zoo.md",
    "studies/README.md",
)
"""The pages with committed tables."""

_PAPER_NETWORKS = ("edsr", "carn", "carn-m", "msrn", "s-lwsr32", "awsrn", "rcan", "imdn", "pan", "drln")
_SCALES = (2, 3, 4)
_SCORED = ("Set5", "Set14", "BSD100", "Urban100")

_BLOCK = re.compile(r"(?<=^<!-- table: )(\w+) -->\n.*?(?=^<!-- end of table -->$)", re.MULTILINE | re.DOTALL)
_LINE = re.compile(r"^(?!<!--).*<!-- table: (\w+) -->$", re.MULTILINE)


def committed(markdown: str) -> str:
    """Return the page with the present tables between their marks. Raises KeyError for an unknown name."""
    return _BLOCK.sub(lambda match: f"{match[1]} -->\n\n{TABLES[match[1]]().strip()}\n\n", markdown)


def filled(markdown: str) -> str:
    """Return the page of the built site: `committed`, and every marked line replaced by its content."""
    return _LINE.sub(lambda match: TABLES[match[1]](), committed(markdown))


def datasets() -> str:
    """The datasets and their splits."""
    rows = (
        (
            f"`{entry.name}`",
            ", ".join(f"{split.count or 'unknown'} ({split.name})" for split in entry.splits),
            entry.licence,
            entry.access,
        )
        for entry in DATASETS.values()
    )
    return _table(("dataset", "images", "terms", "how to get it"), rows)


def citations() -> str:
    """Whom to cite for which dataset."""
    return "\n".join(f"- **{entry.name}**: {entry.citation}" for entry in DATASETS.values())


def recipes() -> str:
    """The recipes that ship with the package."""
    found = [load_recipe(name) for name in recipe_names()]
    rows = (
        (
            f"`{recipe.name}`",
            recipe.summary,
            f"{recipe.steps:,}",
            str(recipe.batch),
            str(recipe.patch),
            f"`{recipe.sha256[:12]}…`",
        )
        for recipe in found
    )
    return _table(("recipe", "", "steps", "batch", "LR patch", "sha256"), rows)


def recipe_keys() -> str:
    """The keys of a recipe."""
    rows = ((f"`{key}`", values, default, meaning) for key, values, default, meaning in recipe_rows())
    return _table(HEAD, rows)


def networks() -> str:
    """The networks at the size of their papers, with their cost at ×4 for 1280×720 output."""
    rows = (
        (
            f"`{network.name}`",
            network.title,
            f"`{network.attention}`",
            network.slot,
            f"{COSTS[network.name, 4].parameters / 1e3:,.1f}",
            f"{COSTS[network.name, 4].macs / 1e9:,.1f}",
        )
        for network in NETWORKS.values()
    )
    return _table(("name", "network", "its attention", "where that sits", "parameters ×4, K", "MACs ×4, G"), rows)


def attentions() -> str:
    """The kinds of attention."""
    return ", ".join(
        f"`{name}`" + (f" ({kind.title})" if kind.title.lower() != name else "") for name, kind in ATTENTIONS.items()
    )


def weights() -> str:
    """Published weights, one row for all scales of one kind."""
    kinds: dict[str, list[WeightsEntry]] = {}
    for entry in WEIGHTS:
        kinds.setdefault(entry.spec, []).append(entry)
    rows = (
        (
            f"`{spec}`",
            times(sorted({scale for entry in entries for scale in entry.scales})),
            "pinned" if all(entry.pinned for entry in entries) else "unpinned",
            entries[0].licence,
            entries[0].training_data,
        )
        for spec, entries in kinds.items()
    )
    return _table(("model spec", "scales", "hash", "licence", "trained on"), rows)


def trained() -> str:
    """What was trained here: how, and its PSNR next to bicubic's and that of the authors' own weights."""
    rows = (
        [
            f"`{record['network']}` ×{scale}",
            _start(record),
            f"`{record['training']['recipe']}`",
            f"{record['training']['steps']:,}",
            f"{record['training']['patches']:,}",
            f"{record['training']['psnr']:.3f}",
            *(_beside(record, scale, name) for name in _SCORED),
        ]
        for record in _trained_records()
        for scale in scales_of(record)
    )
    return _table(("weights", "start", "recipe", "steps", "patches", "held out", *_SCORED), rows)


def trained_coverage() -> str:
    """Which of the paper's ten networks, plain and with BAM, have weights of which scale that were trained here."""
    found = {(record["network"], scale): record for record in _trained_records() for scale in scales_of(record)}
    names = [
        variant.name
        for network in _PAPER_NETWORKS
        for variant in (find_variant(network), find_variant(f"{network}-bam"))
    ]
    rows = [[f"`{name}`", *(_made(found.get((name, scale))) for scale in _SCALES), _instead(name)] for name in names]
    existing = sum((name, scale) in found for name in names for scale in _SCALES)
    table = _table(("network", *(f"×{scale}" for scale in _SCALES), "where none is trained here"), rows)
    return f"{existing} of {len(names) * len(_SCALES)} exist.\n\n{table}"


def _start(record: WeightsDocument) -> str:
    init = record["training"].get("init")
    return f"transfer from ×{init['scale']}" if init else "scratch"


def _made(record: WeightsDocument | None) -> str:
    return f"{_start(record)}, {record['training']['steps']:,} steps" if record else "-"


def _instead(name: str) -> str:
    return gpu_note(find_variant(name).network) if "-bam" not in name else ""


def studies() -> str:
    """The reports of the studies whose results are stored with the entries."""
    found = map(read_results, study_files(ROOT / "submissions"))
    reports = [re.sub("^#", "##", report(results), flags=re.MULTILINE) for results in found]
    return "\n".join(reports or ["None was carried out yet."])


def pairs() -> str:
    """The pairs of a base and its network with BAM that were trained once each, and what they show."""
    results = pair_results(_entries())
    rows = (
        (
            f"{one.label} ([base](../submissions/{one.pair.base.id}), [BAM](../submissions/{one.pair.variant.id}))",
            *("-" if fact is None else f"{fact:,}" if isinstance(fact, int) else fact for fact in one.training),
            *(_pair_difference(dict(one.differences).get(name)) for name in _PAIR_SETS),
        )
        for one in results
    )
    head = ("pair", "recipe", "steps", "seed", *(f"{name}, dB" for name in _PAIR_SETS))
    return f"{_table(head, rows)}\n\n{single_trainings(results)}"


_PAIR_SETS = ("Set5", "Set14", "BSD100", "Urban100")


def _pair_difference(found: PairedDifference | None) -> str:
    if found is None or found.mean is None:
        return "-"
    ends = f" ({found.interval[0]:+.3f} to {found.interval[1]:+.3f})" if found.interval else ""
    return f"{found.mean:+.3f}{ends}"


def curve_charts() -> dict[str, str]:
    """By file name, the curves of what was trained here: a network and its forms with other attention in one chart."""
    groups: dict[tuple[str, int], dict[str, list[Line]]] = {}
    for record in _trained_records():
        made = record["training"]
        groups.setdefault(_chart_of(record), {})[record["network"]] = [*made["history"], *made.get("loss", ())]
    return {_chart_file(*chart): curves(runs, title=f"{chart[0]} ×{chart[1]}") for chart, runs in groups.items()}


def curve_images() -> str:
    """Those charts as images."""
    charts = dict.fromkeys(map(_chart_of, _trained_records()))
    return "\n\n".join(
        f"![Loss and held-out PSNR of {name} ×{scale}]({_chart_file(name, scale)})" for name, scale in charts
    )


def _chart_of(record: WeightsDocument) -> tuple[str, int]:
    return find_variant(record["network"]).network.name, record["scale"]


def _chart_file(name: str, scale: int) -> str:
    return f"trained/{name}-x{scale}.svg"


def _trained_records() -> list[WeightsDocument]:
    return sorted(records(), key=lambda record: (record["scale"], record["network"]))


def _beside(record: WeightsDocument, scale: int, dataset: str) -> str:
    """The PSNR, and below it bicubic's and that of the authors' weights.

    What record and catalogue lack, Urban100 in most cases, comes from the entries of the leaderboard.
    """
    name, measured = record["network"], scores_at(record, scale)
    listed = authors_scores(name, scale=scale).get(dataset)
    own, bicubic, authors = (
        _entry_psnr(spec, scale, dataset) if known is None else known
        for spec, known in (
            (f"zoo:{name}@srbench", measured["scores"].get(dataset, {}).get("psnr_y")),
            ("bicubic", measured["bicubic"].get(dataset, {}).get("psnr_y")),
            (f"zoo:{name}@authors", listed.psnr_y if listed else None),
        )
    )
    if own is None:
        return "-"
    others = [f"{label} {psnr:.3f}" for label, psnr in (("bicubic", bicubic), ("authors", authors)) if psnr is not None]
    return "<br>".join([f"**{own:.3f}**", *others])


def bounds() -> str:
    """The largest drops in dB that the memorisation probe accepts."""
    head = ("kind", "mean of a set, at most", "one image, at most")
    return _table(head, ((kind, f"{bound.mean:.2f} dB", f"{bound.image:.2f} dB") for kind, bound in BOUNDS.items()))


def probes() -> str:
    """The largest drops that the memorisation probe found for each entry, over its scales, next to the bounds."""
    found = {
        entry.id: [facts.drops for facts in entry.submission.verification.memorisation or () if facts.drops]
        for entry in _entries()
        if entry.submission.verification
    }
    rows = [
        (f"`{name}`", *(_largest_drops([drops[kind] for drops in scales]) for kind in BOUNDS))
        for name, scales in sorted(found.items())
        if scales
    ]
    every = [drops for scales in found.values() for drops in scales]
    largest = ("**largest**", *(_largest_drops([drops[kind] for drops in every]) for kind in BOUNDS))
    limit = ("**bound**", *(f"{bound.mean:.2f}, {bound.image:.2f}" for bound in BOUNDS.values()))
    head = ("entry", *(f"{kind}: mean, image" for kind in BOUNDS))
    return _table(head, [*rows, largest, limit])


def _largest_drops(drops: Sequence[DropFacts]) -> str:
    found = largest_drop(drops)
    return f"{found.mean:.3f}, {found.image:.3f}"


def _entry_psnr(spec: str, scale: int, dataset: str) -> float | None:
    """The mean PSNR under `matlab-y` of the entry of a model; None if it has no such score."""
    means = [entry.means.get((scale, "matlab-y", dataset)) for entry in _entries() if entry.record.model.spec == spec]
    return next((mean.psnr for mean in means if mean), None)


@cache
def _entries() -> Collection:
    return collect(ROOT / "submissions")


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    return table_of_markdown(list(head), ([cell.replace("|", "\\|") for cell in row] for row in rows))


def layers() -> str:
    """Which package may import which, the highest first."""
    below: dict[str, tuple[str, ...]] = runpy.run_path(str(ROOT / "tests" / "layers.py"))["BELOW"]
    rows = (
        (f"`{name}`", ", ".join(f"`{lower}`" for lower in lowers) or "nothing")
        for name, lowers in reversed(below.items())
    )
    return _table(("package or module", "may import these, and what they may import"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "attentions": attentions,
    "bounds": bounds,
    "citations": citations,
    "curves": curve_images,
    "datasets": datasets,
    "layers": layers,
    "networks": networks,
    "pairs": pairs,
    "probes": probes,
    "recipes": recipes,
    "recipe_keys": recipe_keys,
    "studies": studies,
    "trained": trained,
    "trained_coverage": trained_coverage,
    "weights": weights,
}
"""The tables by the name that pages use."""


def main() -> None:
    """Write the tables into the pages of the repository."""
    for name in PAGES:
        path = ROOT / name
        path.write_text(committed(path.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
