/*
 * What a mount bears: large bodies, many streams, silence.
 */
#ifndef PEAL_LOAD_CHECKS_H
#define PEAL_LOAD_CHECKS_H

#include "ctl/probe.h"

/* Post bodies that peal takes, of which nothing is stored. */
void load_checks_bodies(struct probe *p);

/* Hold many streams at once, and publish meanwhile. */
void load_checks_streams(struct probe *p);

/* Leave the stream that is held silent. */
void load_checks_silence(struct probe *p);

#endif
