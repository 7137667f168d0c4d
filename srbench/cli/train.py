"""`srbench train`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("train", short_help="Train a network by a recipe.")
@click.option("--model", required=True, metavar="NAME", help="A network of the zoo, as rcan-bam.")
@click.option("--scale", required=True, type=int)
@click.option("--recipe", required=True)
@click.option("--train-set", required=True, metavar="NAME|DIR")
@click.option("--output", required=True, type=click.Path(path_type=Path))
@click.option("--seed", default=0, type=int)
@click.option("--steps", type=int)
@click.option("--set", "settings", multiple=True)
@click.option("--device", default="auto")
@click.option("--data-root", type=click.Path(path_type=Path))
def command(model: str, scale: int, recipe: str, train_set: str, output: Path, seed: int, steps: int | None,
            settings: tuple[str, ...], device: str, data_root: Path | None) -> None:
    """Train a network by a recipe."""
    from srbench.training.recipe import load_recipe
    from srbench.training.trainer import Job, train

    changes = [*settings, *([f"steps={steps}"] if steps else [])]
    job = Job(network=model, scale=scale, recipe=load_recipe(recipe).changed(changes), train_set=train_set,
              output=output, seed=seed, data_root=data_root, device=device)
    record = train(job)
    click.echo(f"{record['network']} {record['psnr']}")
