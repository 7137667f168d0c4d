"""Write the results of a study as Markdown: the question, the outcome, and its limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from srbench.errors import enumerated, numbered
from srbench.records.study import (
    ChosenRate,
    ContrastResult,
    GroupResult,
    MeasuredDifference,
    MeasuredEndpoint,
    StudyPlan,
    StudyResults,
)
from srbench.statistics import far_apart, p_text
from srbench.tables import table_of_markdown


def report(results: StudyResults) -> str:
    """Return the complete report of the results that `collect` returns."""
    parts = [_head(results), _plan(results)]
    for group in results.groups:
        parts += _group(results, group)
    parts += _gains(results)
    return "\n\n".join([*parts, _reach(results)]) + "\n"


def answer(results: StudyResults) -> str:
    """Return the outcome of the study's question in one sentence.

    If the plan also trains all arms at one rate, the arms are better, worse or equivalent only where both outcomes say
    so; else the answer is that it depends on the learning rate.
    """
    asked = next(
        one for group in results.groups for one in (*group.differences, *group.unmeasured) if one.is_the_question
    )
    again = _at_one_rate(results, asked)
    if again is None or _outcome(again[1]) == _outcome(asked):
        return _sentence(results, asked)
    rate, other = again
    own, shared = (f"{_difference(one.final)}, {_outcome(one)}" if one.final else "undecided" for one in (asked, other))
    return (
        f"Whether {asked.a} is better than {asked.b} depends on the learning rate, {_where(results, asked)}: {own} "
        f"with {_training(results, asked)}; {shared} with both arms at {rate:g}."
    )


def _at_one_rate(results: StudyResults, asked: ContrastResult) -> tuple[float, ContrastResult] | None:
    """Return the shared learning rate and the result of the study's question at this rate, or None."""
    wanted = (asked.a, asked.b, asked.endpoint)
    return next(
        (
            (group.rate, one)
            for group in results.groups
            if group.rate is not None
            for one in (*group.differences, *group.unmeasured)
            if (one.a, one.b, one.endpoint) == wanted
        ),
        None,
    )


def _outcome(one: ContrastResult) -> str:
    return one.final.outcome if one.final and not one.diverged else "undecided"


def _where(results: StudyResults, asked: ContrastResult) -> str:
    return f"on {asked.endpoint}, {results.study.protocol}"


def _sentence(results: StudyResults, asked: ContrastResult) -> str:
    where, found = _where(results, asked), asked.final
    if asked.diverged or found is None:
        verdict = f"Undecided between {asked.a} and {asked.b}, since {_lost(asked.diverged or {})}"
        if found is None:
            return f"{verdict}: fewer than two seeds are left to compare {where}; {_training(results, asked)}."
        return f"{verdict}: {_difference(found)} over the other {found.n} seeds {where}; {_training(results, asked)}."
    verdict = {
        "better": f"{asked.a} is better than {asked.b}",
        "worse": f"{asked.a} is worse than {asked.b}",
        "equivalent": f"{asked.a} and {asked.b} are equivalent within ±{found.margin:g} dB",
        "undecided": f"{found.n} seeds do not decide between {asked.a} and {asked.b}",
    }[found.outcome]
    return f"{verdict}: {_difference(found)} {where}; {_training(results, asked)}."


def _training(results: StudyResults, asked: ContrastResult) -> str:
    """Return at which rates and for how many steps the arms of a contrast were trained, in words."""
    a, b = (results.learning_rates[arm].chosen for arm in (asked.a, asked.b))
    rates = f"both arms at learning rate {a:g}" if a == b else f"{asked.a} at learning rate {a:g}, {asked.b} at {b:g}"
    return f"{rates}, after {results.recipe.steps:,} steps"


def _head(results: StudyResults) -> str:
    study = results.study
    return f"# {study.name}\n\n{study.question}\n\n**{_upper(answer(results))}**"


