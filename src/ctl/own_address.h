/*
 * The addresses of this machine.
 */
#ifndef PEAL_OWN_ADDRESS_H
#define PEAL_OWN_ADDRESS_H

#include <stdbool.h>
#include <sys/socket.h>

/* Whether it is loopback, or one of this machine's. */
bool own_address_is(const struct sockaddr *at);

/*
 * An address of this machine, of the same family, from which a connection to at does
 * not look as if it came from the same place: neither loopback nor at itself.
 *
 * Returns its length, or 0 where there is none.
 */
socklen_t own_address_other(const struct sockaddr *at,
    struct sockaddr_storage *other);

#endif
