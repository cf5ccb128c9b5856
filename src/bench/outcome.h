/*
 * What came of a load, printed.
 */
#ifndef PEAL_OUTCOME_H
#define PEAL_OUTCOME_H

#include <stdio.h>

#include "base/buf.h"
#include "bench/load.h"

/* Tables for people. */
void outcome_print(FILE *out, const struct load *l);

/* Append one JSON object and a newline; peal-bench(1) names its members. */
void outcome_json(struct buf *out, const struct load *l);

#endif
