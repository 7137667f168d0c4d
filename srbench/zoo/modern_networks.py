"""RLFN, EFDN, SPAN and SAFMN as entries of the zoo. Imports no torch."""

from __future__ import annotations

from srbench.zoo.network_types import TRAINING_FORM, Network

MODERN_NETWORKS: tuple[Network, ...] = (
    Network(
        name="rlfn",
        title="RLFN",
        module="srbench.zoo.rlfn:RLFN",
        source="bytedance/RLFN",
        citation="Kong et al., Residual Local Feature Network for Efficient SR, CVPR Workshops 2022",
        value_range=255.0,
        attention="esa-light",
        slot="last in each block",
        slot_channels=52,
        reduction=13,
        options={"channels": 52, "hidden": 52, "blocks": 6},
    ),
    Network(
        name="rlfn-ntire2022",
        title="RLFN (NTIRE 2022)",
        module="srbench.zoo.rlfn:RLFN",
        source="bytedance/RLFN",
        citation="Kong et al., Residual Local Feature Network for Efficient SR, CVPR Workshops 2022",
        value_range=255.0,
        attention="esa-light",
        slot="last in each block",
        slot_channels=46,
        reduction=23,
        options={"channels": 46, "hidden": 48, "blocks": 4},
    ),
    Network(
        name="efdn",
        title="EFDN",
        module="srbench.zoo.efdn:EFDN",
        source="icandle/EFDN",
        citation="Wang, Edge-enhanced Feature Distillation Network for Efficient SR, CVPR Workshops 2022",
        value_range=1.0,
        attention="esa",
        slot="on the fused features of each cell, before its skip",
        slot_channels=48,
        options={"channels": 48, "cells": 4, "training_form": False},
        sizes=((TRAINING_FORM,),),
        multiples={"channels": 2},
    ),
    *(
        Network(
            name=name,
            title=title,
            module="srbench.zoo.span:SPAN",
            source="hongyuanyu/SPAN",
            citation="Wan et al., Swift Parameter-free Attention Network for Efficient SR, CVPR Workshops 2024",
            value_range=1.0,
            attention="spa",
            slot="the factor at the end of each block",
            slot_channels=channels,
            reduction=reduction,
            options={"channels": channels, "blocks": 6, "gain": 255.0, "training_form": False},
            unit_form={"gain": 1.0},
            sizes=((TRAINING_FORM,),),
        )
        # The code's default width; the width of the paper's main rows; the width of the challenges.
        for name, title, channels, reduction in (
            ("span", "SPAN", 48, 16),
            ("span-52", "SPAN-52", 52, 13),
            ("span-28", "SPAN-28", 28, 7),
        )
    ),
    Network(
        name="safmn",
        title="SAFMN",
        module="srbench.zoo.safmn:SAFMN",
        source="sunny2109/SAFMN",
        citation="Sun et al., Spatially-Adaptive Feature Modulation for Efficient Image SR, ICCV 2023",
        value_range=1.0,
        attention="safm",
        slot="first in each block, on its normalised input",
        slot_channels=36,
        reduction=9,
        options={"channels": 36, "blocks": 8, "challenge": False},
        multiples={"channels": 4},
    ),
    Network(
        name="safmn-ntire2023",
        title="SAFMN (NTIRE 2023)",
        module="srbench.zoo.safmn:SAFMN",
        source="sunny2109/SAFMN",
        citation="Sun et al., Spatially-Adaptive Feature Modulation for Efficient Image SR, ICCV 2023",
        value_range=1.0,
        attention="safm-ntire2023",
        slot="first in each block",
        slot_channels=36,
        reduction=9,
        options={"channels": 36, "blocks": 8, "challenge": True},
        multiples={"channels": 4},
    ),
)
"""Each at the size of its paper, and at those of the challenges that published weights exist for."""
