/*
 * How systemd finds peal.service.
 */
#ifndef PEAL_UNIT_CHECK_H
#define PEAL_UNIT_CHECK_H

#include "ctl/findings.h"

/* Ask systemctl, where it is and knows the unit. */
void unit_check(struct findings *g);

#endif
