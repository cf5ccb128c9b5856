#include "ctl/stranger_check.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <netdb.h>
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

/*
 * Find where to connect from.  Returns false where that is no stranger's address;
 * *from_len is 0 where the server is elsewhere and the usual address is one.
 */
static bool
find_address(struct http_client_target *target)
{
	const struct sockaddr *to = (const struct sockaddr *)&target->address;
	struct ifaddrs *all = NULL;
	bool here = is_loopback(to);
	bool found = false;

	if (getifaddrs(&all) != 0)
		return false;
	for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
		const struct sockaddr *at = i->ifa_addr;
		if (at == NULL || (i->ifa_flags & IFF_UP) == 0 ||
		    at->sa_family != to->sa_family)
			continue;
		bool same = is_same_host(at, to);
		here |= same;
		if (found || same || is_loopback(at) || is_link_local(at))
			continue;
		found = true;
		memset(&target->from, 0, sizeof(target->from));
		target->from_len = at->sa_family == AF_INET
		    ? sizeof(struct sockaddr_in)
		    : sizeof(struct sockaddr_in6);
		memcpy(&target->from, at, target->from_len);
	}
	freeifaddrs(all);
	if (!here)
		target->from_len = 0;
	return !here || found;
}

static void
print_address(const struct http_client_target *target, char text[NI_MAXHOST])
{
	if (target->from_len == 0 ||
	    getnameinfo((const struct sockaddr *)&target->from,
		target->from_len, text, NI_MAXHOST, NULL, 0,
		NI_NUMERICHOST) != 0)
		(void)strcpy(text, "here");
}

void
stranger_check(struct probe *p)
{
	struct http_client_target usual = p->publish.target;
	struct exchange *held = &p->stream;
	char from[NI_MAXHOST];

	if (!find_address(&p->publish.target))
		return;
	findings_step(&p->diagnosis, "publishing as a stranger");
	print_address(&p->publish.target, from);
	p->as_stranger = true;
	bool published = probe_publish(p, &held, 1) && probe_is_published(p);
	p->as_stranger = false;
	p->publish.target = usual;
	if (published)
		findings_find(&p->diagnosis, ADVICE_OPEN,
		    "%s: an event without a key is taken, from %s",
		    p->publish.what, from);
}
