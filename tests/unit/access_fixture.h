/*
 * For tests of what comes behind the question who may do it: everybody may do everything.
 */
#ifndef PEAL_TESTS_ACCESS_FIXTURE_H
#define PEAL_TESTS_ACCESS_FIXTURE_H

#include "wire/access.h"
#include "wire/message_builder.h"
#include "wire/subscription.h"

static const struct access all_access = { .roles = ACCESS_SUBSCRIBE |
	    ACCESS_PUBLISH | ACCESS_STATUS };

static inline struct message_rules
rules_of_size(size_t event_size)
{
	return (struct message_rules){ .event_size = event_size,
		.access = &all_access };
}

static inline struct subscription_rules
rules_of_param(const char *channel_param)
{
	return (struct subscription_rules){ .channel_param = channel_param,
		.access = &all_access };
}

#endif
