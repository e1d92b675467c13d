"""Survival analysis with networks: time to an event that not every subject has had (Burghoff, chapter 7).

    from toolkit.survival import cox, metrics

    loss = cox.cox_loss(log_hazard, time, event)
    metrics.concordance_index(time, event, log_hazard)

==============  ===========================================================================
`cox`           partial likelihood, baseline hazard, survival curves
`network`       a network that is trained by it through `training.fit`
`batches`       mini-batches with events in them
`metrics`       concordance, ROC curves, Brier score, calibration, Kaplan-Meier, intervals
`domain`        predictions for pictures from more than one scanner
`merged`        following a model on patients of two clinics
`subjects`      a few subjects to move, and what each metric makes of it
`observations`  what is asked of times and events
`prefix`        the sums over risk sets
==============  ===========================================================================

Everywhere `time` holds the time to the event or, where `event` is 0, the time for which the subject was seen without one.
A larger log hazard means an earlier event.
"""

from toolkit.survival import cox, domain, merged, metrics, network

__all__ = ["cox", "domain", "merged", "metrics", "network"]