def _plan(results: StudyResults) -> str:
    study, recipe, images = results.study, results.recipe, results.train_set
    tried = [[f"`{arm}`", f"{rates.chosen:g}", _tried(rates)] for arm, rates in results.learning_rates.items()]
    text = (
        f"All arms ×{study.scale}, recipe `{recipe.name}` (sha256 `{recipe.sha256[:12]}…`): "
        f"{recipe.steps:,} steps, {recipe.patches:,} patches of {images.images} images of "
        f"{images.name}. Learning rate by arm: the best of {len(study.learning_rates)} on the held-out "
        f"training images with {_seeds_of_search(study)}, then frozen.{_rule(results)}"
    )
    parts = ["## Plan", text, table_of_markdown(["arm", "learning rate", "held-out PSNR by rate"], tried)]
    if edge := _at_the_edge(results):
        parts.append(
            f"For {enumerated(edge)}, the best rate is the lowest or the highest one that was tried, so a wider search "
            "might find a better one."
        )
    if len({found.chosen for found in results.learning_rates.values()}) > 1:
        parts.append(
            "The arms were trained at different learning rates. A difference between them belongs to the network "
            "together with its rate, not to the network alone."
        )
    return "\n\n".join(parts)


def _seeds_of_search(study: StudyPlan) -> str:
    return f"the mean of seeds {_listed(study.search.seeds)}" if study.search else f"seed {study.search_seed}"


def _rule(results: StudyResults) -> str:
    """Return how the rates are chosen from several seeds, and which one all arms share; empty for a single seed."""
    rule = results.study.search
    if rule is None:
        return ""
    text = (
        f" A rate is unstable for an arm if one seed diverges or ends {rule.broken_db:g} dB below the arm's best "
        f"training; the rate taken is at least a factor of {rule.factor:g} below every unstable one."
    )
    shared = next((group.rate for group in results.groups if group.rate is not None), None)
    return (
        text if shared is None else f"{text} The rate with the best mean over all arms, for all of them, is {shared:g}."
    )


def _tried(rates: ChosenRate) -> str:
    lost = "diverged" if rates.by_seed is None else "unstable"
    return "; ".join(f"{rate}: {lost if psnr is None else f'{psnr:.3f} dB'}" for rate, psnr in rates.tried.items())


def _at_the_edge(results: StudyResults) -> list[str]:
    rates = results.study.learning_rates
    return [
        arm
        for arm, found in results.learning_rates.items()
        if len(rates) > 1 and found.chosen in (min(rates), max(rates))
    ]


def _group(results: StudyResults, group: GroupResult) -> Iterator[str]:
    rate = "" if group.rate is None else f" ({group.rate:g})"
    if results.is_repetition(group):
        yield f"## {_upper(group.name)}{rate}"
        yield "This rate is also the best one of each arm, so its trainings and results are those above."
        return
    planned = len(results.planned_seeds(group))
    of_all = f" of {planned}" if planned > len(group.seeds) else ""
    yield f"## {_upper(group.name)}{rate}: {len(group.seeds)}{of_all} seeds each"
    if of_all:
        yield "The other seeds are not trained yet: this is a report between two stretches of the study."
    yield from _means(group)
    yield _contrasts(group)
    if group.differences:
        yield "The difference during the training, dB:"
        yield _course(group, [str(percent) for percent in results.study.percentages])


def _means(group: GroupResult) -> Iterator[str]:
    """Yield the means of each arm, over the seeds and for each seed, and remarks on failed trainings."""
    if lost := group.diverged:
        lost_seeds = "; ".join(
            f"`{arm}` with {len(seeds)} of {len(group.seeds)} seeds ({_listed(seeds)})" for arm, seeds in lost.items()
        )
        yield (
            f"Diverged (the loss did not stay finite) and therefore not scored: {lost_seeds}. A contrast that needs "
            "these seeds is undecided. Its numbers are those of the remaining seeds, which are not a random sample."
        )
    names = [endpoint.name for endpoint in group.endpoints]
    means = [[f"`{arm}`", *(_spread(group.means[arm][name]["100"]) for name in names)] for arm in group.arms]
    yield table_of_markdown(["mean ± standard deviation over seeds, dB", *map(_label, group.endpoints)], means)
    seeds = {arm: group.means[arm][names[0]]["100"] for arm in group.arms}
    yield table_of_markdown(
        [f"{names[0]}, dB", *(f"seed {seed}" for seed in group.seeds)],
        [
            [f"`{arm}`", *("diverged" if value is None else f"{value:.3f}" for value in values)]
            for arm, values in seeds.items()
        ],
    )
    if spiked := group.spiked:
        named = "; ".join(f"`{arm}`: {numbered('seed', found)}" for arm, found in spiked.items())
        yield (
            f"The loss of some trainings rose to many times its lowest value and fell again: {named}. They are scored "
            "like the others. Their scores say more about the learning rate than about the network."
        )
    if apart := [f"`{arm}` ({np.ptp(_finished(values)):.2f} dB)" for arm, values in seeds.items() if far_apart(values)]:
        yield (
            f"The seeds of {', '.join(apart)} are far apart, as if some trainings had failed. A mean and Student's "
            "interval say little about such an arm; look at its single seeds."
        )


