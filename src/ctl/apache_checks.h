/*
 * Apache on this machine: its MPM and its limits, the module that leads to peal, and
 * .htaccess files that lead elsewhere.
 */
#ifndef PEAL_APACHE_CHECKS_H
#define PEAL_APACHE_CHECKS_H

#include <sys/types.h>

#include "ctl/findings.h"
#include "ctl/server_config.h"

/* pid is Apache's first process. */
void apache_checks(struct findings *g, pid_t pid,
    const struct server_config *config);

#endif
