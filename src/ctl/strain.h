/*
 * What a mount bears: large bodies, many streams, silence.
 */
#ifndef PEAL_STRAIN_H
#define PEAL_STRAIN_H

#include "ctl/patient.h"

/* Post bodies that peal takes, of which nothing is stored. */
void strain_bodies(struct patient *p);

/* Hold many streams at once, and publish meanwhile. */
void strain_streams(struct patient *p);

/* Leave the stream that is held silent. */
void strain_silence(struct patient *p);

#endif
