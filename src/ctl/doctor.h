/*
 * pealctl doctor: a stream and a few broadcasts through the public address, to
 * tell what is wrong in front of peal.
 */
#ifndef PEAL_DOCTOR_H
#define PEAL_DOCTOR_H

#include <stdio.h>

#include "ctl/probe.h"

/*
 * Examine, and print what was found.  Uses a channel of its own, on which it
 * publishes a handful of events.
 *
 * Returns 0 when all is well, 1 where it is not; -EINVAL, with the reason on
 * standard error, where a URL is none; -ENOMEM.
 */
int doctor_run(const struct probe_plan *plan, FILE *out);

#endif
