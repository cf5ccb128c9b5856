/*
 * What came of a load, printed.
 */
#ifndef PEAL_RESULTS_H
#define PEAL_RESULTS_H

#include <stdio.h>

#include "base/buf.h"
#include "bench/load.h"

/* Tables for people. */
void results_print(FILE *out, const struct load *l);

/* Append one JSON object and a newline; peal-bench(1) names its members. */
void results_json(struct buf *out, const struct load *l);

#endif
