/*
 * The state of the arena and its workers for Prometheus.
 * Source: Prometheus, "Exposition formats", "Text-based format".
 */
#ifndef PEAL_STATUS_METRICS_H
#define PEAL_STATUS_METRICS_H

#include "arena/status.h"
#include "base/buf.h"

#define STATUS_METRICS_TYPE "text/plain; version=0.0.4; charset=utf-8"

/* Append the figures that are measured. */
void status_metrics(struct buf *out, const struct status *status);

#endif
