/*
 * The state of the arena and its workers as one JSON object.
 */
#ifndef PEAL_STATUS_JSON_H
#define PEAL_STATUS_JSON_H

#include "arena/status.h"
#include "base/buf.h"

void status_json(struct buf *out, const struct status *status);

/* Its member "workers" alone: an array. */
void status_json_workers(struct buf *out, const struct status *status);

#endif
