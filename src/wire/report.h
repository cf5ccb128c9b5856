/*
 * The state of the arena and its workers as JSON and as Prometheus' text format.
 */
#ifndef PEAL_REPORT_H
#define PEAL_REPORT_H

#include "arena/status.h"
#include "base/buf.h"
#include "base/clock.h"

/* One JSON object. */
void report_json(struct buf *out, const struct status *status,
    struct clock_now now);

/* Prometheus, "Text-based format": names peal_*. */
#define REPORT_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"
void report_metrics(struct buf *out, const struct status *status,
    struct clock_now now);

#endif
