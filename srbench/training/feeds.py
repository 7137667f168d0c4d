"""Read the batches of a training from one stream of patches for each scale; each step has one scale."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import torch

from srbench.datasets.patches import Draw, PatchFeed
from srbench.training.memory import fits_on_device
from srbench.training.recipe import Recipe
from srbench.training.training_data import TrainingData

FeedState = dict[str, int | str | bool]
FeedsState = dict[str, FeedState] | FeedState


class Feeds:
    """Streams of patches by scale. The scales take turns: step 0 has the first scale, step 1 the second."""

    def __init__(self, data: Mapping[int, TrainingData], recipe: Recipe, seed: int, device: torch.device) -> None:
        self.scales = tuple(data)
        self._batch = recipe.batch
        self._feeds = {
            scale: PatchFeed(
                one.plan(recipe, seed), batch=recipe.batch, device=device, resident=fits_on_device(one, device)
            )
            for scale, one in data.items()
        }

    def scale_at(self, step: int) -> int:
        """Return the scale that is trained in a step."""
        return self.scales[step % len(self.scales)]

    def at(self, step: int) -> PatchFeed:
        """Return the stream that a step reads from."""
        return self._feeds[self.scale_at(step)]

    def epochs(self, steps: int) -> float:
        """Return how often each training patch was used after this number of steps, on average over the scales."""
        return steps * self._batch / sum(len(feed.sampler.plan) for feed in self._feeds.values())

    def again(self, step: int) -> Draw:
        """Return the global batch of an earlier step: the stream of patches is a function of the seed."""
        feed = self.at(step)
        plan = feed.sampler.plan
        epoch, position = divmod(step // len(self.scales) * self._batch, len(plan))
        feed.load_state_dict({**feed.state_dict(), "epoch": epoch, "position": position})
        return feed.sampler.draw(self._batch)

    def state_dict(self) -> FeedsState:
        """Return the position of each stream by its scale; for a single scale, its position alone."""
        states = {str(scale): feed.state_dict() for scale, feed in self._feeds.items()}
        return states if len(states) > 1 else next(iter(states.values()))

    def load_state_dict(self, state: FeedsState) -> None:
        """Continue from a state."""
        several = len(self._feeds) > 1
        for scale, feed in self._feeds.items():
            feed.load_state_dict(cast(FeedState, state[str(scale)] if several else state))
