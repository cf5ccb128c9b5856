/*
 * Whether anybody may publish: who has no key, and is not this machine.
 */
#ifndef PEAL_STRANGER_CHECK_H
#define PEAL_STRANGER_CHECK_H

#include "ctl/probe.h"

/*
 * Post an event without the key, from an address of this machine that is not
 * loopback, so that rules for this machine alone do not hold: they let everybody in
 * where a proxy on this machine stands in front.  Left out where there is no such
 * address, or where the server cannot tell it from its own.
 */
void stranger_check(struct probe *p);

#endif
