#include "server/web_servers.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

/* Where an IPv4 address stands in an IPv6 one. */
#define MAPPED_AT 12
#define ADDRESS_BITS 128

static void
map(unsigned char address[16], const void *ipv4)
{
	memset(address, 0, MAPPED_AT - 2);
	memset(address + MAPPED_AT - 2, 0xff, 2);
	memcpy(address + MAPPED_AT, ipv4, 4);
}

static int
read_one(struct web_server *server, struct span one)
{
	char text[INET6_ADDRSTRLEN];
	unsigned char ipv4[4];
	struct span address;
	uint64_t bits;
	bool has_bits = memchr(one.ptr, '/', one.len) != NULL;
	unsigned most = ADDRESS_BITS;

	(void)span_cut(&one, '/', &address);
	if (address.len >= sizeof(text))
		return -EINVAL;
	memcpy(text, address.ptr, address.len);
	text[address.len] = '\0';
	if (inet_pton(AF_INET, text, ipv4) == 1) {
		map(server->address, ipv4);
		most = 32;
	} else if (inet_pton(AF_INET6, text, server->address) != 1) {
		return -EINVAL;
	}
	bits = most;
	if (has_bits && (span_to_u64(one, &bits) != 0 || bits > most))
		return -EINVAL;
	server->bits = ADDRESS_BITS - most + (unsigned)bits;
	return 0;
}

int
web_servers_parse(struct web_servers *w, struct span list, struct buf *why)
{
	struct span one;

	*w = (struct web_servers){ .listed = span_trim(list).len > 0 };
	while (span_cut(&list, ',', &one)) {
		one = span_trim(one);
		if (one.len == 0)
			continue;
		if (w->count == WEB_SERVERS_MAX) {
			buf_put_cstr(why, "it lists too many, 64 at most");
			return -EINVAL;
		}
		if (read_one(&w->servers[w->count], one) != 0) {
			buf_put_char(why, '"');
			buf_put(why, one);
			buf_put_cstr(why,
			    "\" is no IPv4 or IPv6 address, or prefix of one");
			return -EINVAL;
		}
		w->count++;
	}
	return 0;
}

static bool
matches(const struct web_server *server, const unsigned char address[16])
{
	unsigned bytes = server->bits / 8;
	unsigned rest = server->bits % 8;

	return memcmp(server->address, address, bytes) == 0 &&
	    (rest == 0 ||
		((server->address[bytes] ^ address[bytes]) >> (8 - rest)) == 0);
}

bool
web_servers_allow(const struct web_servers *w,
    const struct sockaddr_storage *peer)
{
	unsigned char address[16];

	if (!w->listed || peer->ss_family == AF_UNIX)
		return true;
	if (peer->ss_family == AF_INET)
		map(address, &((const struct sockaddr_in *)peer)->sin_addr);
	else if (peer->ss_family == AF_INET6)
		memcpy(address, &((const struct sockaddr_in6 *)peer)->sin6_addr,
		    sizeof(address));
	else
		return false;
	for (size_t i = 0; i < w->count; i++) {
		if (matches(&w->servers[i], address))
			return true;
	}
	return false;
}
