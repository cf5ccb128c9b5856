/*
 * Who has given an answer that is not peal's, by what it looks like.
 */
#ifndef PEAL_ANSWERER_H
#define PEAL_ANSWERER_H

#include "ctl/advice.h"
#include "ctl/exchange.h"

/*
 * What an answer with a head means, where a stream or peal's own answer was
 * expected: the web server refuses, leads elsewhere or reaches nobody; or another
 * program has answered, such as PHP, or the site that every address leads to.
 */
enum advice_fault answerer_fault(const struct exchange *v);

#endif
