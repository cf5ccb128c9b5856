/*
 * What root sees on the server itself: who listens at the port, whether that may
 * connect to the sockets it names, what peal runs behind them, and how systemd finds
 * it.
 */
#ifndef PEAL_LOCAL_CHECKS_H
#define PEAL_LOCAL_CHECKS_H

#include "ctl/probe.h"

/*
 * Examine this machine, where the URL leads to it and we are root; else nothing.
 * Comes first: what is known of the server makes advice narrower, and a socket at
 * fault explains that peal is not reached.
 */
void local_checks(struct probe *p);

/* At the end, when there has been a request: note which arena the mount uses. */
void local_checks_arenas(struct probe *p);

#endif
