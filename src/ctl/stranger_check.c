#include "ctl/stranger_check.h"

#include <netdb.h>

#include "ctl/own_address.h"

/* The address, or "here" where the kernel chooses it. */
static void
print_address(const struct http_client_target *target, char text[NI_MAXHOST])
{
	if (target->from_len == 0 ||
	    getnameinfo((const struct sockaddr *)&target->from,
		target->from_len, text, NI_MAXHOST, NULL, 0,
		NI_NUMERICHOST) != 0)
		(void)snprintf(text, NI_MAXHOST, "here");
}

void
stranger_check(struct probe *p)
{
	struct http_client_target usual = p->publish.target;
	const struct sockaddr *to = (const struct sockaddr *)&usual.address;
	struct exchange *held = &p->stream;
	char from[NI_MAXHOST];

	/* From another machine, the usual address is a stranger's. */
	if (own_address_is(to)) {
		p->publish.target.from_len =
		    own_address_other(to, &p->publish.target.from);
		if (p->publish.target.from_len == 0)
			return;
	}
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
