/*
 * The form of addresses in options.  Nothing is looked up.
 */
#ifndef PEAL_ADDRESS_H
#define PEAL_ADDRESS_H

#include <stdbool.h>

/*
 * HOST:PORT, where HOST is a name, an IPv4 address or an IPv6 address in
 * brackets and PORT is 1 to 65535; or fd:N, a descriptor.
 */
bool address_is_socket(const char *text);

/*
 * SCHEME://HOST or SCHEME://HOST:PORT, and nothing behind.
 * Source: RFC 6454, section 7.
 */
bool address_is_origin(const char *text);

#endif
