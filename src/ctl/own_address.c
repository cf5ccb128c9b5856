#include "ctl/own_address.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>

static bool
is_loopback(const struct sockaddr *at)
{
	if (at->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const struct sockaddr_in *)at;
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;
	return at->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool
is_link_local(const struct sockaddr *at)
{
	const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)at;

	return at->sa_family == AF_INET6 &&
	    IN6_IS_ADDR_LINKLOCAL(&v6->sin6_addr);
}

static bool
is_same_host(const struct sockaddr *a, const struct sockaddr *b)
{
	if (a->sa_family != b->sa_family)
		return false;
	if (a->sa_family == AF_INET)
		return ((const struct sockaddr_in *)a)->sin_addr.s_addr ==
		    ((const struct sockaddr_in *)b)->sin_addr.s_addr;
	return a->sa_family == AF_INET6 &&
	    IN6_ARE_ADDR_EQUAL(&((const struct sockaddr_in6 *)a)->sin6_addr,
		&((const struct sockaddr_in6 *)b)->sin6_addr);
}

bool
own_address_is(const struct sockaddr *at)
{
	struct ifaddrs *all = NULL;
	bool own = is_loopback(at);

	if (own || getifaddrs(&all) != 0)
		return own;
	for (const struct ifaddrs *i = all; i != NULL && !own; i = i->ifa_next)
		own = i->ifa_addr != NULL && is_same_host(i->ifa_addr, at);
	freeifaddrs(all);
	return own;
}

socklen_t
own_address_other(const struct sockaddr *at, struct sockaddr_storage *other)
{
	struct ifaddrs *all = NULL;
	socklen_t len = 0;

	if (getifaddrs(&all) != 0)
		return 0;
	for (const struct ifaddrs *i = all; i != NULL && len == 0;
	     i = i->ifa_next) {
		const struct sockaddr *own = i->ifa_addr;
		if (own == NULL || (i->ifa_flags & IFF_UP) == 0 ||
		    own->sa_family != at->sa_family || is_loopback(own) ||
		    is_link_local(own) || is_same_host(own, at))
			continue;
		len = own->sa_family == AF_INET ? sizeof(struct sockaddr_in)
						: sizeof(struct sockaddr_in6);
		memset(other, 0, sizeof(*other));
		memcpy(other, own, len);
	}
	freeifaddrs(all);
	return len;
}