def _contrasts(group: GroupResult) -> str:
    """Return the table of the differences after all steps."""
    corrected = any(one.p_holm is not None for one in group.differences)
    head = ["A - B", "endpoint", "difference, 95 % interval", "p", *(["p (Holm)"] if corrected else [])]
    return table_of_markdown(
        [*head, "p (equivalent)", "detectable", "outcome"],
        (_row(one, corrected=corrected) for one in (*group.differences, *group.unmeasured)),
    )


def _course(group: GroupResult, shares: Sequence[str]) -> str:
    """Return the table of the differences after each percentage of the steps."""
    return table_of_markdown(
        ["A - B", "endpoint", *(f"{share} % of the steps" for share in shares)],
        [
            [_pair(one), _label_of(one), *(_difference(found[share]) if share in found else "-" for share in shares)]
            for one in group.differences
            if (found := one.by_percentage)
        ],
    )


def _gains(results: StudyResults) -> list[str]:
    if not results.gains:
        return []
    rows = [[f"`{one.arm}`", f"`{one.site}`", f"{one.start:.3f}", f"{one.end:.3f}"] for one in results.gains]
    return [
        "## Mean gain of each attention",
        "What the values of an attention map are on average, over 8 fixed patches and the seeds: 1 leaves the features "
        "as they are, less damps them.",
        table_of_markdown(["arm", "attention", "at initialisation", "after training"], rows),
    ]


def _row(one: ContrastResult, *, corrected: bool) -> list[str]:
    mark = "**" if one.is_the_question else ""
    found = one.final
    if found is None:
        return [_pair(one), _label_of(one), *["-"] * (4 + corrected), f"{mark}undecided{mark}"]
    return [
        _pair(one),
        _label_of(one),
        _difference(found),
        p_text(found.p_value),
        *([p_text(one.p_holm)] if corrected else []),
        p_text(found.p_equivalent),
        f"{found.detectable:.3f}",
        f"{mark}{found.outcome}{mark}",
    ]


def _pair(one: ContrastResult) -> str:
    return f"`{one.a}` - `{one.b}`"


def _label_of(one: ContrastResult) -> str:
    return _label(MeasuredEndpoint(name=one.endpoint, role=one.role))


def _label(endpoint: MeasuredEndpoint) -> str:
    return endpoint.name if endpoint.role == "target" else f"{endpoint.name} ({endpoint.role})"


def _difference(found: MeasuredDifference) -> str:
    low, high = found.interval
    return f"{found.mean:+z.3f} dB ({low:+z.3f} to {high:+z.3f})"


def _spread(values: Sequence[float | None]) -> str:
    found = _finished(values)
    if len(found) < 2:
        return f"{found[0]:.3f}" if found else "-"
    return f"{np.mean(found):.3f} ± {np.std(found, ddof=1):.3f}"


def _finished(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _lost(diverged: Mapping[str, Sequence[int]]) -> str:
    return " and ".join(f"{arm} diverged with {numbered('seed', seeds)}" for arm, seeds in diverged.items())


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def _reach(results: StudyResults) -> str:
    recipe, margin = results.recipe, results.study.margin_db
    return (
        "## How to read this\n\n"
        "Each seed gives one value: a mean over a set's images. Arms are paired by seed, because a seed also fixes the "
        'order of the patches. The interval and p are Student\'s paired t; "p (equivalent)" is the larger '
        f'of two one-sided tests against ±{margin:g} dB, and below 0.05 the outcome is "equivalent"; "detectable" '
        "is the true difference in dB that as many seeds find in four of five studies. Only the outcome in "
        f"bold answers the study's question; {_correction(results)}\n\n"
        f"All of it holds for this budget: {recipe.steps:,} steps of `{recipe.name}`. A longer training may "
        f"reverse it. {results.hours:g} hours of training on {', '.join(results.devices)}; plan "
        f"`{results.sha256[:12]}…`."
    )


def _correction(results: StudyResults) -> str:
    if results.study.correction is None:
        return "the other p-values are not corrected for their number."
    return 'the other p-values are corrected by Holm as "p (Holm)", all contrasts of a group on one endpoint together.'


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
