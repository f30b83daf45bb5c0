"""The public types as a user meets them; mypy reads this file, nothing runs it."""

from __future__ import annotations

import re

import partial_restore as pr


def use(model: object) -> str:
    report: pr.Report = pr.restore_subset(model, "ckpt", exclude=["head", re.compile("bias")], rename={"old/": "new/"})
    plan: pr.Plan = pr.plan_subset(model, "ckpt", strict=True, cast="safe", initialize={"head": "zeros"})
    shapes: list[tuple[int, ...]] = [item.variable.shape for item in report.loaded if item.variable]
    names: list[str] = [tensor.name for tensor in pr.list_checkpoint("ckpt")]
    try:
        plan.apply()
    except pr.MismatchError as error:
        return ", ".join(error.names)
    return report.explain(names[0]) + str(shapes) + pr.save_subset(model, "part", include="head")
